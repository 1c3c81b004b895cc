"""Changes that can lock us out: put back by the host itself if no one can log in again, kept once someone has."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.cli import PROV, prov, start
from helpers.hosts import Hosts, on, reboot
from helpers.projects import Project

from provision import lab

pytestmark = pytest.mark.lab

NAME = "t-guard"
#: seconds until the host puts a change back, and in which it has to be reachable again
SECONDS, PATIENCE = 6, 30
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example"
HEAD = "from provision.steps import nftables, ssh, systemd, users\nfrom steps.own import table"
#: what a role does, by what it locks
LOCKS = {
    "sshd": """
        drop_in = ssh.sshd_drop_in(c, "05-locked.conf", "AllowUsers nobody\\n")
        systemd.service(c, "ssh", reload_on=[drop_in])
    """,
    "key": f'users.authorized_keys(c, "root", ["{KEY}"], exclusive=True)',
    "account": 'users.user(c, "root", expires="2001-01-01")',
    "firewall": 'table(c, "tcp dport 22 drop")',
}
#: a step of a project's own, as prov's firewall leaves the port of sshd open whatever it is told
OWN = """
from typing import TYPE_CHECKING, Optional

from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.support.lockout import Guarded

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class Table(Step):
    \"\"\"A rule for what comes in. rule: in nft's own language.\"\"\"

    rule: str

    def label(self) -> str:
        return "table"

    def check(self, host: "System") -> Diff:
        there = host.ask(["nft", "list", "table", "inet", "own"]).status == 0
        return Diff.none("is there") if there else Diff([Change("table", "", self.rule)])

    def apply(self, host: "System", diff: Diff) -> None:
        text = "table inet own { chain input { type filter hook input priority 0; %s; }\\n}\\n" % self.rule
        host.run(["nft", "-f", "-"], stdin=text.encode()).require("loading it")

    def guarded(self, host: "System", diff: Diff) -> Optional[Guarded]:
        return Guarded((), [["nft", "delete", "table", "inet", "own"]])


table = step(Table)
"""
#: what of the host must be as it was
STATE = (
    "cat ~root/.ssh/authorized_keys /etc/shadow; sshd -T; ls /etc/ssh/sshd_config.d; nft list ruleset;"
    " systemctl is-active ssh"
)


@pytest.fixture(scope="module")
def host(lab_hosts: Hosts) -> lab.LabHost:
    """A host with a firewall's tools."""
    found = lab_hosts.one(NAME)
    on(NAME, "apt-get", "-qq", "install", "nftables", timeout=120)
    return found


