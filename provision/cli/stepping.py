"""`prov deploy --step`: ask before each step whether to run it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from provision.errors import UsageError
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.cli.watch import Prompt
    from provision.controller.outcome import Outcome
    from provision.report.formats import Format

CHOICES = "y: run it, n: leave it out, c: run it and all the rest without asking"


def check_can_step(*, plan: bool, out: Format) -> None:
    """Raise UsageError without a terminal to ask on, or with nothing to ask about."""
    if plan:
        raise UsageError("--step asks before changes, and a plan makes none")
    if out.FOR_PROGRAMS or not sys.stdin.isatty():
        raise UsageError("--step asks questions, so it needs a terminal and a format for people, not --json")


class Stepper:
    """Asks about one step after the other, until the answer is `c`."""

    def __init__(self, prompt: Prompt) -> None:
        self._prompt = prompt
        self._all = False

    def __call__(self, host: str, outcome: Outcome) -> bool:
        """Whether to run the step on the host."""
        if self._all:
            return True
        with self._prompt():
            # steps of prov itself, after all roles, have no line in a role
            place = f"  ({outcome.where})" if outcome.where else ""
            say(f"{host}: {outcome.role}: {outcome.label}{place}")
            answer = ""
            while answer not in ("y", "n", "c"):
                answer = click.prompt("  run it? [y/n/c]", prompt_suffix=" ").strip().lower()[:1]
                if answer not in ("y", "n", "c"):
                    say(f"  {CHOICES}")
        self._all = answer == "c"
        return answer != "n"
