"""Deploys in waves that have stopped: which hosts have what they bring, and which do not have it yet.

The hosts know it: each deploy in waves leaves a digest of what it brings in the records of the hosts that it has
brought it to. So another one of the same inventory, roles and sources finds the hosts that are left.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import provision
from provision.errors import ProvError
from provision.roles.project import Assignment
from provision.roles.role_host import Host
from provision.run.going_back import books
from provision.run.host_answers import answer_of
from provision.run.work import Work
from provision.saved.holding import code_of, variables_of
from provision.steps.history import history
from provision.system.memory.records import PAST, TEXT
from provision.system.shapes import having
from provision.values import dataclass

#: what a run has brought a host to
BROUGHT = having({}, {"brought": TEXT})


@dataclass(frozen=True)
class Standing:
    """What a host has. brought: digest of its last deploy in waves; "" without one.  live: releases in service, by
    application; "" for one that is not deployed."""

    brought: str = ""
    live: Mapping[str, str] = field(default_factory=dict)


def digest_of(assignments: Sequence[Assignment]) -> str:
    """Return what tells a deploy from all others that bring another state: 64 hex digits of variables, roles,
    releases and this prov. "" if a source can't be read, which the run itself says."""
    try:
        hosts = [
            [
                each.host.name,
                variables_of(each.host),
                [[role.name, *(task.__name__ for task in role.tasks)] for role, _ in each.roles],
                wanted(each),
            ]
            for each in sorted(assignments, key=lambda each: each.host.name)
        ]
    except ProvError:
        return ""
    state = [provision.__version__, code_of(assignments), hosts]
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def wanted(assignment: Assignment) -> dict[str, str]:
    """Return the releases that a deploy brings to a host, by application. Raises ProvError."""
    return {app.name: app.release.id for app in assignment.served.apps}


def noted(work: Work, digest: str) -> Work:
    """Return work that, once it has succeeded, has the host remember what it was brought to."""

    def work_noted(host: Host) -> None:
        work(host)
        host.started().wait_for_all()
        host.started().brought = digest

    return work_noted


def asked(tell: Callable[[str, Standing], None], assignments: Sequence[Assignment]) -> Work:
    """Return work that asks hosts what they have. tell: takes the name of a host, and that."""
    apps = {each.host.name: each.served.apps for each in assignments}

    def ask(host: Host) -> None:
        runs = [BROUGHT(run) for run in answer_of(history(host), PAST)["runs"]]
        brought = [run["brought"] for run in runs if run.get("brought") and not run.get("undone")]
        known = books(host, apps[host.name]) if apps[host.name] else {}
        live = {name: str(book.get("current", "")) for name, book in known.items()}
        tell(host.name, Standing(brought[-1] if brought else "", live))

    return ask


def has_it(standing: Standing, digest: str, releases: Mapping[str, str]) -> bool:
    """Return whether a host has what a deploy brings. releases: those that it brings to that host."""
    return standing.brought == digest and standing.live == releases
