"""Drawn pasts of units, timers, sockets and mounts on a lab host where others have made some before."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.hosts import Hosts, on
from helpers.stepping import gathered
from hypothesis import example
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1] / "steps_past"))
from inside import Inside
from past import drawn, hold
from pictures import Picture, photograph, photographs

from provision.steps import journald, mount_units, systemd, timers
from provision.steps.masks import DefaultTarget, Masked
from provision.steps.services import OnlyInstances, Service
from provision.steps.unit_files import DropIn, NoUnit, Unit
from provision.steps.user_units import Linger, UserService, UserUnit

pytestmark = pytest.mark.lab
NAME = "t-pasts"
SLEEPS = "[Service]\nExecStart=/bin/sleep infinity\n"
INSTALL = "[Install]\nWantedBy=multi-user.target\n"
FILES = [
    "",
    SLEEPS,
    SLEEPS + INSTALL,
    "# by hand\r\n" + SLEEPS + INSTALL,
    SLEEPS + INSTALL + "Alias=p-b.service\n",
]
#: a unit of a user
OWN = SLEEPS + "[Install]\nWantedBy=default.target\n"
FOLDER = "/etc/systemd/system"
#: what an administrator has done with the unit p-a; what can't be done there has not been done
DONE = ["", "start", "enable", "enable --runtime", "mask", "mask --runtime", "start,mask"]
#: systemctl of a user whose systemd runs
AS_USER = "runuser -u p-user -- env XDG_RUNTIME_DIR=/run/user/$(id -u p-user) systemctl --user"
#: takes away what draws have left
CLEAN = r"""
systemctl stop 'p-*' 2>/dev/null || true
cd /etc/systemd/system; rm -rf p-* *.wants/p-* *.requires/p-* /run/systemd/system/p-* /run/systemd/system/*.wants/p-*
rm -rf srv-p.* *.wants/srv-p.* /srv/p
systemctl daemon-reload; systemctl reset-failed
"""


@pytest.fixture(scope="module")
def one(lab_hosts: Hosts) -> Iterator[Inside]:
    lab_hosts.one(NAME)
    yield Inside(lambda *argv: on(NAME, *argv))


def look() -> Picture:
    """Units' files and links, and what those of the draws do."""
    found: Picture = {
        at: what
        for at, what in photographs(FOLDER, "/run/systemd/system").items()
        # systemctl disable removes a folder of links once it is empty
        if "netplan" not in at and "transient" not in at and not at.endswith((".wants", ".requires"))
    }
    argv = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "p-*", "srv-p*"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    running = sorted(line.split()[0] for line in lines if line.split()[2] in ("active", "activating"))
    found["running"] = (running, "")
    return found


def past(host: Inside, file: str, done: str, beside: str = "") -> None:
    """Make it, as an administrator would; `beside`: more lines of sh."""
    host.fresh().sh(CLEAN)
    host.looks(look)
    if file:
        host.write(f"{FOLDER}/p-a.service", file)
    host.sh(f"systemctl daemon-reload; {beside or ':'}")
    for each in filter(None, done.split(",")):
        host.sh(f"systemctl -q {each} p-a >/dev/null 2>&1 || true")


def state(host: Inside, unit: str) -> tuple[str, str]:
    """Whether it runs, and whether it starts at boot, as systemctl(1) says."""
    said = host.tells(
        "sh", "-c", f"systemctl is-active {unit}; systemctl is-enabled {unit} 2>&1; true"
    ).split("\n")
    return said[0], said[1]


@example(file=FILES[2], done="enable --runtime", running=None, enabled=True, name="p-a")
@drawn(
    file=st.sampled_from(FILES),
    done=st.sampled_from(DONE),
    running=st.sampled_from([None, True, False]),
    enabled=st.sampled_from([None, True, False]),
    name=st.sampled_from(["p-a", "p-a.service"]),
)
def test_service(
    one: Inside, file: str, done: str, running: bool | None, enabled: bool | None, name: str
) -> None:
    past(one, file, done)
    was = state(one, "p-a")

    def is_so() -> None:
        now = state(one, "p-a")
        assert now[0] == (was[0] if running is None else "active" if running else "inactive")
        if enabled is None:
            assert now[1] == was[1]
        elif file or enabled:
            assert now[1] in (["enabled", "static"] if enabled else ["disabled", "static", "masked"])

    hold(one, Service(name, running=running, enabled=enabled), effect=is_so)


@drawn(
    file=st.sampled_from(FILES),
    done=st.sampled_from(DONE),
    content=st.sampled_from([SLEEPS, SLEEPS + INSTALL, "[Service]\nNonsense\n"]),
)
def test_unit(one: Inside, file: str, done: str, content: str) -> None:
    past(one, file, done)

    def is_so() -> None:
        assert one.read(f"{FOLDER}/p-a.service").decode() == content
        assert "NeedDaemonReload=no" in one.tells("systemctl", "show", "p-a")

    held = hold(one, Unit("p-a.service", content), effect=is_so)
    if "mask" not in done:
        assert bool(held.failed) == ("Nonsense" in content), held.failed


@drawn(
    file=st.sampled_from(FILES),
    done=st.sampled_from(DONE),
    beside=st.sampled_from(["", "other.conf", "x.conf"]),
    content=st.sampled_from([None, "[Service]\nNice=3\n"]),
    again=st.booleans(),
)
def test_drop_in_and_service(
    one: Inside, file: str, done: str, beside: str, content: str | None, again: bool
) -> None:
    folder = f"{FOLDER}/p-a.service.d"
    there = (
        f"mkdir -p {folder}; echo '[Service]' >{folder}/{beside}; systemctl daemon-reload" if beside else ""
    )
    past(one, file, done, there)
    steps: list[Any] = [DropIn("p-a", "x", content)]
    if again and file and content:
        steps.append(Service("p-a", enabled=None))

    def is_so() -> None:
        if content and len(steps) == 2:
            one.sh("systemctl restart p-a")
            (pid,) = one.tells("systemctl", "show", "--value", "-p", "MainPID", "p-a").split()
            assert one.tells("ps", "-o", "ni=", "-p", pid).strip() == "3"

    held = hold(one, *steps, effect=is_so)
    if beside == "other.conf":
        assert held.before[f"{folder}/other.conf"] == held.after[f"{folder}/other.conf"]


@drawn(
    file=st.sampled_from(FILES),
    done=st.sampled_from(DONE),
    beside=st.sampled_from(
        ["", "mkdir p-a.service.d; echo '[Service]' >p-a.service.d/x.conf", "ln -s /dev/null p-z.service"]
    ),
    drop_ins=st.booleans(),
)
def test_no_unit(one: Inside, file: str, done: str, beside: str, drop_ins: bool) -> None:
    past(one, file, done, f"cd {FOLDER}; {beside}; systemctl daemon-reload" if beside else "")
    held = hold(one, NoUnit("p-a", drop_ins=drop_ins))
    if not held.failed:
        left = [at for at in held.after if "/p-a" in at and "/run/" not in at]
        masked = "/dev/null" in str(held.before.get(f"{FOLDER}/p-a.service", ""))
        assert masked or [at for at in left if "service.d" not in at] == []
        assert (held.after.get(f"{FOLDER}/p-z.service")) == held.before.get(f"{FOLDER}/p-z.service")


@example(file="", done="mask --runtime", masked=False)
@example(file="", done="mask --runtime", masked=True)
@drawn(file=st.sampled_from(FILES), done=st.sampled_from(DONE), masked=st.booleans())
def test_masked(one: Inside, file: str, done: str, masked: bool) -> None:
    past(one, file, done)

    def is_so() -> None:
        assert (state(one, "p-a")[1] == "masked") == masked

    hold(one, Masked("p-a", masked=masked), effect=is_so)


@drawn(
    now=st.sampled_from(["", "multi-user.target", "graphical.target", "/lib/systemd/system/rescue.target"]),
    name=st.sampled_from(["multi-user", "graphical.target", "p-none"]),
)
def test_default_target(one: Inside, now: str, name: str) -> None:
    past(
        one,
        "",
        "",
        f"rm -f {FOLDER}/default.target" + (f"; ln -s {now} {FOLDER}/default.target" if now else ""),
    )

    def is_so() -> None:
        assert one.tells("systemctl", "get-default").strip() == name.replace(".target", "") + ".target"

    held = hold(one, DefaultTarget(name), effect=is_so)
    assert bool(held.failed) == (name == "p-none")
    one.sh(f"rm -f {FOLDER}/default.target")


@drawn(
    there=st.lists(st.sampled_from(["one", "two", "a-b"]), max_size=3, unique=True),
    enabled=st.booleans(),
    keep=st.lists(st.sampled_from(["one", "new"]), max_size=2, unique=True),
)
def test_only_instances(one: Inside, there: list[str], enabled: bool, keep: list[str]) -> None:
    lines = [
        f"printf '{SLEEPS}{INSTALL}' >{FOLDER}/p-many@.service; systemctl daemon-reload".replace("\n", "\\n")
    ]
    lines += [f"systemctl -q {'enable --now' if enabled else 'start'} p-many@{name}" for name in there]
    past(one, "", "", "; ".join(lines))

    def is_so() -> None:
        listed = one.tells("systemctl", "list-units", "--plain", "--no-legend", "p-many@*").splitlines()
        assert {line.split()[0] for line in listed} == {
            f"p-many@{name}.service" for name in {*there} & {*keep}
        }

    assert not hold(one, OnlyInstances("p-many@.service", keep), effect=is_so).failed


@drawn(
    file=st.sampled_from(["", SLEEPS]),
    timer=st.sampled_from(["", "[Timer]\nOnCalendar=daily\n" + INSTALL.replace("multi-user", "timers")]),
    done=st.sampled_from(["", "start p-a.timer", "enable --now p-a.timer"]),
    when=st.sampled_from([{"calendar": "daily"}, {"every": "15min"}, {"after_boot": "2h", "spread": "5min"}]),
    settings=st.sampled_from([{}, {"Nice": 10, "Environment": ["A=1", "B=two words"]}]),
)
def test_timer(
    one: Inside, file: str, timer: str, done: str, when: dict[str, str], settings: dict[str, Any]
) -> None:
    past(one, file, "")
    if timer and file:
        one.write(f"{FOLDER}/p-a.timer", timer)
        one.sh(f"systemctl daemon-reload; {f'systemctl -q {done} || true' if done else ':'}")
    steps = gathered(timers.timer, "p-a", ["/bin/true", "%h", "two words"], settings=settings, **when)

    def is_so() -> None:
        assert state(one, "p-a.timer") == ("active", "enabled")
        one.sh("systemctl start p-a.service")

    assert not hold(one, *steps, effect=is_so).failed
    assert not hold(one, *gathered(timers.no_timer, "p-a")).failed


@drawn(
    socket=st.sampled_from(["", "[Socket]\nListenStream=/run/p-a\n[Install]\nWantedBy=sockets.target\n"]),
    done=st.sampled_from(["", "start", "enable", "enable --now"]),
)
def test_socket(one: Inside, socket: str, done: str) -> None:
    past(one, SLEEPS, "")
    if socket:
        one.write(f"{FOLDER}/p-a.socket", socket)
        one.sh(f"systemctl daemon-reload; {f'systemctl -q {done} p-a.socket' if done else ':'}")

    def is_so() -> None:
        assert state(one, "p-a.socket") == ("active", "enabled")

    assert bool(hold(one, *gathered(systemd.socket, "p-a"), effect=is_so).failed) != bool(socket)


@drawn(
    there=st.sampled_from(["", "mounted", "unit"]),
    options=st.sampled_from(["", "size=1m,noexec"]),
)
def test_mount_unit(one: Inside, there: str, options: str) -> None:
    lines = {"": "", "mounted": "mkdir -p /srv/p; mount -t tmpfs tmpfs /srv/p"}
    lines["unit"] = (
        f"printf '[Mount]\\nWhat=tmpfs\\nWhere=/srv/p\\nType=tmpfs\\n' >{FOLDER}/srv-p.mount;"
        "systemctl daemon-reload; systemctl start srv-p.mount"
    )
    one.sh("umount -q /srv/p 2>/dev/null || true")
    past(one, "", "", lines[there])
    steps = gathered(mount_units.mount_unit, "/srv/p", "tmpfs", "tmpfs", options)

    def is_so() -> None:
        one.sh("ls /srv/p >/dev/null; findmnt -t tmpfs /srv/p")

    assert not hold(one, *steps, effect=is_so).failed
    one.run(*steps)
    held = hold(one, *gathered(mount_units.no_mount_unit, "/srv/p"))
    assert not held.failed
    assert "srv-p.mount" not in held.after["running"][0]


@drawn(
    there=st.sampled_from(["", "[Journal]\nSystemMaxUse=2G\n", "# mine\n"]),
    given=st.sampled_from(
        [{"max_use": "1G"}, {"max_age": "30day", "storage": "volatile"}, {"present": False}]
    ),
)
def test_journald_limits(one: Inside, there: str, given: dict[str, Any]) -> None:
    # systemd refuses a sixth restart within ten seconds (systemd.unit(5), StartLimitBurst)
    one.fresh().sh("rm -rf /etc/systemd/journald.conf.d; systemctl reset-failed systemd-journald")
    one.looks(lambda: {at: what for at, what in photograph(Path("/etc/systemd")).items() if "journald" in at})
    if there:
        one.write("/etc/systemd/journald.conf.d/other.conf", there)
        one.write("/etc/systemd/journald.conf.d/prov.conf", there)

    def is_so() -> None:
        said = one.tells("systemd-analyze", "cat-config", "systemd/journald.conf")
        last = [line for line in said.splitlines() if line.startswith(("SystemMaxUse=", "MaxRetentionSec="))]
        if "max_use" in given:
            assert last[-1] == "SystemMaxUse=1G"
        assert state(one, "systemd-journald")[0] == "active"

    held = hold(one, *gathered(journald.limits, **given), effect=is_so)
    assert not held.failed
    at = "journald.conf.d/other.conf"
    assert held.before.get(at) == held.after.get(at)


def of_a_user() -> Picture:
    """What p-user has of units: files and links, whether it lingers, whether its unit runs and is enabled."""
    files = {at: what for at, what in photograph(Path("/home/p-user")).items() if "." in at}
    said = [
        subprocess.run(
            ["sh", "-c", f"{AS_USER} {verb} p-u"], capture_output=True, text=True, check=False
        ).stdout
        for verb in ("is-active", "is-enabled")
    ]
    lingers = os.path.exists("/var/lib/systemd/linger/p-user")  # noqa: PTH110 (of the host)
    return {**files, "p-u": (*said, lingers, "")}


@example(lingers=False, file=OWN, done="enable --now", lingering=True, running=False, enabled=True)
@drawn(
    lingers=st.booleans(),
    file=st.sampled_from(["", SLEEPS, OWN]),
    done=st.sampled_from(["", "start", "enable", "enable --now", "enable --runtime"]),
    lingering=st.sampled_from([True, True, False]),
    running=st.booleans(),
    enabled=st.booleans(),
)
def test_units_of_a_user(
    one: Inside, lingers: bool, file: str, done: str, lingering: bool, running: bool, enabled: bool
) -> None:
    home = "/home/p-user/.config/systemd/user"
    one.fresh().sh(
        "id p-user >/dev/null 2>&1 || useradd -m p-user; loginctl enable-linger p-user;"
        "for n in 1 2 3 4 5 6 7 8 9; do systemctl -q is-active user@$(id -u p-user) && break; sleep 0.3; done;"
        f"{AS_USER} stop p-u 2>/dev/null || true; "
        f"rm -rf {home} /run/user/$(id -u p-user)/systemd/user; {AS_USER} daemon-reload"
    )
    if file:
        one.write(f"{home}/p-u.service", file)
        one.sh("chown -R p-user: /home/p-user")
        if done:
            one.sh(f"{AS_USER} daemon-reload; {AS_USER} -q {done} p-u || true")
    if not lingers:
        one.sh("loginctl disable-linger p-user; systemctl stop user@$(id -u p-user)")
    one.looks(of_a_user)
    steps: list[Any] = [Linger("p-user", lingering)]
    if lingering:
        steps.append(UserUnit("p-user", "p-u.service", OWN))
        steps.append(UserService("p-u", running=running, enabled=enabled, user="p-user"))

    def is_so() -> None:
        assert one.sees(lambda: os.path.exists("/var/lib/systemd/linger/p-user")) == lingering  # noqa: PTH110
        if lingering:
            said = one.tells("sh", "-c", f"{AS_USER} is-active p-u; true").strip()
            assert (said == "active") == running

    # all units of a user end with their systemd, and start again as at boot: undo names them
    held = hold(one, *steps, effect=is_so, undone=lingering or not lingers)
    assert not held.failed
