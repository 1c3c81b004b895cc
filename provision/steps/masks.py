"""Units that nothing can start, and the target that a host boots into. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, wanted
from provision.steps.support.unit_judging import (
    UNIT_FOLDER,
    check_unit_name,
    full_name,
    some_instance,
    unmask,
)

if TYPE_CHECKING:
    from provision.system.host import System

DEFAULT = UNIT_FOLDER + "/default.target"


@wanted()
class Masked(Step):
    """A unit that nothing can start, not even by hand; also before the package that brings it is installed.

        systemd.masked(c, "apt-daily.timer")
        systemd.masked(c, "apt-daily.timer", masked=False)

    unit: ".service" is added if it has no type.  masked: False removes the mask; it does not start the unit.
    Source: systemctl(1), "mask".
    """

    unit: str
    masked: bool = True

    DEADLINE = 180.0

    def label(self) -> str:
        return "mask of %s" % full_name(self.unit)

    def units(self) -> "Tuple[str, ...]":
        return (some_instance(full_name(self.unit)),)

    def validate(self) -> None:
        check_unit_name(full_name(self.unit))

    def check(self, host: "System") -> Diff:
        name = full_name(self.unit)
        state = host.units.state(some_instance(name))
        # a mask until the next boot is less than one, and more than none
        until_boot = state.enabled == "masked-runtime"
        if (state.load == "masked") != self.masked or (until_boot and self.masked):
            own = host.files.stat("%s/%s" % (UNIT_FOLDER, name))
            if self.masked and own is not None and own.kind == "file":
                raise StepError(
                    "%s has a file of its own in %s, which a mask would replace" % (name, UNIT_FOLDER),
                    hint="Add systemd.no_unit before this step.",
                )
            now = "until the next boot" if until_boot else "yes" if state.load == "masked" else "no"
            found = [Change("masked", now, "yes" if self.masked else "no")]
        else:
            found = []
        if self.masked and state.running:
            found.append(Change("running", state.active, "inactive"))
        return Diff(found) if found else Diff.none("is masked" if self.masked else "is not masked")

    def apply(self, host: "System", diff: Diff) -> None:
        name = full_name(self.unit)
        what = {c.what for c in diff.changes}
        if "running" in what:
            host.units.do("stop", name)
        if "masked" in what and self.masked:
            host.units.do("mask", name)
        elif "masked" in what:
            unmask(host, host.units, name)

    def fingerprint(self, host: "System") -> str:
        return host.units.state(some_instance(full_name(self.unit))).load


@wanted()
class DefaultTarget(Step):
    """The target that the host boots into: "multi-user", "graphical", "rescue"... The running system does not
    change.

        systemd.default_target(c, "multi-user")

    name: ".target" is added if it is missing.  Source: systemctl(1), "set-default".
    """

    name: str

    @property
    def target(self) -> str:
        return self.name if self.name.endswith(".target") else self.name + ".target"

    def label(self) -> str:
        return "default target %s" % self.target

    def units(self) -> "Tuple[str, ...]":
        return (self.target,)

    def validate(self) -> None:
        check_unit_name(self.target)
        if self.target == "default.target":
            raise ValueError("default.target can't be its own default")

    def check(self, host: "System") -> Diff:
        if not host.units.state(self.target).fragment:
            raise StepError("the host has no unit %s" % self.target)
        now = self._now(host)
        return (
            Diff.none("is the default") if now == self.target else Diff([Change("target", now, self.target)])
        )

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.link(DEFAULT, host.units.state(self.target).fragment)
        host.units.file_changed()

    def fingerprint(self, host: "System") -> str:
        return self._now(host)

    def _now(self, host: "System") -> str:
        for folder in (UNIT_FOLDER, "/lib/systemd/system", "/usr/lib/systemd/system"):
            now = host.files.stat(folder + "/default.target")
            if now is not None:
                return now.target.rsplit("/", 1)[-1]
        return ""
