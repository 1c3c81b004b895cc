"""The way of a host from bare to served, once for all tests that look at it."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, snapshot
from helpers.projects import HELLO, POLLS, STACK, Project
from helpers.samples import sample
from helpers.web import Site
from provision import lab

TITLES = {"hello.test": "Hello from Flask", "polls.test": "Polls"}
APPS: dict[str, dict[str, Any]] = {"hello": HELLO, "polls": POLLS}

#: where both applications are, and most tests of what is served go
TWO = "t-two"
#: pairs of everything: each release with each login, each login with and without python3
KINDS: dict[str, tuple[Kind, list[str]]] = {
    "t-d12sudo": (Kind("debian-12", "sudo", python=False), ["polls"]),
    "t-d12pass": (Kind("debian-12", "sudo-password", python=True), ["hello"]),
    "t-d13root": (Kind("debian-13", "root", python=False), ["hello"]),
    "t-d13sudo": (Kind("debian-13", "sudo", python=True), ["polls"]),
    "t-d13pass": (Kind("debian-13", "sudo-password", python=False), ["hello"]),
}
#: those that are tried: `make test` leaves out two
MATRIX = {name: KINDS[name] for name in sample(list(KINDS), 2)}


#: host -> path -> what is there
Disks = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Journey:
    """Bare hosts: planned, deployed, deployed again, planned again. disks: what was there at each point."""

    project: Project
    hosts: dict[str, lab.LabHost]
    planned: Run
    first: Run
    second: Run
    afterwards: Run
    bare: Disks
    after_plan: Disks
    after_first: Disks
    after_all: Disks

    def sites(self, name: str) -> list[Site]:
        """What a host serves."""
        return [self.site(name, app) for app in APPS if name == TWO or app in MATRIX[name][1]]

    def site(self, name: str, app: str) -> Site:
        """One application on one host."""
        return Site(self.hosts[name].address, f"{app}.test", self.project.ca)


def travel(hosts: Hosts, project: Project, kinds: dict[str, tuple[Kind, list[str]]]) -> Journey:
    """Boot the hosts and take them all the way; the tests say whether it was right."""
    found = hosts.up({name: kind for name, (kind, _) in kinds.items()})
    project.examples().inventory(
        {name: {"apps": {app: APPS[app] for app in apps}} for name, (_, apps) in kinds.items()},
        ansible_connection="lab",
        roles=STACK,
    )
    bare = disks(kinds)
    planned = prov("plan", "tests", cwd=project.folder)
    after_plan = disks(kinds)
    first = prov("deploy", "tests", cwd=project.folder, timeout=400)
    after_first = disks(kinds)
    second = prov("deploy", "tests", cwd=project.folder)
    afterwards = prov("plan", "tests", cwd=project.folder)
    return Journey(
        project, found, planned, first, second, afterwards, bare, after_plan, after_first, disks(kinds)
    )


def disks(names: Iterable[str]) -> Disks:
    """What is on the disks of hosts."""
    names = list(names)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(names, pool.map(snapshot, names)))
