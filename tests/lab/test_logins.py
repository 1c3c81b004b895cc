"""Login shells by kinds of sudo: each login works, or prov tells within seconds why it does not.

The table is that of docs/logins.md.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time

import pytest
from helpers.cli import PROV, prov, start
from helpers.hosts import Hosts, Kind
from helpers.logintable import HANGS, HOST_SETUP, LOGINS, PAGE, SHELLS, Login, rows, verdict
from helpers.projects import Project, by_address

from provision import lab

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-shells"
#: seconds in which a login that does not work is told: five, and those that the login itself takes where seven at once
#: share the processors with other tests
SECONDS = 5.0 + 25.0


@pytest.fixture(scope="module")
def host(lab_hosts: Hosts) -> lab.LabHost:
    """A host with a user for each cell."""
    found = lab_hosts.one(NAME, Kind("debian-13"))
    script = HOST_SETUP + "".join(login.setup() for login in LOGINS)
    argv = [PROV, "lab", "ssh", NAME, "--", "sh", "-es"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return found


def test_each_login_works_or_is_told(host: lab.LabHost, project: Project) -> None:
    seen: dict[Login, str] = {}
    for shell in SHELLS:
        logins = [login for login in LOGINS if login.shell == shell]
        project.inventory({login.user: {**by_address(host), **login.variables()} for login in logins})
        environment = project.home(host)
        if shell == HANGS:
            seen |= notes(project, environment, logins)
        else:
            seen |= ends(project, environment, logins)
    table = rows(seen)
    page = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    assert table == page[: len(table)], "\n".join(table)


def ends(project: Project, environment: dict[str, str], logins: list[Login]) -> dict[Login, str]:
    """How these logins end."""
    run = prov("ping", "all", cwd=project.folder, env=environment)
    last = {event["host"]: event for event in run.events if event["event"] == "host"}
    late = {name: event for name, event in last.items() if event["seconds"] > SECONDS}
    assert not late
    return {login: verdict((last[login.user].get("error") or {}).get("message", "")) for login in logins}


def notes(project: Project, environment: dict[str, str], logins: list[Login]) -> dict[Login, str]:
    """What is shown during logins that get a minute, which is not waited for here."""
    process = start("ping", "all", cwd=project.folder, env=environment)
    assert process.stdout is not None
    began = time.monotonic()
    timer = threading.Timer(SECONDS, process.send_signal, [signal.SIGINT])
    timer.start()
    found: dict[str, str] = {}
    try:
        while len(found) < len(logins) and (line := process.stdout.readline()):
            event = json.loads(line)
            if event["event"] == "note":
                found[event["host"]] = verdict(event["text"])
        assert time.monotonic() - began < SECONDS
    finally:
        timer.cancel()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    return {login: found[login.user] for login in logins}
