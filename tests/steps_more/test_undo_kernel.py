"""An undo of what a run has changed in the running kernel: its name, mounts, settings, tables of nftables."""

from __future__ import annotations

from pathlib import Path

import pytest
from steps_bench import Bench

from provision.steps.base import Step
from provision.steps.files import File
from provision.steps.kernel import Module, Sysctl
from provision.steps.mounts import Mount, NoMount
from provision.steps.nftables import Firewall
from provision.steps.swap import SwapFile
from provision.steps.system import Hostname
from provision.steps.undo import THIS, Undo

KEY = "net.ipv4.tcp_fin_timeout"
FSTAB = "# file systems\n"


@pytest.fixture
def etc(bench: Bench) -> Path:
    bench.over("/etc")
    folder = bench.root / "etc"
    (folder / "fstab").write_text(FSTAB)
    (folder / "hostname").write_text("former\n")
    (folder / "nftables.conf").write_text("flush ruleset\n")
    bench.script += "hostname former && "
    return folder


def changes(bench: Bench, *steps: Step) -> list[tuple[str, str, str]]:
    """What of the kernel an undo turns back, right after the steps; all of their files are as before."""
    outcomes = bench.run(*steps, Undo(THIS), *steps)
    assert [o.error for o in outcomes] == [None] * len(outcomes)
    assert "commands stays" not in outcomes[len(steps)].why
    done = outcomes[: len(steps)]
    again = outcomes[len(steps) + 1 :]
    assert [o.diff for o in again] == [o.diff for o in done], "all of it is to be done again"
    return [(c.what, c.before, c.after) for c in outcomes[len(steps)].diff if not c.what.startswith("/")]


def test_all_that_was_turned_is_turned_back(bench: Bench, etc: Path) -> None:
    at = str(bench.root / "m")
    steps = (
        Hostname("renamed"),
        Mount(at, "tmpfs", "tmpfs"),
        File(at + "/inside", "x"),
        Sysctl("60-t", {KEY: 33}),
        Firewall(["80"]),
    )
    found = changes(bench, *steps)
    assert found[0] == ("the kernel's name", "renamed", "former")
    assert found[1:] == [
        (f"mount {at}", "tmpfs on tmpfs", ""),
        (f"setting {KEY}", "33", "60"),
        ("table inet prov", "6 rules", "no"),
    ]


def test_what_was_unmounted_is_mounted_again(bench: Bench, etc: Path) -> None:
    at = str(bench.root / "m")
    (etc / "fstab").write_text(f"tmpfs {at} tmpfs size=1m 0 0\n")
    bench.script += f"mkdir -p {at} && mount {at} && "
    ((what, before, after),) = changes(bench, NoMount(at))
    assert (what, before) == (f"mount {at}", "") and after.startswith("tmpfs on tmpfs (rw,")


def test_what_no_line_of_fstab_says_is_mounted_again_as_it_was(bench: Bench, etc: Path) -> None:
    at, one = bench.root / "m", bench.root / "one"
    plain = bench.script + f"mkdir -p {at} {one} && "
    for made in (f"-t tmpfs -o nosuid tmpfs {at}", f"--bind {one} {at}"):
        bench.script = plain + f"mount {made} && "
        ((_, before, after),) = changes(bench, NoMount(str(at)))
        assert before == "" and (f"on {one} (" in after or "on tmpfs (rw,nosuid" in after)


def test_a_mount_gets_back_the_options_that_it_had(bench: Bench, etc: Path) -> None:
    at = str(bench.root / "m")
    bench.script += f"mkdir -p {at} && mount -t tmpfs -o noexec tmpfs {at} && "
    ((_, before, after),) = changes(bench, Mount(at, "tmpfs", "tmpfs", "nosuid,exec"))
    assert before == "again, with nosuid,exec" and after.startswith("tmpfs on tmpfs (rw,noexec")


