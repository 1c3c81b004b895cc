"""Answers of hosts to what prov asks them. They are believed only in the shape that they should have (D15)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from provision.controller.outcome import Outcome
from provision.errors import ProvError
from provision.system.memory.records import Damaged, understood
from provision.system.shapes import Misshapen


def answer_of(outcome: Outcome, shape: Callable[[Any], Any]) -> Any:
    """Return the JSON that a step has printed on its host. Raises ProvError for another shape, and StepFailed.

    shape: checks the value and returns it, or raises Misshapen, ValueError, TypeError or KeyError.
    """
    try:
        return understood(outcome.stdout.encode("utf-8", "surrogatepass"), shape)
    except (Damaged, Misshapen, ValueError, TypeError, KeyError) as error:
        raise ProvError(f"the host's answer is invalid: {error}") from None
