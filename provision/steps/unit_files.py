"""Unit files and drop-ins. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple, Union

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, listed, wanted
from provision.steps.files import File
from provision.steps.support.enabling import set_enabled
from provision.steps.support.file_changes import keep_source
from provision.steps.support.unit_judging import (
    RUNTIME_FOLDER,
    UNIT_FOLDER,
    check_drop_in_name,
    check_file,
    check_unit_name,
    full_name,
    put_file,
    some_instance,
)
from provision.system.source import Source
from provision.system.unit_state import ENABLED

if TYPE_CHECKING:
    from provision.system.host import System

Text = Union[str, bytes, Secret, Source]


@wanted()
class Unit(Step):
    """A unit file in /etc/systemd/system, judged by `systemd-analyze verify` before it is put in place.

        systemd.unit(c, "shop.service", "[Service]\\nExecStart=/usr/bin/shop\\n")

    name: with its type: "shop.service", or "shop@.service" for a template.  content: text, a Secret or a
    Source. Warnings of systemd-analyze are shown with the step; a unit that systemd would refuse is not put
    in place. systemd reloads its files before the next command to it: one daemon-reload for several files.
    Source: systemd.unit(5), systemd-analyze(1).
    """

    name: str
    content: Text

    def __post_init__(self) -> None:
        keep_source(self)

    def label(self) -> str:
        return "unit file %s" % self.name

    def units(self) -> "Tuple[str, ...]":
        return (some_instance(self.name),)

    def validate(self) -> None:
        check_unit_name(self.name)
        self._file().validate()

    def check(self, host: "System") -> Diff:
        return check_file(host, self._file(), self.name)

    def apply(self, host: "System", diff: Diff) -> None:
        self.scratch["why"] = put_file(host, self._file(), self.name, diff)

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _file(self) -> File:
        return File("%s/%s" % (UNIT_FOLDER, self.name), self.content, mode=0o644)


@wanted()
class DropIn(Step):
    """Settings of a unit in a file of their own, which override those of its package.

        limits = systemd.drop_in(c, "nginx", "limits", "[Service]\\nLimitNOFILE=65536\\n")
        systemd.service(c, "nginx", restart_on=[limits])

    unit: the unit to change; ".service" is added if it has no type.  name: of the file, ".conf" is added.
    content: text, a Secret or a Source; None removes the file, and its directory if it is then empty.
    `systemd-analyze verify` judges the unit with all its drop-ins before the file is put in place.
    Source: systemd.unit(5), "drop-in".
    """

    unit: str
    name: str
    content: Optional[Text]

    def __post_init__(self) -> None:
        if self.content is not None:
            keep_source(self)

    def label(self) -> str:
        return "drop-in %s of %s" % (self.name, full_name(self.unit))

    def units(self) -> "Tuple[str, ...]":
        return (some_instance(full_name(self.unit)),)

    def validate(self) -> None:
        check_unit_name(full_name(self.unit))
        check_drop_in_name(self.name)
        if self.content is not None:
            self._file(self.content).validate()

    def check(self, host: "System") -> Diff:
        if self.content is not None:
            return check_file(host, self._file(self.content), full_name(self.unit))
        if host.files.stat(self._path()) is None:
            return Diff.none("is absent")
        return Diff([Change("removed", self._path(), "")])

    def apply(self, host: "System", diff: Diff) -> None:
        if self.content is not None:
            self.scratch["why"] = put_file(host, self._file(self.content), full_name(self.unit), diff)
            return
        host.files.remove(self._path())
        folder = self._path().rsplit("/", 1)[0]
        if not host.files.list(folder):
            host.files.remove(folder)
        host.units.file_changed()

    def fingerprint(self, host: "System") -> str:
        return self._file(self.content or "").fingerprint(host)

    def _path(self) -> str:
        return "%s/%s.d/%s.conf" % (UNIT_FOLDER, full_name(self.unit), self.name)

    def _file(self, content: Text) -> File:
        return File(self._path(), content, mode=0o644)


#: folders of links to units that a unit starts (systemd.unit(5))
STARTING = (".wants", ".requires", ".upholds")


def target_of(host: "System", path: str) -> str:
    """Return a link's target; "" for anything else."""
    now = host.files.stat(path)
    return now.target if now is not None else ""


