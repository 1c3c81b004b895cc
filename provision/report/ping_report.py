"""What `prov ping` shows: one line for each host, in the order in which they answer."""

from __future__ import annotations

from provision.controller.events import Event, FactsKnown, HostDone, StepDone, Summary
from provision.controller.fact_types import Facts
from provision.controller.session import INSTALL_PYTHON
from provision.report.answers import AnswerReport
from provision.report.reporting import counted


class Ping(AnswerReport):
    """Shows `web1  ok  debian 12, python 3.11.2, 0.12 s`; errors go to stderr."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width
        self._facts: dict[str, Facts] = {}
        self._bare: set[str] = set()

    def take(self, event: Event) -> None:
        match event:
            case FactsKnown():
                self._facts[event.host] = event.facts
            case StepDone() if event.step == INSTALL_PYTHON:
                self._bare.add(event.host)
            case HostDone() if event.error is None:
                self._answer(
                    f"{event.host:<{self._width}}  ok  {self._found(event.host)}, {event.seconds:.2f} s"
                )
            case _:
                super().take(event)

    def finish(self, summary: Summary) -> None:
        if len(summary.hosts) > 1 and (
            silent := [h for h, t in summary.hosts.items() if t.unreachable or t.failed]
        ):
            self._tell(
                f"{counted(len(silent), 'host')} of {len(summary.hosts)} did not answer: {', '.join(silent)}"
            )

    def _found(self, host: str) -> str:
        facts = self._facts.get(host)
        if facts is None:
            return "no python3 yet (a deploy installs it)" if host in self._bare else "stopped"
        return f"{facts.distribution} {facts.version}, python {facts.python}"
