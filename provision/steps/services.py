"""Units that run or are stopped. Shipped to hosts (Python 3.8, standard library)."""

import fnmatch
import time
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Ref, Step, wanted
from provision.steps.support.enabling import enabled_otherwise, set_enabled
from provision.steps.support.foresight import MAKERS, foresee
from provision.steps.support.held_ports import ListeningPort, check_ports, claim, of_socket, refuse_held
from provision.steps.support.lockout import Guarded, ssh_unit
from provision.steps.support.making_way import in_the_way, making_way
from provision.steps.support.unit_judging import UNIT, UNIT_FOLDER, fragment_of, full_name, unmask
from provision.system.processes import pids, said_of

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.unit_state import UnitState
    from provision.system.units import Units

#: seconds until a front that was asked to reload has marked the processes that are to end
NOTICED = 1.0


@wanted()
class Service(Step):
    """A unit that is running or stopped, and starts at boot or does not. Source: systemctl(1).

    unit: a name; ".service" is added if it has no type.  running, enabled: None leaves it as it is. A static
    unit is started by other units, and counts as both enabled and disabled. To keep it from starting, use
    systemd.masked.
    reload_on, restart_on: earlier steps whose state the unit reads when it starts. The host records the state
    that the unit last started or reloaded with. If the state has changed since, the reload or restart is owed
    and is done, in this run or a later one, whatever happens in between.
    check_with: argv that must succeed before a start, restart or reload: ["nginx", "-t"].
    renews: on a reload, new processes take over from the serving ones. The step ends once they have.
    instead_of: units that make way for this one, as they use the same ports. Once the check has passed they
    are stopped, and once this unit runs they are disabled; if it does not start, they serve on.
    shares_ports: whether it binds `ports` with SO_REUSEPORT (socket(7)). Then it starts while units of instead_of
    still serve, and no connection is refused, unless the kernel or further ports of theirs forbid it.
    adds: whether reload_on and restart_on are further inputs, beside those that another run's step names.
    ports: TCP ports that it listens on. If another process holds one when the unit is to start or reload,
    plan and deploy name that process, and leave the unit alone. The ports of a socket are read from its unit
    file.
    """

    unit: str
    running: Optional[bool] = True
    enabled: Optional[bool] = True
    reload_on: Sequence[Ref] = ()
    restart_on: Sequence[Ref] = ()
    check_with: Sequence[str] = ()
    instead_of: Sequence[str] = ()
    renews: bool = False
    ports: Sequence[int] = ()
    shares_ports: bool = False
    adds: bool = False

    DEADLINE = 180.0

    @property
    def name(self) -> str:
        return full_name(self.unit)

    def label(self) -> str:
        kind = self.name.rsplit(".", 1)[-1]
        shown = self.name[: -len(".service")] if kind == "service" else self.name
        return "%s %s" % ("service" if kind == "service" else "unit", shown)

    def units(self) -> Sequence[str]:
        return [self.name, *map(full_name, self.instead_of)]

    def validate(self) -> None:
        if not UNIT.fullmatch(self.name):
            raise ValueError("%r is not the name of a unit" % self.unit)
        if "@." in self.name:
            raise ValueError(
                "%r is a template: name an instance, such as %s" % (self.unit, self.name.replace("@.", "@1."))
            )
        for other in map(full_name, self.instead_of):
            if not UNIT.fullmatch(other) or other == self.name:
                raise ValueError("instead_of: %r is not the name of another unit" % other)
        check_ports(self.ports)
        if self.shares_ports and not self.ports:
            raise ValueError("shares_ports is for a unit with `ports`")
        if self.instead_of and not self.running:
            raise ValueError("instead_of is for a unit that runs")
        if self.running is False and (self.reload_on or self.restart_on):
            raise ValueError("a unit that shall not run can't be reloaded or restarted")

    @property
    def key(self) -> str:
        """Return the ledger's key for the unit."""
        return self.name

    def manager(self, host: "System") -> "Units":
        """Return the systemd that the unit belongs to."""
        return host.units

    def check(self, host: "System") -> Diff:
        state = self.manager(host).state(self.name)
        host.ledger.asked(self.key, self._inputs())
        found: List[Change] = []
        if state.load == "not-found" or self._only_a_mask(host, state):
            if not self.running and not self.enabled:
                return Diff.none("there is no such unit")
            raise StepError(
                "the host has no unit %s" % self.name,
                hint="Install the package that brings it, or add a systemd.unit step before this one.",
            )
        if state.load == "masked" and (self.running or self.enabled):
            found.append(Change("masked", "yes", "no"))
        if self.enabled is not None:
            otherwise = enabled_otherwise(host, self.manager(host), self.name, self.enabled)
            if otherwise:
                found.append(Change("enabled", otherwise, "enabled" if self.enabled else "disabled"))
        if self.running is not None and state.running != self.running:
            found.append(Change("running", state.active, "active" if self.running else "inactive"))
        elif self.running and state.running:
            found += self._owed(host, state) or self._cut_off(host, state)
        if self.running and {"running", "restart"} & {change.what for change in found}:
            found += self._without_socket(host)
        if self.running and {"running", "restart", "reload"} & {change.what for change in found}:
            # its start would fail
            leaving = [*map(full_name, self.instead_of), self._served]
            refuse_held(host, self.name, self._listens(host, state), leaving)
        others = list(map(full_name, self.instead_of))
        found += in_the_way(self.manager(host), others, self.ports, self.shares_ports)
        if not found:
            return Diff.none(self._words(state))
        return Diff(found)

    def apply(self, host: "System", diff: Diff) -> None:
        what = {change.what: change for change in diff.changes}
        if "masked" in what:
            unmask(host, self.manager(host), self.name)
        if self.manager(host).state(self.name).stale:
            self.manager(host).reload_manager()
        if self.check_with and self.running and ({"running", "reload", "restart"} & set(what)):
            host.judge(
                self.check_with,
                "checking the configuration of %s" % self.name,
                "The unit has not been touched: it runs as before.",
            )
        if "enabled" in what and not self.instead_of:
            set_enabled(host, self.manager(host), self.name, bool(self.enabled))
        others = [full_name(o) for o in self.instead_of if full_name(o) in what]
        stopped = [name for name in others if self.manager(host).state(name).running]
        with making_way(self.manager(host), stopped, self.ports, self.shares_ports, host.planned):
            self._act(host, what)
        if host.planned and self.running:
            foresee(host, MAKERS, self.name)
            claim(host, self.name, self._listens(host, self.manager(host).state(self.name)))
        # not earlier: two units that use the same ports must not both start at boot
        for name in others:
            set_enabled(host, self.manager(host), name, False)
        if "enabled" in what and self.instead_of:
            set_enabled(host, self.manager(host), self.name, bool(self.enabled))
        if self.running and ({"running", "reload", "restart"} & set(what) or not host.ledger.unit(self.key)):
            self._remember(host, (*self.restart_on, *self.reload_on))

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return ssh_unit(host, self.name)

    def _act(self, host: "System", what: Dict[str, Change]) -> None:
        if self._served in what:
            # the socket first: it would start the service again at the next request
            self.manager(host).do("stop", self.name, self._served)
        if "running" in what:
            if what["running"].before == "failed":
                # systemctl(1): resets the start counter; a unit that failed too often would be refused
                self.manager(host).do("reset-failed", self.name)
            self.manager(host).do("start" if self.running else "stop", self.name)
        elif "restart" in what:
            self.manager(host).do("start" if self._served in what else "restart", self.name)
        elif "reload" in what:
            self._reload(host)
        if self.running:
            self._stay_up(host, what)

    def _reload(self, host: "System") -> None:
        units = self.manager(host)
        if self.renews:
            # imported here: most runs reload nothing
            from provision.system.front_reload import renew  # shipped

            renew(units, self.name, planned=host.planned)
        else:
            units.do("reload-or-restart", self.name)

    @property
    def _served(self) -> str:
        """Return the service that a socket starts (systemd.socket(5)); "" for any other unit."""
        return self.name[: -len(".socket")] + ".service" if self.name.endswith(".socket") else ""

    def _cut_off(self, host: "System", state: "UnitState") -> List[Change]:
        """Return whether the socket's path was removed: systemd still listens, but no client finds it."""
        gone = [path for path in state.listens if host.files.stat(path) is None]
        return [Change("restart", "", "%s is gone" % ", ".join(gone))] if gone else []

    def _without_socket(self, host: "System") -> List[Change]:
        """Return whether a service runs without its socket: systemd then refuses to start the socket.

        systemd says "already active". The service stops first; then the socket, or the step for the socket,
        starts it again.
        """
        if not self._served or not self.manager(host).state(self._served).running:
            return []
        return [Change(self._served, "active", "inactive, for its socket to start")]

    def _only_a_mask(self, host: "System", state: "UnitState") -> bool:
        """Return whether a mask is all that exists of a unit to start: its package is not installed yet."""
        if (
            state.load != "masked"
            or not (self.running or self.enabled)
            or self.manager(host) is not host.units
        ):
            return False
        # systemd-sysv-generator(8) makes units from init scripts
        script = "/etc/init.d/" + self.name[: -len(".service")]
        return not fragment_of(host, self.name) and not host.files.exists(script)

    def _listens(self, host: "System", state: "UnitState") -> List[ListeningPort]:
        """Return where this unit is going to listen, as far as that is known."""
        wanted = [ListeningPort(number) for number in self.ports]
        if self._served and self.manager(host) is host.units:
            wanted += of_socket(host, self.name, state)
        return wanted

    def fingerprint(self, host: "System") -> str:
        state = self.manager(host).state(self.name)
        return "%s %s" % (state.active, state.enabled)

    def _owed(self, host: "System", state: "UnitState") -> List[Change]:
        """Return the restart or reload that is due because an input changed since the unit started."""
        remembered = host.ledger.unit(self.key)
        before: Dict[str, str] = remembered.get("inputs", {})
        if state.stale and (self.restart_on or self.reload_on):
            return [Change("restart", "", "its unit file changed on disk")]
        for word, refs in (("restart", self.restart_on), ("reload", self.reload_on)):
            if remembered:
                due = [
                    r.label
                    for r in refs
                    if before.get(r.label) != r.fingerprint or host.ledger.owes_reload(self.key, r)
                ]
            else:
                # prov never (re)started it: it may have started with a state from before all runs, but not
                # with what a run has changed, or may have changed before it died
                due = [r.label for r in refs if r.changed or host.ledger.may_have_changed(r.label)]
            if due:
                if not remembered:
                    return [Change(word, "", "changed while it ran: %s" % ", ".join(due))]
                since = host.ledger.since(self.key)
                said = "running with the configuration of %s; changed since: %s" % (since, ", ".join(due))
                return [Change(word, "", said)]
        if remembered.get("owes"):
            return [Change("reload", "", "still running with files that are gone: %s" % remembered["owes"])]
        if not remembered and (self.restart_on or self.reload_on):
            self._remember(host, (*self.restart_on, *self.reload_on))
        elif remembered:
            host.ledger.seen(self.key)
        return []

    def _remember(self, host: "System", notified: Sequence[Ref]) -> None:
        others = host.ledger.unit(self.key).get("inputs", {}) if self.adds else {}
        host.ledger.remember_unit(self.key, {**others, **self._inputs()}, notified, self.renews)

    def _inputs(self) -> Dict[str, str]:
        return {r.label: r.fingerprint for r in (*self.restart_on, *self.reload_on)}

    def _stay_up(self, host: "System", what: Dict[str, Change]) -> None:
        """Look again before calling a unit running, as it may start and die at once. Raises StepError."""
        if host.planned or not {"running", "restart", "reload"} & set(what):
            return
        state = self.manager(host).state(self.name)
        if self.name.endswith(".service") and state.active == "activating":
            time.sleep(0.5)
            self.manager(host).forget()
            state = self.manager(host).state(self.name)
        if state.active in ("failed", "inactive") and state.result != "success":
            raise StepError(
                "%s started and died (%s)" % (self.name, state.result),
                argv=["systemctl", "start", self.name],
                stderr=self.manager(host).journal(self.name),
                hint="The lines above are from its journal: journalctl -u %s" % self.name,
            )

    def _words(self, state: "UnitState") -> str:
        words = []
        if self.running is not None:
            words.append("is %s" % (state.sub if state.running else "not running"))
        if self.enabled is not None:
            words.append(state.enabled or "not enabled")
        return ", ".join(words) or "nothing is asked of it"


