"""Recorded events for the tests of reports: one host changes, one fails, one can't be reached."""

from __future__ import annotations

from provision.controller.events import (
    Connected,
    Connecting,
    Event,
    HostDone,
    Notice,
    RoleStarted,
    StepDone,
    StepRunning,
    Summary,
    Tally,
)
from provision.controller.fact_types import Facts
from provision.errors import StepError, UnreachableError
from provision.steps.base import Change

CONF = Change("content", text="--- /etc/x.conf\n+++ /etc/x.conf\n@@ -1,2 +1,2 @@\n a\n--old\n+new")
FAILURE = StepError(
    "nginx refuses the configuration",
    where="roles/nginx/__init__.py:14",
    hint="Look at the line it names.\nThen run again.",
    argv=["nginx", "-t", "-c", "/a b"],
    status=1,
    stdout="checking\n",
    stderr="one\n\nnginx: [emerg] \x1b[31munknown\x1b[0m directive\n",
)
FACTS = Facts(
    distribution="debian",
    version="12",
    codename="bookworm",
    family="debian",
    architecture="x86_64",
    kernel="6.1.0",
    hostname="web1",
    cpus=2,
    memory_mb=2048,
    addresses=("192.0.2.1", "2001:db8::1"),
    python="3.11.2",
    python_path="/usr/bin/python3",
    init="systemd",
    user="root",
    login_user="admin",
)

EVENTS: list[Event] = [
    Connecting("web1"),
    Connecting("web2"),
    Connecting("db1"),
    Connected("web1", 0.104),
    RoleStarted("web1", "nginx"),
    StepRunning("web1", "nginx", "packages nginx", "Unpacking nginx"),
    StepDone("web1", "nginx", "packages nginx", "ok", why="installed: nginx 1.22", ms=1.5),
    StepDone(
        "web1", "nginx", "file /etc/x.conf", "changed", diff=[CONF, Change("mode", "0600", "0644")], ms=2.25
    ),
    HostDone("db1", 0.5, UnreachableError("192.0.2.9 port 22: no route to host", hint="Is it up?"), True),
    Connected("web2", 0.2),
    Notice("web2", "the ledger was damaged"),
    StepDone(
        "web2",
        "nginx",
        "service nginx",
        "failed",
        ms=40.0,
        where="roles/nginx/__init__.py:14",
        line='systemd.service(c, "nginx")',
        error=FAILURE,
    ),
    StepDone("web2", "nginx", "file /etc/y", "skipped", why="service nginx failed"),
    HostDone("web2", 1.0),
    HostDone("web1", 1.25),
]


def summary(events: list[Event] = EVENTS) -> Summary:
    """As the run counts them."""
    tallies = {host: Tally() for host in dict.fromkeys(e.host for e in events)}
    for event in events:
        tallies[event.host].count(event)
    return Summary(tallies, 1.26)
