"""What `prov status` shows of a target on a platform."""

from __future__ import annotations

from provision.controller.events import Answered, Event
from provision.report.answers import AnswerReport
from provision.report.columns import aligned
from provision.report.shown_lines import flat


class PlatformStatusShown(AnswerReport):
    """For each application a line for each of its parts; what is wrong comes last, after a "!"."""

    def take(self, event: Event) -> None:
        super().take(event)
        if not isinstance(event, Answered):
            return
        self._answer(f"{event.host}: {'ok' if event.values['ok'] else 'something is wrong'}")
        for name, app in event.values["apps"].items():
            self._answer(f"  {flat(name)}  {flat(app['release'] or 'no release')}")
            rows = []
            for part in app["parts"]:
                again = part["restarts"]
                restarts = f"{again} restart{'' if again == 1 else 's'}" if again else ""
                rows.append([part["name"], part["state"], restarts])
            for line in aligned(rows):
                self._answer(f"    {flat(line)}")
            for problem in app["problems"]:
                self._answer(f"    ! {flat(problem)}")
