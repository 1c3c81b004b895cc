"""Releases that are built ahead, by `prov deploy --dry-build`. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING

from provision.steps.base import Change, Diff, step, wanted
from provision.steps.releases import BUILT, is_built
from provision.steps.support.named_releases import NamedRelease
from provision.system.memory.records import Damaged
from provision.system.memory.release_book import read_book

if TYPE_CHECKING:
    from provision.system.host import System

#: in the outcome's stdout: the release is the one in service
LIVE = "live"


@wanted()
class BuiltRelease(NamedRelease):
    """A release that is complete and checked, marked as one that has not been in service until it is. In the outcome's
    stdout is LIVE if it is in service."""

    def label(self) -> str:
        return "built release %s in %s" % (self.name, self.home)

    def check(self, host: "System") -> Diff:
        if self.in_service(host):
            self.scratch["stdout"] = LIVE
            return Diff.none("is in service")
        if self._was_served(host):
            return Diff.none("has been in service")
        if is_built(host, self.home, self.name):
            return Diff.none("is built")
        return Diff([Change("release", "", "built, not in service")])

    def apply(self, host: "System", diff: Diff) -> None:
        path = "%s/releases/%s/%s" % (self.home, self.name, BUILT)
        host.files.write(path, b"", 0o644, *host.owner("root", "root"))

    def _was_served(self, host: "System") -> bool:
        try:
            book = read_book(host, self.home)
        except Damaged:
            # nothing can be read from it: the release in service begins a new one
            return False
        return any(entry["release"] == self.name for entry in book["instances"].values())


built_release = step(BuiltRelease)
