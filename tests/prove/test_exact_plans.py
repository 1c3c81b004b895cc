"""Exactness in full; writes its section of docs/proofs.md. CASES in the environment says how many."""

from __future__ import annotations

import os

import pytest
from helpers import proofspage
from helpers.exactness import Proving, Verdict
from helpers.hosts import Hosts
from helpers.mutations import DEPLOYED, STARTS, draw
from helpers.projects import HELLO, STACK, Project

HOSTS = ("t-prove1", "t-prove2")


def test_plans_of_changed_hosts_are_exact(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in HOSTS:
        lab_hosts.one(name)
    project = Project(tmp_path_factory.mktemp("exact")).examples()
    hosts = {name: {"apps": {"hello": HELLO}} for name in HOSTS}
    project.inventory(hosts, ansible_connection="lab", roles=STACK)
    # most of what can happen to a host needs something to happen to
    starts = (*STARTS, *[DEPLOYED] * len(STARTS))
    cases = draw("hello", int(os.environ.get("CASES", "300")), starts)
    verdicts = Proving(project.folder, HOSTS).all(cases)
    proofspage.write(proofspage.PLANS, report(verdicts))
    assert [v for v in verdicts if not v.exact] == []


def report(verdicts: list[Verdict]) -> list[str]:
    """The section for people."""
    exact = sum(v.exact for v in verdicts)
    failed = sum(bool(v.failed) for v in verdicts)
    lines = [
        f"{len(verdicts)} cases, {exact} exact. A case is one to three things, drawn at random, that happen to a host",
        f"with {', '.join(STACK)} and flask_hello: files edited, emptied, removed, chmodded, turned into links or",
        "folders, packages removed or half installed, units stopped, killed, disabled, masked, users removed,",
        "environments broken, certificates expired, foreign files. Exact: the plan's steps, their states, differences",
        f"and errors are those of the deploy after it, and a second deploy changes nothing. In {failed} cases",
        "both ended at the same step, with the same error.",
    ]
    missed = [v for v in verdicts if not v.exact]
    if missed:
        lines += ["", "Not exact:", "", *(f"- {v.case}" for v in missed)]
    return lines
