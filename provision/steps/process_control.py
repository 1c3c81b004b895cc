"""Processes of an application, restarted, stopped and started on demand. Shipped to hosts (Python 3.8)."""

import time
from typing import TYPE_CHECKING, Dict, List

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_seconds, check_text, listed, step, wanted
from provision.steps.support.app_processes import health, is_web, process_of, shown, units_of

if TYPE_CHECKING:
    from provision.system.host import System

VERBS = {"restart": "restarted", "stop": "stopped", "start": "started"}


@wanted()
class ProcessesControlled(Step):
    """Restart, stop or start the processes of an application.

    app: its name.  verb: restart, stop or start.  process: only this process or job, "web" for the web process.
    within: seconds that the web process has to answer its health path after a restart or start.
    A restart keeps the socket: connections wait in it. Jobs are stopped and started by their timers.
    """

    app: str
    verb: str
    process: str = ""
    within: float = 60

    DEADLINE = 600.0

    def label(self) -> str:
        return "%s %s" % (self.verb, " ".join(filter(None, [self.app, self.process])))

    def validate(self) -> None:
        check_text(self.app, "app")
        if self.verb not in VERBS:
            raise ValueError("verb must be one of %s, not %r" % (", ".join(VERBS), self.verb))
        check_seconds(self.within, "within")

    def check(self, host: "System") -> Diff:
        units = self._units(host)
        states = shown(host, units)
        if self.verb == "restart":
            units = [name for name in units if states[name]["active"] != "inactive" or is_web(self.app, name)]
        elif self.verb == "stop":
            units = [name for name in units if states[name]["active"] not in ("inactive", "failed")]
        else:
            units = [name for name in units if states[name]["active"] not in ("active", "reloading")]
        if not units:
            return Diff.none("all of them are %s" % VERBS[self.verb])
        return Diff([Change(name, states[name]["active"], VERBS[self.verb]) for name in units])

    def apply(self, host: "System", diff: Diff) -> None:
        names = [change.what for change in diff.changes]
        # a socket that listens starts its service again
        sockets = [name for name in names if name.endswith(".socket")]
        others = [name for name in names if name not in sockets]
        host.units.reload_manager()
        for name in [*sockets, *others]:
            if self.verb != "stop":
                host.run(("systemctl", "reset-failed", name))
            host.units.do(self.verb, name, timeout=self.deadline())
        if self.verb != "stop":
            self._answer(host, [name for name in others if is_web(self.app, name)])

    def _units(self, host: "System") -> List[str]:
        """Return the units to act on. Raises StepError if there is none."""
        found = units_of(host, self.app)
        if not found:
            raise StepError(
                "%s is not deployed on this host" % self.app, hint="Deploy it first: prov deploy HOST"
            )
        processes: Dict[str, List[str]] = {}
        for name in found:
            processes.setdefault(process_of(name), []).append(name)
        if self.process and self.process not in processes:
            raise StepError(
                "%s has no process %r" % (self.app, self.process),
                hint="There are: %s" % listed(sorted(processes)),
            )
        units = processes[self.process] if self.process else found
        # a job runs at its times: its timer is what is stopped and started
        units = [name for name in units if not (name.startswith("job-") and name.endswith(".service"))]
        if self.verb == "restart":
            units = [name for name in units if name.endswith(".service") or self.process]
            units = [name for name in units if not name.endswith(".socket")]
        return units

    def _answer(self, host: "System", web: List[str]) -> None:
        """Wait until web processes answer. Raises StepError with their journal."""
        end = time.monotonic() + self.within
        for unit in web:
            while True:
                said = health(host, self.app, unit, ())["said"]
                if not said:
                    break
                if time.monotonic() > end:
                    raise StepError(
                        "%s does not answer %g s after its start: %s" % (unit, self.within, said),
                        stderr=host.units.journal(unit),
                        hint="The lines above are from its journal. Another release:  prov rollback HOST %s"
                        % self.app,
                    )
                time.sleep(0.1)


processes_controlled = step(ProcessesControlled)
