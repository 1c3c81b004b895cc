"""What the inventory no longer declares goes. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, List

from provision.agent.undeclared import Thing, undeclared
from provision.steps.base import Change, Diff, Step, listed, step, wanted
from provision.steps.files import Absent
from provision.steps.groups import NoGroup
from provision.steps.unit_files import NoUnit
from provision.steps.unit_judging import UNIT, UNIT_FOLDER
from provision.steps.users import NoUser

if TYPE_CHECKING:
    from provision.agent.system import System


@wanted()
class Prune(Step):
    """What prov has made on the host and no step of this run was about goes: units, files, folders, users, groups.

    The last step of a whole run. What was there before prov came stays, and so do folders in which there is something
    else, such as an application's data; they are named. Units that have read what goes are reloaded.
    """

    DEADLINE = 300.0

    def label(self) -> str:
        return "what is no longer declared"

    def check(self, host: "System") -> Diff:
        if not hasattr(self, "_looked"):
            # the steps that remove things will look at them
            object.__setattr__(self, "_looked", host.files.looked | host.accounts.looked)
        things = self._things(host)
        stays = [thing.name for thing in things if thing.stays]
        found: List[Change] = []
        for each in self._steps(things):
            found += [self._named(each, change) for change in each.check(host).changes]
        found += [Change("unit %s" % unit, "", "reloaded") for unit in self._readers(host, things)]
        why = "kept, as there is something else in it: %s" % listed(stays, most=20) if stays else ""
        return Diff(found, why) if found else Diff.none(why or "all that was made is declared")

    def apply(self, host: "System", diff: Diff) -> None:
        things = self._things(host)
        readers = self._readers(host, things)
        for each in self._steps(things):
            found = each.check(host)
            if found:
                each.apply(host, found)
        for unit in readers:
            host.units.do("reload-or-restart", unit)

    def _things(self, host: "System") -> List[Thing]:
        return undeclared(host, getattr(self, "_looked", None))

    def _steps(self, things: List[Thing]) -> List[Step]:
        """The ordinary steps by which things go: units first, as they use the rest."""
        units: List[Step] = []
        others: List[Step] = []
        for thing in things:
            folder, name = thing.name.rsplit("/", 1) if "/" in thing.name else ("", thing.name)
            if thing.stays:
                continue
            if thing.kind == "user":
                others.append(NoUser(thing.name))
            elif thing.kind == "group":
                others.append(NoGroup(thing.name))
            elif folder == UNIT_FOLDER and thing.kind == "file" and UNIT.match(name):
                units.append(NoUnit(name))
            else:
                others.append(Absent(thing.name))
        return units + others

    def _readers(self, host: "System", things: List[Thing]) -> List[str]:
        """Units that run with something that goes, and stay themselves."""
        gone = {thing.name.rsplit("/", 1)[-1] for thing in things}
        units = {unit for thing in things if not thing.stays for unit in thing.feeds} - gone
        return sorted(unit for unit in units if host.units.state(unit).running)

    def _named(self, each: Step, change: Change) -> Change:
        """A change of one of the steps, such that it says what it is about."""
        subject = each.label().split(" ", 1)[1]
        return (
            change if subject in " ".join(change) else change._replace(what="%s: %s" % (subject, change.what))
        )


prune = step(Prune)
