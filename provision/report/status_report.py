"""What `prov status` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.controller.events import Answered, Event
from provision.report.answers import AnswerReport
from provision.report.columns import aligned
from provision.report.shown_lines import flat
from provision.steps.support.app_processes import process_of
from provision.system.memory.release_book import held, person


class StatusShown(AnswerReport):
    """For each host its applications with a line for each process; what is wrong comes last, after a "!"."""

    def take(self, event: Event) -> None:
        super().take(event)
        if isinstance(event, Answered):
            self._host(event.host, event.values)

    def _host(self, host: str, found: Mapping[str, Any]) -> None:
        self._answer(f"{host}: {'ok' if found['ok'] else 'something is wrong'}")
        if found["lock"]:
            self._answer(f"  {flat(found['lock'])}")
        for name, said in found["maintenance"].items():
            lifts = f"prov maintenance {host} off --app {name}"
            self._answer(f"  {flat(name)} is in maintenance, {flat(said)}; {flat(lifts)} lifts that")
        for name, app in found["apps"].items():
            self._app(host, name, app, found["now"])
        for front in found["fronts"]:
            self._answer(f"  {front['unit'].removesuffix('.service')}  {words(front)}")
        for problem in found["problems"]:
            self._answer(f"  ! {flat(problem)}")

    def _app(self, host: str, name: str, app: Mapping[str, Any], now: int) -> None:
        at = str(app.get("at", "")).replace("T", " ").rstrip("Z")
        by = person(app["who"]) if app.get("who") else ""
        about = [name, app["release"] or "no release", at, by, app.get("commit", "")]
        self._answer("  " + "  ".join(flat(word) for word in about if word))
        if app["hold"]:
            self._answer(f"    {flat(held(name, app['hold']))}; prov resume {host} {name} lifts that")
        shown = [each for each in app["processes"] if is_shown(each)]
        for line in aligned([row(each, app["health"]) for each in shown if not is_job(each)]):
            self._answer(f"    {flat(line)}")
        units = {each["unit"]: each for each in app["processes"]}
        for line in aligned([job(each, units, now) for each in shown if is_job(each)]):
            self._answer(f"    {flat(line)}")
        if app["front"] and not app["front"]["said"]:
            self._answer(f"    the front answers {flat(app['front']['url'])} in {app['front']['ms']} ms")
        if app["certificate_days"] is not None:
            self._answer(f"    certificate valid for {app['certificate_days']} days")
        for problem in app["problems"]:
            self._answer(f"    ! {flat(problem)}")


def is_shown(process: Mapping[str, Any]) -> bool:
    """Return whether a unit has a line of its own: sockets, and jobs between their times, have none."""
    unit = str(process["unit"])
    return not unit.endswith(".socket") and not (unit.startswith("job-") and unit.endswith(".service"))


def row(process: Mapping[str, Any], health: list[Mapping[str, Any]]) -> list[str]:
    """Return the cells of a process."""
    unit = process["unit"]
    asked = [each for each in health if each["unit"] == unit and not each["said"]]
    answer = f"{asked[0]['url']} in {asked[0]['ms']} ms" if asked else ""
    return [process_of(unit), *words(process).split("  "), answer]


def is_job(process: Mapping[str, Any]) -> bool:
    """Return whether a unit is the timer of a job."""
    return str(process["unit"]).startswith("job-")


def job(timer: Mapping[str, Any], units: Mapping[str, Mapping[str, Any]], now: int) -> list[str]:
    """Return the cells of a job: its name, how it ended last, and when it runs next. now: by the host's clock."""
    service = units.get(str(timer["unit"]).removesuffix(".timer") + ".service", {})
    if service.get("active") in ("active", "activating"):
        last = "runs now"
    elif service.get("ended") is None:
        last = "has not run yet"
    else:
        how = "succeeded" if service["result"] == "success" else f"failed ({service['result']})"
        last = f"{how} {age(max(1, now - service['ended']))} ago"
    due = timer["next"]
    soon = f"runs again in {age(max(1, due - now))}" if due is not None else timer["state"]
    return [f"job {process_of(timer['unit'])}", last, soon]


def words(process: Mapping[str, Any]) -> str:
    """Return state, age, memory and restarts of a unit."""
    memory = f"{process['memory'] / 1e6:.0f} MB" if process["memory"] else "-"
    restarts = f"{process['restarts']} restarts" if process["restarts"] != 1 else "1 restart"
    return "  ".join([process["state"], age(process["seconds"]), memory, restarts])


def age(seconds: int) -> str:
    """Return a duration in its largest unit: "3 h"."""
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s" if seconds else "-"
