"""Mounts in a mount namespace of the agent's own; swap with tools that only pretend to use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Step
from provision.steps.mounts import Mount, NoMount
from provision.steps.support.fstab import MountEntry
from provision.steps.support.mounted import remount, same_kind
from provision.steps.swap import SwapFile

FSTAB = "# file systems\nUUID=1  /  ext4  errors=remount-ro  0 1\n"


def test_mount_unmount_and_what_fstab_says(bench: Bench) -> None:
    bench.over("/etc")
    fstab = bench.root / "etc/fstab"
    fstab.write_text(FSTAB)
    at = str(bench.root / "a b")
    step, gone = Mount(at, "tmpfs", "tmpfs", "size=1m"), NoMount(at)
    planned = bench.run(step, step, gone, gone, plan=True)
    assert [o.state for o in planned] == ["changed", "ok", "changed", "ok"], [o.error for o in planned]
    assert fstab.read_text() == FSTAB and not Path(at).exists()
    (done,) = bench.run(step)
    assert done.diff == planned[0].diff
    assert fstab.read_text() == FSTAB + f"tmpfs {at} tmpfs size=1m 0 0\n".replace("a b", "a\\040b")
    # the namespace of that agent is gone, as after a boot without this mount
    real = bench.run(
        step, step, Mount(at, "tmpfs", "tmpfs", "size=2m,noexec"), Mount(at, "tmpfs", "ramfs"), gone
    )
    assert [c.what for c in real[0].diff] == ["mounted"] and real[1].why == "is mounted"
    assert [c.what for c in real[2].diff] == ["content", "mounted"]
    assert real[3].error is not None and "is already mounted at" in real[3].error.message
    assert [c.what for c in real[4].diff] == ["mounted", "content"] and fstab.read_text() == FSTAB


def test_what_stands_in_the_way_is_said(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/fstab").write_text(FSTAB)
    at = str(bench.root / "data")
    (failed,) = bench.run(Mount(at, "/dev/no-such", "ext4"))
    assert failed.error is not None and "mounting" in failed.error.message
    bench.script += f"mkdir -p {at} && mount -t tmpfs tmpfs {at} && "
    bench.fails(Mount(at, "tmpfs", "ramfs"), "is already mounted at")
    bench.fails(Mount(at, "/dev/other", "tmpfs"), "is already mounted at")
    (gone,) = bench.run(NoMount(at))
    assert [c.what for c in gone.diff] == ["mounted", "content"]
    assert (bench.root / "etc/fstab").read_text() == FSTAB


def test_a_line_only_and_one_in_other_columns(bench: Bench) -> None:
    bench.over("/etc")
    fstab = bench.root / "etc/fstab"
    fstab.write_text("tmpfs\t/mnt/x\ttmpfs\tnoexec\t0\t0\n" + FSTAB)
    bench.settled(Mount("/mnt/x", "tmpfs", "tmpfs", "noexec", mounted=False))
    bench.cycle(Mount("/mnt/x", "tmpfs", "tmpfs", "nosuid", mounted=False))
    assert fstab.read_text() == "tmpfs /mnt/x tmpfs nosuid 0 0\n" + FSTAB
    bench.cycle(NoMount("/mnt/x"))
    assert fstab.read_text() == FSTAB


def test_a_bind_mount_is_of_the_directory_that_is_asked_for(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/fstab").write_text(FSTAB)
    one, two, at = (str(bench.root / name) for name in ("one", "two", "at"))
    bench.script += f"mkdir -p {one} {two} {at} && mount --bind {one} {at} && "
    bench.fails(Mount(at, two, "none", "bind"), "is already mounted at")
    assert (bench.root / "etc/fstab").read_text() == FSTAB, "nothing has been changed"
    assert [c.what for c in bench.run(Mount(at, one, "none", "bind"))[0].diff] == ["content"]
    bench.settled(Mount(at, one, "none", "bind"))
    plain = bench.script
    bench.script += f"mount -o remount,bind,ro {at} && "
    again = bench.run(Mount(at, one, "none", "bind"), Mount(at, one, "none", "bind"))
    assert [[c.what for c in o.diff] for o in again] == [["mounted"], []]
    bench.script = plain
    planned = bench.run(NoMount(at), Mount(at, two, "none", "bind"), plan=True)
    real = bench.run(NoMount(at), Mount(at, two, "none", "bind"))
    assert [o.error for o in real] == [None, None] and [o.diff for o in real] == [o.diff for o in planned]


def test_a_mount_of_another_device_than_the_one_with_the_uuid_is_refused(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/fstab").write_text(FSTAB)
    at = str(bench.root / "at")
    bench.tool("blkid", 'case "$*" in *"-s UUID -- /dev/sdx1") echo AB-CD ;; *"-s LABEL"*) echo data ;; esac')
    bench.script += f"mkdir -p {at} && mount -t tmpfs /dev/sdx1 {at} && "
    bench.run(Mount(at, "UUID=ab-cd", "tmpfs"))
    bench.settled(Mount(at, "UUID=ab-cd", "tmpfs"))
    for other in ("UUID=ab-ce", "LABEL=date", "nas:/data", "/dev/sdx2"):
        bench.fails(Mount(at, other, "tmpfs"), "is already mounted at")


def test_what_somebody_has_mounted_with_other_options_is_mounted_again(bench: Bench) -> None:
    bench.over("/etc")
    fstab = bench.root / "etc/fstab"
    at = str(bench.root / "at")
    bench.script += f"mkdir -p {at} && mount -t tmpfs tmpfs {at} && "
    step = Mount(at, "tmpfs", "tmpfs", "nosuid,noexec")
    fstab.write_text(FSTAB + f"tmpfs {at}/ tmpfs nosuid,noexec 0 2\n")
    plain = bench.script
    bench.script = plain + f"mount -o remount,ro,nosuid,noexec {at} && "
    planned, again = bench.run(step, step, plan=True)
    real, after = bench.run(step, step)
    assert [c.what for c in real.diff] == ["mounted"] and real.diff == planned.diff
    assert (again.state, after.state) == ("ok", "ok")
    bench.script = plain + f"mount -o remount,nosuid,noexec {at} && "
    bench.settled(step)
    bench.settled(Mount(at, "tmpfs", "tmpfs"))
    # a flag that is asked for no longer goes, also with mount(8) of util-linux 2.39 and later
    planned, again = bench.run(Mount(at, "tmpfs", "tmpfs", "nosuid"), NoMount(at), plan=True)
    real, after, gone = bench.run(
        Mount(at, "tmpfs", "tmpfs", "nosuid"), Mount(at, "tmpfs", "tmpfs", "exec", mounted=False), NoMount(at)
    )
    assert [c[:3] for c in real.diff if c.what == "mounted"] == [
        c[:3] for c in planned.diff if c.what == "mounted"
    ]
    assert gone.error is None and fstab.read_text() == FSTAB


def linked(bench: Bench) -> tuple[Path, Path, Path]:
    """fstab, a directory, and a link to it."""
    bench.over("/etc")
    folder, link = bench.root / "data", bench.root / "link"
    folder.mkdir()
    link.symlink_to(folder)
    return bench.root / "etc/fstab", folder, link


def test_options_of_another_kind_and_other_names_of_the_directory(bench: Bench) -> None:
    fstab, at, link = linked(bench)
    fstab.write_text(FSTAB + f"/srv {link} none bind 0 0\n")
    bench.cycle(Mount(str(at), "tmpfs", "tmpfs", mounted=False))
    assert fstab.read_text() == FSTAB + f"tmpfs {at} tmpfs defaults 0 0\n"


def test_a_line_of_fstab_in_the_words_of_others(bench: Bench) -> None:
    fstab, folder, link = linked(bench)
    for at, text in (
        (folder, f"nas:/x {folder}/ nfs ro,noatime 1 2 # a comment\n"),
        (link, f"nas:/x {link}/ nfs ro,noatime 1 2\n"),
        (link, f"nas:/x\t{folder}  nfs\tro,noatime 1 2"),
    ):
        fstab.write_text(text)
        bench.settled(Mount(str(at), "nas:/x", "nfs", mounted=False))
    fstab.write_text(f"nas:/x {folder}/ nfs ro 1 2 # a comment\n# Caf\xe9\n", encoding="latin-1")
    bench.cycle(Mount(str(folder), "nas:/x", "nfs", "ro,noatime", mounted=False))
    assert fstab.read_bytes() == f"nas:/x {folder} nfs ro,noatime 1 2 # a comment\n# Caf\xe9\n".encode(
        "latin-1"
    )
    bench.cycle(Mount(str(folder), "nas:/y", "nfs", check_order=0, mounted=False))
    assert fstab.read_text(encoding="latin-1").startswith(f"nas:/y {folder} nfs ro,noatime 1 0 # a comment\n")
    bench.cycle(NoMount(str(link)))


@pytest.mark.parametrize(
    ("wanted", "now", "options"),
    [
        ("defaults", "rw,relatime", []),
        ("defaults", "ro,relatime", ["rw"]),
        ("ro", "ro", []),
        ("ro,rw", "rw", []),
        ("noexec,exec", "rw,noexec", ["exec"]),
        ("user", "rw", ["noexec", "nosuid", "nodev"]),
        ("user,exec", "rw,noexec,nosuid,nodev", ["exec"]),
        ("bind", "ro", []),
        ("bind,ro", "rw", ["ro"]),
        ("size=1m", "rw,nosuid,size=1024k", []),
    ],
)
def test_flags(wanted: str, now: str, options: list[str]) -> None:
    assert remount(MountEntry("a", "/b", "x", wanted), MountEntry("a", "/b", "x", now)) == options


def test_kinds_that_the_kernel_names_otherwise() -> None:
    now = MountEntry("nas:/x", "/b", "nfs4", "rw")
    assert same_kind("nfs", now, []) and same_kind("ext4,nfs4", now, []) and not same_kind("cifs", now, [])
    assert same_kind("sshfs", now._replace(kind="fuse.sshfs"), [])


def private_swap(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/fstab").write_text(FSTAB)
    table = bench.folder / "swaps"
    table.write_text("Filename Type Size Used Priority\n")
    bench.script += f"mount --bind {table} /proc/swaps && "
    bench.tool("swapon", f'for f; do :; done; echo "$f file 1 0 -2" >> {table}')
    bench.tool("swapoff", f'grep -v "^$1 " {table} > {table}.new; cat {table}.new > {table}')


def test_swap_file_made_resized_and_removed(bench: Bench) -> None:
    private_swap(bench)
    at = bench.root / "swapfile"
    step = SwapFile(1, str(at), priority=5)
    bench.cycle(step)
    assert at.stat().st_size == 1 << 20 and at.stat().st_mode & 0o777 == 0o600
    assert b"SWAPSPACE2" in at.read_bytes()[:4096]
    assert (bench.root / "etc/fstab").read_text() == FSTAB + f"{at} none swap sw,pri=5 0 0\n"
    at.chmod(0o644)
    assert [c.what for c in bench.cycle(step).diff] == ["mode"]
    bench.cycle(SwapFile(2, str(at)))
    assert at.stat().st_size == 2 << 20
    bench.cycle(SwapFile(0, str(at)))
    assert not at.exists() and (bench.root / "etc/fstab").read_text() == FSTAB


def test_swap_that_cannot_be(bench: Bench) -> None:
    private_swap(bench)
    bench.fails(SwapFile(1, str(bench.root)), "is a dir")
    bench.tool("swapon", "echo no >&2; exit 1")
    bench.fails(SwapFile(1, str(bench.root / "s")), "using the swap file failed", plan=False)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Mount("data", "tmpfs", "tmpfs"), "absolute"),
        (Mount("/", "tmpfs", "tmpfs"), "refusing"),
        (Mount("/data", "", "tmpfs"), "empty"),
        (Mount("/data", "x", "tm pfs"), "one word"),
        (Mount("/data", "x", "tmpfs", options="a b"), "one word"),
        (Mount("/data", "x", "tmpfs", check_order=3), "0, 1 or 2"),
        (NoMount("/proc"), "refusing"),
        (SwapFile(-1), "MiB"),
        (SwapFile(1, "swap"), "absolute"),
        (SwapFile(1, "/a b"), "without spaces"),
        (SwapFile(1, priority=-2), "priority"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
