"""A failure for people: what, where in the role, the command and its last output, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from provision.controller.events import StepDone
from provision.controller.visible import uncoloured
from provision.errors import ConfigErrors, ProvError, StepError
from provision.report.shown_lines import ShownLine, lines

#: lines of each stream; the host sends only the last ones
STREAM_LINES = 30


def step_failure(event: StepDone) -> Iterator[ShownLine]:
    """Return the lines about what went wrong in a step."""
    if event.error is not None:
        yield from lines("message", event.error.message)
    if event.where:
        yield ShownLine("place", event.where)
        if event.line:
            yield from (line.indented("    ") for line in lines("code", event.line))
    if isinstance(event.error, StepError):
        yield from command(event.error)
    if event.ignored:
        yield from lines("dim", f"continues: {event.ignored}")
    if event.error is not None:
        yield from hint(event.error)


def host_failure(host: str, error: ProvError) -> Iterator[ShownLine]:
    """Return the lines about what ended a host's run early."""
    for single in error.errors if isinstance(error, ConfigErrors) else [error]:
        yield from lines("message", single.message)
        if single.where not in ("", host):
            yield ShownLine("place", single.where)
        if isinstance(single, StepError):
            yield from command(single)
        yield from hint(single)


def command(error: StepError) -> Iterator[ShownLine]:
    """Return the lines about a failed command: its exit status and the last lines of both streams."""
    if error.argv:
        yield from lines("", f"command: {shlex.join(error.argv)}")
    if error.status is not None:
        yield ShownLine(
            "", f"ended by signal {-error.status}" if error.status < 0 else f"exit status: {error.status}"
        )
    for name, text in (("stdout", error.stdout), ("stderr", error.stderr)):
        if text.strip():
            yield ShownLine("", f"{name}:")
            tail = list(lines("dim", uncoloured(text)))[-STREAM_LINES:]
            yield from (line.indented("    ") for line in tail)


def hint(error: ProvError) -> Iterator[ShownLine]:
    """Return the hint after a blank line, all lines with the same indent."""
    if error.hint.strip():
        yield ShownLine("", "")
        yield from lines("hint", error.hint)
