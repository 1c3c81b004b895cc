"""Kernel settings in a network namespace of the agent's own, and modules by tools that only pretend."""

from __future__ import annotations

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Step
from provision.steps.kernel import Module, Sysctl

# a new network has the kernel's own value of these; it inherits others, such as ip_forward, from this machine
SETTINGS: dict[str, int | str] = {
    "net.ipv4.tcp_fin_timeout": 61,
    "net.ipv4.tcp_rmem": "4096   131072 6291456",
}


def test_sysctl_writes_the_file_and_the_kernel(bench: Bench) -> None:
    bench.over("/etc")
    (untouched,) = bench.run(Sysctl("60-t", SETTINGS), plan=True)
    assert "running net.ipv4.tcp_fin_timeout" in [c.what for c in untouched.diff]
    first, second = bench.run(Sysctl("60-t", SETTINGS), Sysctl("60-t", SETTINGS))
    assert first.state == "changed" and second.state == "ok", (first.error, second.diff)
    assert first.diff == untouched.diff
    text = (bench.root / "etc/sysctl.d/60-t.conf").read_text()
    assert text.splitlines()[1:] == [
        "net.ipv4.tcp_fin_timeout = 61",
        "net.ipv4.tcp_rmem = 4096 131072 6291456",
    ]
    # a new network namespace is like a boot without the file being read
    (again,) = bench.run(Sysctl("60-t", SETTINGS))
    assert again.diff and all(c.what.startswith("running net.") for c in again.diff)
    planned = bench.run(Sysctl("60-t", SETTINGS), Sysctl("60-t", SETTINGS), plan=True)
    assert [o.state for o in planned] == ["changed", "ok"]


def test_sysctl_for_the_next_boot_only_and_removed(bench: Bench) -> None:
    bench.over("/etc")
    step = Sysctl("60-t", {"net/ipv4/ip_forward": 1}, now=False)
    bench.cycle(step)
    (bench.root / "etc/sysctl.d/60-t.conf").write_text("drift")
    bench.cycle(step)
    bench.cycle(Sysctl("60-t"))


def test_sysctl_that_the_kernel_refuses(bench: Bench) -> None:
    bench.over("/etc")
    bench.fails(Sysctl("60-t", {"net.ipv4.no_such": 1}), "no setting", plan=False)
    bench.fails(Sysctl("60-t", {"net.ipv4.ip_forward": "many"}), "Invalid argument", plan=False)


def test_module_is_loaded_now_and_at_boot(bench: Bench) -> None:
    bench.over("/etc")
    bench.script += "mount -t tmpfs tmpfs /sys && mkdir /sys/module && "
    bench.tool(
        "modprobe",
        "name=$(echo $3$2 | tr -d - ); [ $1 = -r ] && rmdir /sys/module/$name || mkdir /sys/module/$name",
    )
    step, gone = Module("something", options={"a": 1}), Module("something", present=False)
    planned = bench.run(step, step, gone, gone, plan=True)
    assert [o.state for o in planned] == ["changed", "ok", "changed", "ok"], [o.error for o in planned]
    real = bench.run(step, step, gone, gone)
    assert [o.state for o in real] == ["changed", "ok", "changed", "ok"], [o.error for o in real]
    assert [o.diff for o in real] == [o.diff for o in planned]
    bench.run(step)
    assert "options something a=1" in (bench.root / "etc/modprobe.d/prov-something.conf").read_text()
    # after a boot that did not load it
    assert [c.what for c in bench.run(step)[0].diff] == ["loaded"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Sysctl("60-t.conf", {"a.b": 1}), "without .conf"),
        (Sysctl("../x", {"a.b": 1}), "not a name"),
        (Sysctl("x", {"a": 1}), "not the name of a setting"),
        (Sysctl("x", {"a/../b": 1}), "not the name of a setting"),
        (Sysctl("x", {"a.b": True}), "number or text"),
        (Sysctl("x", {"a.b": "1\n2"}), "one line"),
        (Module("a b"), "kernel module"),
        (Module("-r"), "kernel module"),
        (Module("a/b"), "kernel module"),
        (Module("a", {"x": "1 2"}), "without spaces"),
        (Module("a", {"x": 1}, present=False), "cannot be combined"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