@wanted()
class OnlyInstances(Step):
    """Of a template unit, run only these instances: stop and disable others, and remove their own files.

    template: "shop@.service"; instances may also have a unit file each, shop@NAME.service. A "*" in it
    matches any text, as in "shop_*@.service".
    own_files: look only for instances that have a unit file of their own.
    keep: instance names.  after: seconds that requests in progress get before other instances are stopped: a
    front that has just switched still finishes some.
    until_gone: process title of the front's processes that finish; the wait ends early once none is left.
    """

    template: str
    keep: Sequence[str]
    after: float = 0
    until_gone: str = ""
    own_files: bool = False

    DEADLINE = 300.0

    def label(self) -> str:
        return "other instances of %s" % self.template

    def validate(self) -> None:
        if "@." not in self.template or not UNIT.fullmatch(self.template.replace("*", "")):
            raise ValueError("%r is not the name of a template unit" % self.template)

    def check(self, host: "System") -> Diff:
        others = self._others(host)
        for name in [name for name in host.ledger.data["units"] if self._is_other(name)]:
            if name not in others:
                # a run that died has removed it
                host.ledger.forget_unit(name)
        if not others:
            return Diff.none("no other instance runs")
        return Diff([Change("instance %s" % name, "running", "stopped") for name in others])

    def apply(self, host: "System", diff: Diff) -> None:
        names = [c.what.split(" ", 1)[1] for c in diff.changes]
        if self.after and not host.planned:
            self._wait()
        host.units.do("disable", *names)
        host.units.do("stop", *names)
        # failed instances would stay listed
        host.run(["systemctl", "reset-failed", *names])
        for name in names:
            host.ledger.forget_unit(name)
            if self._has_file(host, name):
                host.files.remove("%s/%s" % (UNIT_FOLDER, name))
                host.units.file_changed()

    def _wait(self) -> None:
        """Give the front's processes time to notice, then to end."""
        end = time.monotonic() + self.after
        time.sleep(min(self.after, NOTICED))
        while time.monotonic() < end and not (self.until_gone and not running(self.until_gone)):
            time.sleep(0.1)

    def _is_other(self, name: str) -> bool:
        """Return whether it is an instance of the template that is not to stay."""
        prefix, suffix = self.template.split("@", 1)
        before, _, instance = name.partition("@")
        is_one = fnmatch.fnmatchcase(before, prefix) and instance.endswith(suffix) and instance != suffix
        return is_one and instance[: -len(suffix)] not in self.keep

    def _others(self, host: "System") -> List[str]:
        found = {} if self.own_files else host.units.instances(self.template)
        names = {name for name, state in found.items() if state.active != "inactive"}
        # a name that systemd does not accept is not an instance of ours
        names.update(filter(UNIT.fullmatch, host.files.list(UNIT_FOLDER)))
        return sorted(filter(self._is_other, names))

    def _has_file(self, host: "System", name: str) -> bool:
        return host.files.stat("%s/%s" % (UNIT_FOLDER, name)) is not None


def running(title: str) -> bool:
    """Return whether a process has this title (proc(5), cmdline)."""
    return any(said_of(pid, "cmdline").startswith(title) for pid in pids())
