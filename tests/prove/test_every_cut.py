"""Runs that are cut, in full; writes its section of docs/proofs.md. CUTS in the environment says how many, of all.

All of them take hours. What was found is kept in pytest's cache: ended, and run again with the same code, it goes on.
"""

from __future__ import annotations

import dataclasses
import json
import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from helpers import proofspage
from helpers.cutting import KINDS
from helpers.hosts import Hosts
from helpers.interruption import FIRST, SECOND, Cut, Interrupting, Verdict, draw
from helpers.leftovers import left_behind, own_places
from helpers.matrixpage import table
from helpers.pictures import DATED, RANDOM, VOLATILE, VOLATILE_NAMES
from helpers.projects import STACK

from provision.apps.app_releases import short_hash
from provision.saved.holding import hashed

pytestmark = pytest.mark.lab

#: more than there are processors: hosts that boot, and links that have to be given up, are waited for
HOSTS = tuple(f"t-cut{number}" for number in range(1, 7))
ROOT = Path(__file__).parents[2]
#: what is proved
CODE = ("provision", "roles", "examples/flask_hello")


class Found:
    """Verdicts of this code, also of runs before this one."""

    def __init__(self, cache: pytest.Cache) -> None:
        self._cache = cache
        self._key = f"prov/cuts-{code()}"
        found = [Verdict(Cut(*cut), *rest) for cut, *rest in cache.get(self._key, [])]
        self._verdicts = {self._name(verdict.cut): verdict for verdict in found}

    @staticmethod
    def _name(cut: Cut) -> tuple[str, str, str, bool]:
        """Without the time, which is measured again by each run."""
        return cut.deploy, cut.kind, cut.step, cut.after is None

    def add(self, verdict: Verdict) -> None:
        self._verdicts[self._name(verdict.cut)] = verdict
        self._cache.set(self._key, [dataclasses.astuple(each) for each in self._verdicts.values()])

    def missing(self, cuts: Iterable[Cut]) -> list[Cut]:
        return [cut for cut in cuts if self._name(cut) not in self._verdicts]

    def of(self, cuts: Iterable[Cut]) -> list[Verdict]:
        names = [self._name(cut) for cut in cuts]
        return [self._verdicts[name] for name in names if name in self._verdicts]


def code() -> str:
    """A hash of the code that is proved, wherever it lies."""
    return short_hash(json.dumps({folder: hashed(ROOT / folder) for folder in CODE}))


def test_one_more_run_converges(
    lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> None:
    for name in HOSTS:
        lab_hosts.one(name)
    with own_places() as folder:
        converge(tmp_path_factory, pytestconfig)
        assert left_behind(folder) == []


def converge(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> None:
    """Cut runs, and have another one follow each."""
    interrupting = Interrupting(tmp_path_factory.mktemp("cuts"), HOSTS, first=True)
    steps = {deploy: interrupting.steps(deploy) for deploy in (FIRST, SECOND)}
    count = os.environ.get("CUTS")
    cuts = draw(steps, int(count) if count else None)
    assert pytestconfig.cache is not None
    found = Found(pytestconfig.cache)
    try:
        for verdict in interrupting.all(found.missing(cuts)):
            found.add(verdict)
    finally:
        # also if someone has seen enough, and ends it
        if verdicts := found.of(cuts):
            proofspage.write(proofspage.CUTS, report(verdicts, len(draw(steps))))
    assert [v for v in found.of(cuts) if not v.converged] == []


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
        "Converged: the run that was cut ends on its own, with an error. Once its lock is free, one more deploy ends",
        "with status 0. Then the host's files (contents, modes, owners, links), its units and what the ledger knows",
        "are those of a host whose deploy was not cut; each service was started or reloaded after the last change of",
        "a file that it reads; the application answers with the right release; a plan finds nothing to do and nothing",
        "that is owed, and so does another deploy. A dropped link comes back when the controller has given it up. A",
        "power cut ends all processes of the host at once, but the lab's disks lose nothing that was not yet written.",
        "Connections to every second host are kept, the others are fresh. At the end no process of ssh and no socket",
        "is left on the controller.",
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
        lines += ["", "Not converged:", ""]
        lines += [f"- {v.cut}: {told(v.differences[0])}" for v in missed]
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
    """How often someone had to wait for the run that was cut."""
    refused = sum(bool(v.refused) for v in cuts)
    return [
        f"After {refused} cuts the next deploy was first refused: the run that was cut had not ended yet.",
        "",
    ]


def told(difference: str) -> str:
    """A difference in a line, wherever this checkout lies."""
    return textwrap.shorten(difference.replace(f"{ROOT}/", ""), 160)