@pytest.fixture
def locking(host: lab.LabHost, project: Project, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A project whose role locks the login out."""
    yield with_role(project, LOCKS[request.param])
    reachable_again()


def with_role(project: Project, body: str) -> Project:
    (project.folder / "steps").mkdir()
    (project.folder / "steps/own.py").write_text(OWN)
    project.role("locking", body, head=HEAD)
    return project.inventory(
        {NAME: {"ansible_connection": "lab", "roles": ["locking"], "prov_guard_seconds": SECONDS}}
    )


def reachable_again() -> float:
    """Wait until the host lets us in, as when nothing had happened; returns the seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            on(NAME, "true", timeout=4)
        except (AssertionError, subprocess.TimeoutExpired):
            time.sleep(0.3)
            continue
        return time.monotonic() - began
    raise AssertionError(f"{NAME} can't be reached after {PATIENCE} s")


@pytest.mark.parametrize("locking", sorted(LOCKS), indirect=True)
def test_what_locks_us_out_is_put_back_at_once(locking: Project) -> None:
    before = on(NAME, "sh", "-c", STATE)
    run = prov("deploy", NAME, cwd=locking.folder, status=1)
    (failed,) = [s for s in run.steps(NAME) if s["state"] == "failed"]
    assert "a new login failed after this change, so it was put back" in failed["error"]["message"], (
        json.dumps(failed)
    )
    assert on(NAME, "sh", "-c", STATE) == before
    assert "guard" not in on(NAME, "ls", "/var/lib/prov").split()


@pytest.mark.parametrize("locking", sorted(LOCKS), indirect=True)
def test_the_host_puts_it_back_when_controller_and_agent_are_killed(locking: Project) -> None:
    before = on(NAME, "sh", "-c", STATE)
    with killer() as armed:
        process = start("deploy", NAME, cwd=locking.folder)
        assert armed.stdout is not None
        assert armed.stdout.readline().strip() == "armed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # sshd lets us in at once where the change was one that the killed agent had not made yet
    reachable_again()
    on(
        NAME,
        "sh",
        "-c",
        "while test -e /var/lib/prov/guard/former.json; do sleep 0.1; done",
        timeout=PATIENCE,
    )
    assert on(NAME, "sh", "-c", STATE) == before
    told = prov("plan", NAME, cwd=locking.folder)
    assert told.status == 3, (told.stdout, told.stderr)


@pytest.mark.parametrize("locking", ["sshd"], indirect=True)
def test_a_host_that_reboots_meanwhile_puts_it_back_before_anybody_can_log_in(locking: Project) -> None:
    locking.inventory({NAME: {"ansible_connection": "lab", "roles": ["locking"], "prov_guard_seconds": 3600}})
    before = on(NAME, "sh", "-c", STATE)
    with killer("systemctl --force reboot"):
        process = start("deploy", NAME, cwd=locking.folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    reachable_again()
    on(NAME, "systemctl", "is-system-running", "--wait", check=False, timeout=PATIENCE)
    assert on(NAME, "sh", "-c", STATE) == before
    assert on(NAME, "ls", "/etc/systemd/system").count("prov-guard") == 0
    told = prov("plan", NAME, cwd=locking.folder)
    assert told.status == 3, (told.stdout, told.stderr)


def test_a_good_change_stays_and_the_next_run_is_told_nothing(host: lab.LabHost, project: Project) -> None:
    body = """
    drop_in = ssh.sshd_drop_in(c, "05-good.conf", "LoginGraceTime 61\\n")
    systemd.service(c, "ssh", reload_on=[drop_in], check_with=["sshd", "-t"])
    users.authorized_keys(c, "root", [KEY])
    nftables.firewall(c, ["80"])
    """
    with_role(project, body.replace("[KEY]", f'["{KEY}"]'))
    run = prov("deploy", NAME, cwd=project.folder, status=0)
    assert run.tally(NAME)["changed"] == 4
    time.sleep(SECONDS + 1)
    assert "logingracetime 61" in on(NAME, "sshd", "-T")
    assert on(NAME, "nft", "list", "table", "inet", "prov")
    assert "guard" not in on(NAME, "ls", "/var/lib/prov").split()
    assert prov("deploy", NAME, cwd=project.folder, status=0).tally(NAME)["changed"] == 0


def test_a_disabled_sshd_is_enabled_and_lives(host: lab.LabHost, project: Project) -> None:
    """Whether systemd mixes up a unit and its alias differs from boot to boot (system/guard.py)."""
    with_role(project, 'systemd.service(c, "ssh")')
    for _ in range(4):
        on(NAME, "systemctl", "disable", "ssh")
        assert prov("deploy", NAME, cwd=project.folder, status=0).tally(NAME)["changed"] == 1
        assert on(NAME, "systemctl", "is-active", "ssh") == "active"
        reboot(NAME)


def test_seconds_that_make_no_sense_are_refused(host: lab.LabHost, project: Project) -> None:
    with_role(project, "pass")
    project.inventory(
        {NAME: {"ansible_connection": "lab", "roles": ["locking"], "prov_guard_seconds": "soon"}}
    )
    refused = prov("deploy", NAME, cwd=project.folder, status=2)
    assert "prov_guard_seconds: must be a number of seconds from 1 to 3600, not 'soon'" in refused.stderr


@contextmanager
def killer(then: str = "echo armed") -> Iterator[subprocess.Popen[str]]:
    """Someone on the host who kills the agent as soon as it has armed the guard, and then does that."""
    # at once would be before the change; later, the agent itself has put it back
    script = "until pgrep -f [g]uard/watch.py >&2; do sleep 0.01; done; sleep 0.1;"
    script += f" pkill -KILL -f [s]tdin.buffer; {then}"
    argv: list[str | Path] = [PROV, "lab", "ssh", NAME, "--", "sh", "-c", script]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    try:
        yield process
    finally:
        process.communicate(timeout=PATIENCE)
