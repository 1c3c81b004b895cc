"""Mounts in a mount namespace of the agent's own; swap with tools that only pretend to use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Step
from provision.steps.mounts import Mount, NoMount
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
    assert real[3].error is not None and "is mounted at" in real[3].error.message
    assert [c.what for c in real[4].diff] == ["mounted", "content"] and fstab.read_text() == FSTAB


def test_what_stands_in_the_way_is_said(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/fstab").write_text(FSTAB)
    at = str(bench.root / "data")
    (failed,) = bench.run(Mount(at, "/dev/no-such", "ext4"))
    assert failed.error is not None and "mounting" in failed.error.message
    bench.script += f"mkdir -p {at} && mount -t tmpfs tmpfs {at} && "
    bench.fails(Mount(at, "tmpfs", "ramfs"), "is mounted at")
    bench.fails(Mount(at, "/dev/other", "tmpfs"), "is mounted at")
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