def test_swap_is_taken_out_of_use_before_its_file_goes(bench: Bench, etc: Path) -> None:
    table = bench.folder / "swaps"
    table.write_text("Filename Type Size Used Priority\n")
    bench.script += f"mount --bind {table} /proc/swaps && "
    bench.tool("swapon", f'for f; do :; done; echo "$f file 1 0 -2" >> {table}')
    bench.tool("swapoff", f'test -e $1; grep -v "^$1 " {table} > {table}.new; cat {table}.new > {table}')
    at = str(bench.root / "swapfile")
    assert changes(bench, SwapFile(1, at)) == [(f"swap {at}", "in use", "")]


def test_what_is_in_use_is_named_before_anything_has_been_done(bench: Bench, etc: Path) -> None:
    at, beside = bench.root / "m", bench.root / "beside"
    bench.run(Mount(str(at), "tmpfs", "tmpfs"), File(str(beside), "x"))
    plain = bench.script
    bench.script = plain + f"mount {at} && {{ cd {at}; sleep 8 >/dev/null 2>&1 </dev/null & cd /; }} && "
    said = bench.fails(Undo(), "changed since run 1", plan=False)
    assert said.error is not None and "in use: sleep (process" in said.error.message
    assert beside.exists() and str(at) in (etc / "fstab").read_text()
    bench.script = plain + f"mount {at} && mkdir {at}/in && mount -t tmpfs other {at}/in && "
    assert "something is mounted at" in bench.fails(Undo(), "changed since run 1").error.message  # type: ignore[union-attr]
    bench.script = plain + "hostname other && "
    bench.run(Hostname("renamed"))
    bench.script = plain + "hostname third && "
    bench.fails(Undo(), "the kernel's name (now third)")


def test_an_undo_that_failed_half_way_goes_on(bench: Bench, etc: Path) -> None:
    at, beside = bench.root / "m", bench.root / "beside"
    bench.run(Mount(str(at), "tmpfs", "tmpfs"), File(str(beside), "x"))
    bench.tool("umount", "echo no >&2; exit 1")
    plain = bench.script
    bench.script += f"mount -t tmpfs tmpfs {at} && "
    for _ in range(2):
        bench.fails(Undo(), "unmounting", plan=False)
        assert (etc / "fstab").read_text() == FSTAB, "this much had been done"
    (bench.root / "usr/local/sbin/umount").unlink()
    (done,) = bench.run(Undo())
    assert done.error is None and done.state == "changed"
    assert not beside.exists() and not at.exists()
    bench.script = plain
    bench.fails(Undo(), "no run to be undone")


@pytest.fixture
def modules(bench: Bench) -> None:
    """A kernel without modules; modprobe only makes folders in /sys/module, as the kernel does."""
    bench.script += "mount -t tmpfs tmpfs /sys && mkdir /sys/module && "
    bench.tool(
        "modprobe",
        "for m; do :; done; m=$(echo $m | tr - _); [ $1 = -r ] && rm -r /sys/module/$m || mkdir /sys/module/$m",
    )


@pytest.mark.usefixtures("modules")
def test_modules_are_unloaded_and_loaded_again(bench: Bench, etc: Path) -> None:
    assert changes(bench, Module("one"), Module("two-b")) == [
        ("kernel module one", "yes", "no"),
        ("kernel module two_b", "yes", "no"),
    ]
    bench.script += "mkdir /sys/module/one && "
    assert changes(bench, Module("one", present=False)) == [("kernel module one", "no", "yes")]


@pytest.mark.usefixtures("modules")
def test_a_module_that_something_uses_is_named_before_anything_has_been_done(bench: Bench, etc: Path) -> None:
    beside = bench.root / "beside"
    bench.run(Module("one"), File(str(beside), "x"))
    bench.script += "mkdir -p /sys/module/one/holders && echo 0 >/sys/module/one/refcnt && "
    plain = bench.script
    bench.script = plain + "echo 2 >/sys/module/one/refcnt && "
    bench.fails(Undo(), "kernel module one (in use: something)")
    bench.script += "mkdir /sys/module/one/holders/other /sys/module/one/holders/third && "
    bench.fails(Undo(), "kernel module one (in use: other, third)")
    assert beside.exists()
    bench.script = plain
    (done,) = bench.run(Undo())
    assert done.error is None and not beside.exists() and "stays" not in done.why
