"""Reboot the host and continue the run. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Dict, List, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Ref, Step, check_text, step, wanted

if TYPE_CHECKING:
    from provision.system.host import System

#: where Debian's packages record that they need a reboot, and which packages do (update-notifier)
REQUIRED = "/run/reboot-required"
PACKAGES = REQUIRED + ".pkgs"
#: needs-restarting(1), from dnf's utilities: with -r, it exits with 1 if a reboot is needed
NEEDS_RESTARTING = "/usr/bin/needs-restarting"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: the ledger's key for what the host last booted with
LEDGER = "reboot.target"
#: seconds until the reboot: the command returns at once, and the agent uses this time to report and to end
GRACE = "1s"


@wanted()
class Reboot(Step):
    """Reboot the host if it needs that, and continue with the next step once it is back.

        reboot.reboot(c)                                       # if installed packages ask for it
        reboot.reboot(c, on=[hugepages])                       # if that changed since the last boot
        reboot.reboot(c, "the firmware is loaded at boot only", when=[firmware])

    reason: why; given alone, the host reboots in every run.
    on: earlier steps whose state takes effect at boot only. The host records the state that it last booted
    with. If the state has changed since, a reboot is owed and is done, in this run or a later one.
    within: seconds until the host must be back, with a new boot id; after that the run ends as unreachable.
    Without any of these, the host reboots if /run/reboot-required exists, or `needs-restarting -r` asks for
    it. Later steps may refer to steps before the reboot: `restart_on=[conf]` means the same after it.
    Source: systemctl(1), needs-restarting(1).
    """

    reason: str = ""
    on: Sequence[Ref] = ()
    within: float = 600.0

    def label(self) -> str:
        return "reboot"

    def validate(self) -> None:
        if self.reason:
            check_text(self.reason, "reason")
        if isinstance(self.within, bool) or not isinstance(self.within, (int, float)) or self.within < 10:
            raise ValueError("within must be 10 seconds or more, not %r" % (self.within,))
        if not all(isinstance(each, Ref) for each in self.on):
            raise ValueError("on must be a list of outcomes of earlier steps")

    def check(self, host: "System") -> Diff:
        if host.facts.get("init") != "systemd":
            raise StepError("this host cannot be rebooted by prov: its init is %s" % host.facts.get("init"))
        if self.on:
            due = self._owed(host)
            why = "%s: changed since the last boot: %s" % (self.reason, ", ".join(due))
            return (
                Diff([Change("reboot", "", why.lstrip(": "))]) if due else Diff.none("has booted with these")
            )
        if self.when or self.reason:
            labels = ", ".join(each.label for each in self.when if each.changed)
            return Diff([Change("reboot", "", self.reason or "changed: " + labels)])
        asked = required(host)
        return Diff([Change("reboot", "", asked)]) if asked else Diff.none("nothing asks for a reboot")

    def apply(self, host: "System", diff: Diff) -> None:
        if self.on:
            # stays owed as long as the host has not booted
            state = {**self._before(host), **self._inputs(), BOOT_ID: "" if host.planned else boot_id(host)}
            host.ledger.remember_unit(LEDGER, state)
        if host.planned:
            self._foresee(host)
            return
        host.units.settle()
        host.ledger.save()
        argv = ("systemd-run", "--on-active=" + GRACE, "--timer-property=AccuracySec=50ms")
        host.run((*argv, "systemctl", "reboot")).require("having the host reboot")
        host.rebooting = self.within

    def _foresee(self, host: "System") -> None:
        from provision.system.planned.planned_units import PlannedUnits

        if host.files.exists(REQUIRED):
            host.files.remove(REQUIRED)
        assert isinstance(host.units, PlannedUnits)
        host.units.boot()

    def _before(self, host: "System") -> Dict[str, str]:
        found: Dict[str, str] = host.ledger.unit(LEDGER).get("inputs", {})
        return found

    def _inputs(self) -> Dict[str, str]:
        return {each.label: each.fingerprint for each in self.on}

    def _owed(self, host: "System") -> List[str]:
        """Return the labels of the steps whose state the host has not booted with."""
        before = self._before(host)
        if before.get(BOOT_ID) == boot_id(host):
            return [each.label for each in self.on]
        # without a recorded boot, the host may have booted with this state before all runs, unless a step has
        # changed the state since
        known = {label: state for label, state in self._inputs().items() if label in before}
        due = [
            each.label
            for each in self.on
            if (
                known[each.label] != before[each.label]
                if each.label in known
                else each.changed or host.ledger.may_have_changed(each.label)
            )
        ]
        if not due:
            host.ledger.remember_unit(LEDGER, {**before, **self._inputs()})
        return due


reboot = step(Reboot)


def boot_id(host: "System") -> str:
    """Return the boot id, which changes with each boot (random(4))."""
    return host.files.read(BOOT_ID).decode().strip()


def required(host: "System") -> str:
    """Return why the host asks for a reboot; "" if it does not."""
    if host.files.exists(REQUIRED):
        names = host.files.read(PACKAGES).decode().split() if host.files.exists(PACKAGES) else []
        return "required by " + (", ".join(sorted(set(names))) or REQUIRED)
    if host.files.exists(NEEDS_RESTARTING) and host.ask((NEEDS_RESTARTING, "-r")).status == 1:
        return "required by updates, says needs-restarting"
    return ""
