"""Steps on systemd, on a host that has it: files that are judged, drop-ins, timers, mounts, a user's own units."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.hosts import Hosts, on
from helpers.stepping import exact, gathered

from provision.controller.outcome import Outcome
from provision.lab import openssh
from provision.steps.base import Step

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.apt import Packages
from provision.steps.conditions import UnitCondition
from provision.steps.files import File
from provision.steps.journald import limits
from provision.steps.masks import DefaultTarget, Masked
from provision.steps.mount_units import mount_unit, no_mount_unit
from provision.steps.services import Service
from provision.steps.sysusers import Sysusers
from provision.steps.timers import no_timer, timer
from provision.steps.tmpfiles import Tmpfiles
from provision.steps.unit_files import DropIn, NoUnit, Unit
from provision.steps.user_units import Linger, UserService, UserUnit
from provision.steps.users import User

pytestmark = pytest.mark.lab
NAME = "t-units"
SLEEPS = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    """Runs steps on the host t-s1, whose state these tests share with those of other steps."""
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


def shown(name: str, what: str) -> str:
    return on(NAME, "systemctl", "show", "-P", what, name)


def test_a_unit_with_a_drop_in_comes_changes_and_goes(bench: Bench) -> None:
    drop_in = DropIn("t-u", "limits", "[Service]\nLimitNOFILE=4000\n")
    steps = [Unit("t-u.service", SLEEPS), drop_in, service("t-u", 2)]
    real = exact(bench, steps)
    assert [c.what for c in real[2].diff] == ["enabled", "running"]
    assert shown("t-u", "LimitNOFILE") == "4000"
    other = DropIn("t-u", "limits", "[Service]\nLimitNOFILE=5000\n")
    (_, restarted) = exact(bench, [other, service("t-u", 1)])
    assert "drop-in limits of t-u.service" in restarted.diff[0].after
    assert shown("t-u", "LimitNOFILE") == "5000"
    # someone edits it by hand, and tells no one
    on(NAME, "sed", "-i", "s/5000/6000/", "/etc/systemd/system/t-u.service.d/limits.conf")
    exact(bench, [other, service("t-u", 1)])
    assert shown("t-u", "LimitNOFILE") == "5000"
    gone = DropIn("t-u", "limits", None)
    exact(bench, [gone, service("t-u", 1)])
    assert shown("t-u", "LimitNOFILE") not in ("4000", "5000", "6000")
    (removed,) = exact(bench, [NoUnit("t-u")])
    assert [c.what for c in removed.diff] == ["running t-u.service", "enabled", "removed"]
    assert shown("t-u", "LoadState") == "not-found"
    assert (
        on(NAME, "sh", "-c", "ls -d /etc/systemd/system/t-u* /etc/systemd/system/*/t-u* 2>/dev/null || true")
        == ""
    )


def service(name: str, *inputs: int, **options: Any) -> Service:
    """A service that reads what the steps of these numbers have put there."""
    refs = [Outcome(None, n, File("/etc/t", ""), "", "", "") for n in inputs]  # type: ignore[arg-type]
    return Service(name, restart_on=refs, **options)


def test_a_restart_that_is_owed_for_a_drop_in_is_paid_by_a_later_run(bench: Bench) -> None:
    first = DropIn("t-o", "a", "[Service]\nEnvironment=A=1\n")
    second = DropIn("t-o", "a", "[Service]\nEnvironment=A=2\n")
    exact(bench, [Unit("t-o.service", SLEEPS), first, service("t-o", 2)])
    bench.run(second)
    (same, owed) = exact(bench, [second, service("t-o", 1)])
    assert same.state == "ok" and [c.what for c in owed.diff] == ["restart"]
    environment = on(NAME, "sh", "-c", f"tr '\\0' ' ' </proc/{shown('t-o', 'MainPID')}/environ")
    assert "A=2" in environment
    exact(bench, [NoUnit("t-o")])


def failures(bench: Bench, *cases: tuple[Step, str]) -> list[str]:
    """Steps that fail one after the other in one run, each with its words; returns the messages."""
    outcomes = bench.run(*(step for step, _ in cases))
    for outcome, (_, words) in zip(outcomes, cases, strict=True):
        assert outcome.error is not None, outcome.diff
        assert words in f"{outcome.error.message}\n{outcome.error.stderr}"
    return [o.error.message for o in outcomes if o.error is not None]


def test_what_systemd_would_refuse_is_not_put_in_place(bench: Bench) -> None:
    (_, template, warned) = exact(
        bench,
        [
            Unit("t-v.service", SLEEPS),
            Unit("t-v@.service", "[Service]\nExecStart=/srv/%i/run\n"),
            DropIn("t-v", "y", "[Service]\nNoSuchKey=1\n"),
        ],
    )
    # what it only warns of is shown
    assert "Unknown key" in warned.why and "is not executable" in template.why
    messages = failures(
        bench,
        (Unit("t-bad.service", "[Service]\nType=simple\n"), "has no ExecStart="),
        (DropIn("t-v@.service", "x", "[Service]\nExecStart=/bin/true\n"), "more than one ExecStart="),
        (Unit("t-v.timer", "[Timer]\nOnCalendar=soon\n"), "Failed to parse calendar"),
    )
    assert messages[0] == "systemd would not take /etc/systemd/system/t-bad.service"
    left = on(NAME, "sh", "-c", "cd /etc/systemd/system; ls -d /run/prov-verify t-bad* t-v* || true")
    assert left.split() == ["t-v.service", "t-v.service.d", "t-v@.service"]
    exact(bench, [NoUnit("t-v@.service"), NoUnit("t-v")])


def test_masks_and_the_default_target(bench: Bench) -> None:
    before = on(NAME, "systemctl", "get-default")
    other = "rescue.target" if before == "multi-user.target" else "multi-user.target"
    exact(
        bench,
        [
            Unit("t-m.service", SLEEPS),
            Service("t-m"),
            Masked("apt-daily.timer"),
            Masked("t-not-yet-installed"),
            DefaultTarget(other),
        ],
    )
    assert shown("apt-daily.timer", "LoadState") == "masked"
    assert shown("apt-daily.timer", "ActiveState") == "inactive"
    assert on(NAME, "systemctl", "get-default") == other
    failures(
        bench,
        (Masked("t-m"), "has a file of its own"),
        (DefaultTarget("no-such"), "has no unit no-such.target"),
    )
    exact(
        bench,
        [
            Masked("apt-daily.timer", masked=False),
            Service("apt-daily.timer"),
            Masked("t-not-yet-installed", masked=False),
            NoUnit("t-m"),
            DefaultTarget(before),
        ],
    )
    assert on(NAME, "systemctl", "get-default") == before


def test_what_is_said_of_a_unit_before_its_package_comes(bench: Bench) -> None:
    """On a bare host: nothing of it is there yet when the plan is made."""
    real = exact(
        bench,
        [
            DropIn("memcached", "limits", "[Service]\nLimitNOFILE=4000\n"),
            Masked("memcached"),
            Packages(["memcached"]),
        ],
    )
    assert shown("memcached", "ActiveState") == "inactive"
    assert [c.what for c in real[1].diff] == ["masked"]
    # judged with the file that the mask hides
    exact(bench, [DropIn("memcached", "limits", "[Service]\nLimitNOFILE=5000\n")])
    (_, started) = exact(bench, [Masked("memcached", masked=False), service("memcached")])
    # its package has neither enabled nor started what is masked
    assert [c.what for c in started.diff] == ["enabled", "running"]
    assert shown("memcached", "LimitNOFILE") == "5000"


def test_a_timer_runs_its_command_and_goes(bench: Bench) -> None:
    argv = ["/bin/sh", "-c", 'echo "$$ 100%" >>/run/t-timer']
    steps = gathered(
        timer, "t-timer", argv, every="1s", calendar="daily", spread="1min", settings={"Nice": 5}
    )
    exact(bench, steps)
    bench.run(UnitCondition("t-timer.timer"))
    on(NAME, "systemctl", "start", "t-timer.service")
    assert "100%" in on(NAME, "cat", "/run/t-timer")
    changed = gathered(timer, "t-timer", argv, calendar="hourly")
    real = exact(bench, changed)
    assert [o.state for o in real] == ["changed"] * 3
    assert "OnCalendar=*-*-* *:00:00" in shown("t-timer.timer", "TimersCalendar")
    exact(bench, gathered(no_timer, "t-timer"))
    assert shown("t-timer.timer", "LoadState") == "not-found"
    bad = gathered(timer, "t-bad", ["/bin/true"], calendar="sometimes")
    real = bench.run(*bad)
    assert real[1].error is not None and "sometimes" in real[1].error.stderr


def test_a_mount_and_an_automount(bench: Bench) -> None:
    path = "/srv/t m-x"
    exact(bench, gathered(mount_unit, path, "tmpfs", "tmpfs", "size=1m"))
    assert on(NAME, "findmnt", "-no", "FSTYPE", path) == "tmpfs"
    exact(bench, gathered(mount_unit, path, "tmpfs", "tmpfs", "size=2m"))
    assert "size=2048k" in on(NAME, "findmnt", "-no", "OPTIONS", path)
    exact(bench, gathered(no_mount_unit, path))
    assert on(NAME, "findmnt", "-no", "FSTYPE", path, check=False) == ""


def test_directories_and_users_of_services(bench: Bench) -> None:
    steps: list[Step] = [
        Sysusers("t", ['u t-sys - "For tests" /var/lib/t-sys', "m t-sys adm"]),
        Tmpfiles("t", ["d /run/t-dir 0750 t-sys adm", "f /run/t-dir/file 0640 t-sys adm - words"]),
        File("/run/t-dir/more", "x", owner="t-sys"),
    ]
    exact(bench, steps)
    assert on(NAME, "stat", "-c", "%a %U %G", "/run/t-dir") == "750 t-sys adm"
    assert on(NAME, "cat", "/run/t-dir/file") == "words"
    assert "adm" in on(NAME, "id", "-nG", "t-sys")
    on(NAME, "rm", "-r", "/run/t-dir")
    exact(bench, steps)
    exact(bench, [Tmpfiles("t"), Sysusers("t")])


def test_journald_is_restarted_when_its_settings_change(bench: Bench) -> None:
    pid = shown("systemd-journald", "MainPID")
    real = exact(bench, gathered(limits, max_use="50M", max_age="30day"))
    assert [c.what for c in real[1].diff] == ["restart"]
    assert shown("systemd-journald", "MainPID") != pid
    exact(bench, gathered(limits, present=False))


def test_a_users_own_units(bench: Bench) -> None:
    content = "[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=default.target\n"
    steps: list[Step] = [
        User("t-owner"),
        Linger("t-owner"),
        UserUnit("t-owner", "t-w.service", content),
        UserService("t-w", user="t-owner"),
    ]
    exact(bench, steps)
    pid = on(NAME, "pgrep", "-u", "t-owner", "sleep")
    assert pid
    other = UserUnit("t-owner", "t-w.service", content.replace("1000", "2000"))
    ref = Outcome(None, 1, other, "", "", "")  # type: ignore[arg-type]
    (_, restarted) = exact(bench, [other, UserService("t-w", user="t-owner", restart_on=[ref])])
    assert [c.what for c in restarted.diff] == ["restart"]
    assert on(NAME, "pgrep", "-u", "t-owner", "sleep") != pid
    failures(
        bench,
        (UserUnit("t-owner", "t-bad.service", "[Service]\nType=simple\n"), "has no ExecStart="),
        (UserService("t-w", user="nobody"), "systemd does not run for the user nobody"),
        (UserService("t-w", user="no-such"), "there is no user 'no-such'"),
    )
    exact(
        bench,
        [
            UserService("t-w", user="t-owner", running=False, enabled=False),
            UserUnit("t-owner", "t-w.service", None),
        ],
    )
    exact(bench, [Linger("t-owner", lingering=False)])


def test_waiting_for_a_unit(bench: Bench) -> None:
    on(NAME, "sh", "-c", "systemd-run --unit t-fails sh -c 'echo because; exit 3'")
    messages = failures(
        bench,
        (UnitCondition("t-none", within=0.2), "is not active after 0.2 s: there is no such unit"),
        (
            UnitCondition("ssh", state="inactive", within=0.2),
            "is not inactive after 0.2 s: it is active (running)",
        ),
        (UnitCondition("t-fails", within=20), "because"),
    )
    assert messages[2] == "t-fails.service has failed (exit-code)"
    on(NAME, "systemctl", "reset-failed", "t-fails")
    found = bench.run(UnitCondition("ssh"), UnitCondition("t-none", state="inactive"))
    assert [(o.state, o.why) for o in found] == [("ok", "is active"), ("ok", "is inactive")]
