"""Runs that are cut, in full; writes its section of docs/proofs.md. CUTS in the environment says how many, of all."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
from helpers import proofspage
from helpers.cutting import KINDS
from helpers.hosts import Hosts
from helpers.interruption import FIRST, SECOND, Interrupting, Verdict, draw
from helpers.matrixpage import table
from helpers.pictures import DATED, RANDOM, VOLATILE, VOLATILE_NAMES
from helpers.projects import STACK

pytestmark = pytest.mark.lab

#: more than there are processors: hosts that boot, and links that have to be given up, are waited for
HOSTS = tuple(f"t-cut{number}" for number in range(1, 7))


def test_one_more_run_converges(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in HOSTS:
        lab_hosts.one(name)
    interrupting = Interrupting(tmp_path_factory.mktemp("cuts"), HOSTS, first=True)
    steps = {deploy: interrupting.steps(deploy) for deploy in (FIRST, SECOND)}
    count = os.environ.get("CUTS")
    verdicts: list[Verdict] = []
    try:
        for verdict in interrupting.all(draw(steps, int(count) if count else None)):
            verdicts.append(verdict)
    finally:
        # also if somebody has seen enough, and ends it
        if verdicts:
            proofspage.write(proofspage.CUTS, report(verdicts, len(draw(steps))))
    assert [v for v in verdicts if not v.converged] == []


def report(verdicts: Sequence[Verdict], every: int) -> list[str]:
    """The section for people. every: how many cuts there are to draw from."""
    cuts = [v for v in verdicts if not v.late]
    good = sum(v.converged for v in cuts)
    lines = [
        f"{len(cuts)} cuts, {good} converged. Drawn evenly from all {every}: before each step and inside it, of the",
        f"first deploy of {', '.join(STACK)} and flask_hello to a bare host, and of a second one that changes the",
        "application, its environment, static files and domains, nginx's settings and the certificate. Cut before a",
        "step, all others behind it have been done; inside, it and all the rest have been sent to the host, and a part",
        "of the time has passed that the step takes.",
        "",
        table([["cut", "first deploy", "second deploy"], *rows(cuts)]),
        "Converged: the run that was cut ends by itself, with an error. Once its lock is free, one more deploy ends",
        "with status 0. Then the host's files (contents, modes, owners, links), its units and what the ledger knows",
        "are those of a host whose deploy was not cut; each service was started or reloaded after the last change of",
        "a file that it reads; the application answers with the right release; a plan finds nothing to do and nothing",
        "that is owed, and so does another deploy. A dropped link comes back when the controller has given it up. A",
        "power cut ends all processes of the host at once, but the lab's disks lose nothing that was not yet written.",
        "",
        *refusals(cuts),
        "Not compared:",
        "",
        *(f"- `{path}`: {why}" for path, why in VOLATILE.items()),
        *(f"- names with `{name}`: {why}" for name, why in VOLATILE_NAMES.items()),
        f"- contents below `{RANDOM}`: random keys; owners and modes are",
        f"- days in `{DATED[0]}`: when accounts were made",
    ]
    missed = [v for v in cuts if not v.converged]
    if missed:
        lines += ["", "Not converged:", "", *(f"- {v.cut}: {v.differences[0]}" for v in missed)]
    return lines


def rows(cuts: Sequence[Verdict]) -> list[list[str]]:
    """Of each kind of cuts, how many and how many of them converged."""
    found = []
    for kind in KINDS:
        row = [kind]
        for deploy in (FIRST, SECOND):
            these = [v for v in cuts if (v.cut.kind, v.cut.deploy) == (kind, deploy)]
            row.append(f"{sum(v.converged for v in these)} of {len(these)}")
        found.append(row)
    return found


def refusals(cuts: Sequence[Verdict]) -> list[str]:
    """How often somebody had to wait for the run that was cut."""
    refused = sum(bool(v.refused) for v in cuts)
    return [
        f"After {refused} cuts the next deploy was first refused: the run that was cut had not ended yet.",
        "",
    ]
