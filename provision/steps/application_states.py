"""How applications are doing: their releases, processes, health and certificates. Shipped to hosts (Python 3.8)."""

import json
import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence

from provision.steps.base import Diff, Step, check_path, check_text, listed, step, wanted
from provision.steps.maintenance import closed_apps
from provision.steps.support.app_processes import bad, expected, health, is_web, shown, units_of
from provision.steps.support.asked_fronts import answer_of_front
from provision.steps.support.served_certificates import faults, on_disk, renewals
from provision.system.memory.records import Damaged
from provision.system.memory.release_book import read_book

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class ApplicationStates(Step):
    """How applications are doing, as JSON in the outcome's stdout. Changes nothing.

    apps: their names.  fronts: units of the fronts that serve them.  certificates: by application, the path of
    its certificate, and that of what the host remembers of renewing it, or "".  sites: by application, the URL that
    its front is asked for.  For each application: its release, each process with state, memory (bytes), restarts,
    seconds since its start, for a job when it ended and runs next, the answer of its health path and of its front, the
    days left of its certificate, and under "problems" what is wrong.
    """

    apps: Sequence[str]
    fronts: Sequence[str] = ()
    certificates: Mapping[str, Sequence[str]] = ()  # type: ignore[assignment]
    sites: Mapping[str, str] = ()  # type: ignore[assignment]

    def label(self) -> str:
        return "state of %s" % listed(self.apps)

    def validate(self) -> None:
        for name in (*self.apps, *self.fronts):
            check_text(name, "name")
        for path, state in dict(self.certificates).values():
            check_path(path, "certificates")
            if state:
                check_path(state, "certificates")
        for url in dict(self.sites).values():
            check_text(url, "sites")

    def check(self, host: "System") -> Diff:
        units = {app: units_of(host, app) for app in self.apps}
        fronts = ["%s.service" % front for front in self.fronts]
        states = shown(host, [*fronts, *(unit for names in units.values() for unit in names)])
        answer: Dict[str, Any] = {
            "apps": {app: self._app(host, app, [states[name] for name in units[app]]) for app in self.apps},
            "fronts": [states[name] for name in fronts],
            "problems": ["%s is %s" % (name, states[name]["state"]) for name in fronts if bad(states[name])],
            "now": round(time.time()),
            "lock": host.ledger.operator_lock(),
            "maintenance": closed_apps(host),
            "owed": sorted(name for name, entry in host.ledger.data["units"].items() if entry.get("owes")),
        }
        answer["problems"] += ["a reload is owed: %s" % name for name in answer["owed"]]
        self.scratch["stdout"] = json.dumps(answer)
        return Diff.none("read")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("reading changes nothing")

    def _app(self, host: "System", app: str, processes: "List[Dict[str, Any]]") -> Dict[str, Any]:
        home, problems = "/srv/" + app, []
        found: Dict[str, Any] = {"release": "", "hold": None, "processes": processes}
        try:
            book = read_book(host, home)
            entry = book["instances"].get(book["live"], {})
            found.update({name: entry.get(name, "") for name in ("release", "at", "who", "commit")})
            found["hold"] = book["hold"]
        except Damaged as error:
            entry = {}
            problems.append(str(error))
        current = host.files.stat(home + "/current")
        if current is None:
            problems.append("is not deployed")
        elif not found["release"]:
            found["release"] = current.target.rsplit("/", 1)[-1]
        problems += ["%s is %s" % (each["unit"], each["state"]) for each in processes if bad(each)]
        problems += ["%s has not read its unit file" % each["unit"] for each in processes if each["stale"]]
        found["health"] = [
            health(host, app, each["unit"], expected(entry))
            for each in processes
            if is_web(app, each["unit"])
        ]
        problems += ["%(url)s: %(said)s" % each for each in found["health"] if each["said"]]
        found["front"] = None
        if current is not None and app in dict(self.sites):
            found["front"] = answer_of_front(dict(self.sites)[app])
            if found["front"]["said"]:
                problems.append("the front answers %(url)s: %(said)s" % found["front"])
        path, state = dict(self.certificates).get(app, ("", ""))
        certificate = on_disk(host, path)
        found["certificate_days"] = certificate.get("days")
        if certificate:
            problems += faults(certificate, renewals(host, state))
        found["problems"] = problems
        return found


application_states = step(ApplicationStates)
