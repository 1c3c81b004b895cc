"""What `prov run` shows: a command's output, without control characters on a terminal."""

from __future__ import annotations

from provision.controller.events import Event, Output, StepDone
from provision.errors import StepError
from provision.report.answers import AnswerReport
from provision.report.screen import write_output


class OutputShown(AnswerReport):
    """Writes stdout to stdout and stderr to stderr, each line after the host's name if there are several
    hosts."""

    PYTHON = "python3 was missing and was installed"

    def __init__(self, *, named: bool) -> None:
        super().__init__()
        self._named = named

    def take(self, event: Event) -> None:
        if isinstance(event, Output):
            prefix = f"{event.host}: " if self._named else ""
            write_output(self._out, event.stdout, prefix)
            write_output(self._err, event.stderr, prefix)
            if event.status:
                self._tell(f"{event.host}: exit status {event.status}")
        elif not (isinstance(event, StepDone) and has_output(event)):
            super().take(event)


def has_output(event: StepDone) -> bool:
    """Return whether a command has run, successfully or not: its Output says more."""
    return isinstance(event.error, StepError) and event.error.status is not None