def stop(host: "System", names: Sequence[str]) -> None:
    """Stop units in this order, and check that none of them runs. Raises StepError."""
    for name in names:
        host.units.do("stop", name)
    left = [name for name in names if host.units.state(name).running]
    if left:
        raise StepError(
            "started again after it was stopped: %s" % listed(left),
            hint="Find what starts it (systemctl list-dependencies --reverse), stop that, and run again.",
        )


@wanted()
class NoUnit(Step):
    """Remove a unit file from /etc/systemd/system, with its drop-ins; first stop and disable the unit.

        systemd.no_unit(c, "old-shop")

    unit: ".service" is added if it has no type. For a template, this includes all instances, with their own
    files and drop-ins and the links that start them at boot. A socket, timer or path that would start it
    again is stopped first.
    drop_ins: False leaves existing drop-ins.
    A file from a package stays: mask the unit, or remove the package.
    """

    unit: str
    drop_ins: bool = True

    DEADLINE = 180.0

    def label(self) -> str:
        return "no unit file %s" % full_name(self.unit)

    def units(self) -> "Tuple[str, ...]":
        return (some_instance(full_name(self.unit)),)

    def validate(self) -> None:
        check_unit_name(full_name(self.unit))

    def check(self, host: "System") -> Diff:
        paths = [path for path in self._paths() if host.files.stat(path) is not None]
        paths += self._of_instances(host, paths)
        found: List[Change] = []
        if paths:
            found += [Change("running %s" % name, "active", "inactive") for name in self.running(host)]
            found += [Change("enabled", "yes", "no")] if self._enabled(host) else []
            found += [Change("removed", path, "") for path in paths]
        return Diff(found) if found else Diff.none("there is none in %s" % UNIT_FOLDER)

    def apply(self, host: "System", diff: Diff) -> None:
        running = [c.what.split(" ", 1)[1] for c in diff.changes if c.what.startswith("running ")]
        own = [name for name in running if self._is_one(name)]
        stop(host, running)
        if any(c.what == "enabled" for c in diff.changes):
            set_enabled(host, host.units, full_name(self.unit), False)
        for change in diff.changes:
            if change.what == "removed":
                host.files.remove(change.before)
        host.units.file_changed()
        for name in {*own, full_name(self.unit)}:
            host.ledger.forget_unit(name)
        if own:
            # a failed unit would stay listed; systemd forgets one that did not fail, which is fine
            host.run(("systemctl", "reset-failed", *own))

    def fingerprint(self, host: "System") -> str:
        return "absent" if all(host.files.stat(path) is None for path in self._paths()) else "present"

    def _paths(self) -> List[str]:
        path = "%s/%s" % (UNIT_FOLDER, full_name(self.unit))
        return [path, path + ".d"] if self.drop_ins else [path]

    def _of_instances(self, host: "System", paths: List[str]) -> List[str]:
        """Return what a template's instances have: files, drop-ins, and links that start them at boot."""
        name = full_name(self.unit)
        if "@." not in name or not (paths or host.units.state(some_instance(name)).load == "not-found"):
            # a template from a package
            return []
        found = []
        for folder in (UNIT_FOLDER, RUNTIME_FOLDER):
            for each in host.files.list(folder) if host.files.exists(folder) else ():
                path = "%s/%s" % (folder, each)
                if each.endswith(STARTING):
                    found += [
                        "%s/%s" % (path, other) for other in host.files.list(path) if self._is_one(other)
                    ]
                elif each != name and self._is_one(
                    each[:-2] if self.drop_ins and each.endswith(".d") else each
                ):
                    found.append(path)
        # a mask keeps the unit from running: the administrator decided that
        return [path for path in found if path not in paths and target_of(host, path) != "/dev/null"]

    def _is_one(self, name: str) -> bool:
        """Return whether a unit is the one to remove, or an instance of it."""
        beginning, _, ending = full_name(self.unit).partition("@")
        return name == full_name(self.unit) or (
            ending.startswith(".") and name.startswith(beginning + "@") and name.endswith(ending)
        )

    def running(self, host: "System") -> List[str]:
        """Return what to stop: first what would start the unit again."""
        name = full_name(self.unit)
        names = host.units.instances(name) if "@." in name else [name]
        own = sorted(each for each in names if host.units.state(each).running)
        triggers = {other for each in names for other in host.units.state(each).triggered_by}
        return [*sorted(other for other in triggers if host.units.state(other).running), *own]

    def _enabled(self, host: "System") -> bool:
        name = full_name(self.unit)
        return "@." not in name and host.units.state(name).enabled in ENABLED
