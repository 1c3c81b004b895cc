"""Releases that did not come into service. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
from typing import TYPE_CHECKING, List, Sequence

from provision.steps.base import Change, Diff, step, wanted
from provision.steps.support.named_releases import NamedRelease
from provision.steps.support.unit_judging import UNIT_FOLDER
from provision.steps.unit_files import NoUnit
from provision.system.memory.former_states import FormerStates
from provision.system.memory.past_runs import Runs
from provision.system.memory.removal import parts, take_away

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class FailedRelease(NamedRelease):
    """Remove a release that this run has made and that did not come into service, as one to go back to it is not.

    It stays if the link `current` leads to it, if an instance of it runs, or if it is older than this run. So do
    files that others put into it. Its instances' units go as well.
    """

    DEADLINE = 300.0

    def label(self) -> str:
        return "failed release %s in %s" % (self.name, self.home)

    def check(self, host: "System") -> Diff:
        path = "%s/releases/%s" % (self.home, self.name)
        if host.files.stat(path) is None or not self._is_new(host, path):
            return Diff.none("this run has made no such release")
        if self.in_service(host):
            return Diff.none("is in service")
        links = self._links(host)
        if links and self._runs(host, [os.path.basename(link) for link in links]):
            return Diff.none("an instance of it runs")
        found = [Change("failed release", self.name, "")] if parts(host, path).ours else []
        found += [Change("its unit", unit, "") for link in links for unit in units_of(host, link)]
        found += [Change("its instance", link, "") for link in links]
        return Diff(found) if found else Diff.none("others have put files into it")

    def apply(self, host: "System", diff: Diff) -> None:
        for change in diff.changes:
            if change.what == "its instance":
                host.files.remove(change.before)
            elif change.what == "its unit":
                gone = NoUnit(change.before, drop_ins=False)
                gone.apply(host, gone.check(host))
            else:
                take_away(host, "%s/releases/%s" % (self.home, change.before))

    def _is_new(self, host: "System", path: str) -> bool:
        """Return whether the release did not exist before this run."""
        record = host.ledger.record
        if record is None or not record.id:
            return False
        former = FormerStates(Runs(host.ledger.home), record.id).paths.get(path)
        return former is not None and former["was"]["kind"] == "absent"

    def _runs(self, host: "System", names: Sequence[str]) -> bool:
        """Return whether one of these instances runs."""
        template = "app-%s@.service" % os.path.basename(self.home)
        running = [unit for unit, state in host.units.instances(template).items() if state.running]
        return any(unit.partition("@")[2].rpartition(".")[0] in names for unit in running)

    def _links(self, host: "System") -> List[str]:
        """Return the links by which instances find the release."""
        folder = "%s/instances" % self.home
        found = []
        for name in host.files.list(folder):
            link = host.files.stat("%s/%s" % (folder, name))
            if link is not None and link.kind == "link" and os.path.basename(link.target) == self.name:
                found.append("%s/%s" % (folder, name))
        return found


def units_of(host: "System", link: str) -> List[str]:
    """Return the units of an instance that have files of their own: web processes, sockets and other processes."""
    beginning = "app-%s" % link.split("/")[-3]
    instance = re.compile(r"@%s(-\d+)?\.(service|socket)\Z" % re.escape(os.path.basename(link)))
    names = host.files.list(UNIT_FOLDER) if host.files.exists(UNIT_FOLDER) else []
    return [
        name
        for name in names
        if name.startswith((beginning + "@", beginning + "_")) and instance.search(name)
    ]


failed_release = step(FailedRelease)
