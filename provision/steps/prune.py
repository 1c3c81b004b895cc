"""Remove what the inventory no longer declares. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Dict, List, NamedTuple, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, listed, step, wanted
from provision.steps.files import Absent
from provision.steps.groups import NoGroup
from provision.steps.support.unit_judging import UNIT, UNIT_FOLDER
from provision.steps.unit_files import NoUnit, stop
from provision.steps.users import NoUser
from provision.system.front_reload import DRAIN, await_quiet, renew
from provision.system.memory.undeclared import Thing, undeclared
from provision.system.units import TRIGGERS

if TYPE_CHECKING:
    from provision.system.host import System


class RemovalOrder(NamedTuple):
    """The order of a removal (decision D16): each part is removed once the previous part is gone.

    readers: units that stay but read something that is removed, with what they read.  front: steps for what
    they read.  units: steps for units.
    files, accounts: steps for the rest.
    """

    readers: Dict[str, List[str]]
    front: List[Step]
    units: List[NoUnit]
    files: List[Step]
    accounts: List[Step]

    @property
    def steps(self) -> Sequence[Step]:
        return (*self.units, *self.files, *self.accounts)


@wanted()
class Emptied(Step):
    """A folder that prov filled, emptied of what prov put there. Files of other origin stay.

    path: of the folder.  ours: paths to remove, each before its parent folder.  stays: whether the folder
    itself stays.
    """

    path: str
    ours: Sequence[str]
    stays: bool

    def label(self) -> str:
        return "folder %s" % self.path

    def check(self, host: "System") -> Diff:
        left = [path for path in self.ours if host.files.stat(path) is not None]
        what = "what prov has put there" if self.stays else "directory"
        return Diff([Change("removed", what, "")] if left else [])

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.remove_each(self.path, self.ours)


@wanted()
class Prune(Step):
    """Remove what prov made and no step of this run declares: units, files, folders, users and groups.

    The last step of a whole run; it refuses to work after a step that failed or was skipped. What existed
    before prov came stays. So do folders that hold something else, such as an application's data; the step
    names them. It works from the outside in. First it removes what a front or another unit that stays has
    read, and reloads that unit. Then it stops sockets and timers, then services. Then it removes files, then
    users and groups. If the step could not do a reload, it records the reload, and the next run does it.
    """

    DEADLINE = 300.0

    def label(self) -> str:
        return "what is no longer declared"

    def check(self, host: "System") -> Diff:
        if host.unsettled:
            raise StepError(
                "nothing was pruned, as not every step was done: %s" % listed(host.unsettled),
                hint="What is declared can only be told from a run in which every step succeeds.",
            )
        found = self.found(host)
        stays = [thing.name for thing in self._things(host) if thing.stays]
        why = "kept, as there is something else in it: %s" % listed(stays, most=20) if stays else ""
        return Diff(found, why) if found else Diff.none(why or "all that was made is declared")

    def found(self, host: "System") -> List[Change]:
        """Return what is to be removed, and which units are to read what has changed."""
        # once for all: each of the steps that remove things reads this list
        self.scratch.setdefault("looked", host.files.looked | host.accounts.looked)
        order = self._order(host, self._things(host))
        found = [self._named(each, change) for each in order.front for change in each.check(host).changes]
        found += [Change("unit %s" % unit, "", "reloaded") for unit in order.readers]
        found += [
            self._named(each, change) for each in order.steps for change in foreseen(host, each).changes
        ]
        return list(dict.fromkeys(found))

    def apply(self, host: "System", diff: Diff) -> None:
        order = self._order(host, self._things(host))
        for unit, names in order.readers.items():
            host.ledger.owe(unit, listed(names))
        self._act(host, order.front)
        for unit in order.readers:
            if host.ledger.unit(unit).get("renews"):
                renew(host.units, unit, planned=host.planned)
            else:
                host.units.do("reload-or-restart", unit)
            host.ledger.paid(unit)
        self._stop(host, order.units)
        self._act(host, order.steps)

    def _act(self, host: "System", steps: Sequence[Step]) -> None:
        for each in steps:
            found = each.check(host)
            if found:
                each.apply(host, found)

    def _stop(self, host: "System", steps: Sequence[NoUnit]) -> None:
        """Stop the units that go: first those that start others, then the rest once clients are gone."""
        names = list(dict.fromkeys(name for each in steps for name in each.running(host)))
        paths = [path for name in names for path in host.units.state(name).listens]
        if paths and not host.planned:
            await_quiet(paths, DRAIN)
        stop(host, sorted(names, key=lambda name: not name.endswith(TRIGGERS)))
        if names:
            # a failed unit would stay listed; for one that did not fail, systemd no longer knows it, which is
            # fine
            host.run(("systemctl", "reset-failed", *names))

    def _things(self, host: "System") -> List[Thing]:
        return undeclared(host, self.scratch.get("looked"))

    def _order(self, host: "System", things: List[Thing]) -> RemovalOrder:
        """Return the ordinary steps that do the removal."""
        readers = self._readers(host, things)
        order = RemovalOrder(readers, [], [], [], [])
        for thing in things:
            folder, name = thing.name.rsplit("/", 1) if "/" in thing.name else ("", thing.name)
            part = order.front if set(thing.feeds) & set(readers) else order.files
            if thing.whole and thing.ours:
                part.append(Emptied(thing.name, thing.ours, thing.stays))
            elif thing.stays:
                continue
            elif thing.kind == "user":
                order.accounts.append(NoUser(thing.name))
            elif thing.kind == "group":
                order.accounts.append(NoGroup(thing.name))
            elif folder == UNIT_FOLDER and thing.kind == "file" and UNIT.match(name):
                order.units.append(NoUnit(name, drop_ins=False))
            else:
                part.append(Absent(thing.name))
        order.units.sort(key=lambda each: not each.unit.endswith(TRIGGERS))
        return order

    def _readers(self, host: "System", things: List[Thing]) -> Dict[str, List[str]]:
        """Return units that stay, but run with something that is removed now or was removed before."""
        gone = {thing.name.rsplit("/", 1)[-1] for thing in things}
        found: Dict[str, List[str]] = {}
        for unit, entry in host.ledger.data["units"].items():
            if entry.get("owes"):
                found[unit] = [entry["owes"]]
        for thing in things:
            for unit in () if thing.stays else thing.feeds:
                found.setdefault(unit, []).append(thing.name)
        # a user's own units, and what a reboot puts in use, are recorded as well, under other names
        names = sorted(name for name in found if name not in gone and UNIT.fullmatch(name))
        return {name: found[name] for name in names if host.units.state(name).running}

    def _named(self, each: Step, change: Change) -> Change:
        """Return a change of one of the steps, worded so that it names what it changes."""
        subject = each.label().split(" ", 1)[1]
        return (
            change if subject in " ".join(change) else change._replace(what="%s: %s" % (subject, change.what))
        )


def foreseen(host: "System", each: Step) -> Diff:
    """Foresee what a step will find once the units that go have stopped: then no process of a user runs."""
    return each.differences(host) if isinstance(each, NoUser) else each.check(host)


prune = step(Prune)
