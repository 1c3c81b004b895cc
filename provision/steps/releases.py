"""Old releases of an application go when newer ones have come. Shipped to hosts (Python 3.8)."""

import os
from typing import TYPE_CHECKING, List, Sequence, Set, Tuple

from provision.steps.base import Change, Diff, Step, check_path, check_text, listed, step, wanted
from provision.system.memory.removal import parts, take_away

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class OldReleases(Step):
    """Of the releases in home/releases the newest stay, and the virtual environments that they use. What others have
    put into an old one stays, and is named.

    home: such as /srv/shop.  keep: how many stay.  current: name of the one in service, which always does.
    A release is as new as the link to its environment (`.venv`), which is made when it is.
    """

    home: str
    current: str
    keep: int = 3

    DEADLINE = 300.0

    def label(self) -> str:
        return "old releases in %s" % self.home

    def validate(self) -> None:
        check_path(self.home, "home")
        check_text(self.current, "current")
        if "/" in self.current:
            raise ValueError("current must be the name of a release, not %r" % self.current)
        if self.keep < 1:
            raise ValueError("keep must be at least 1")

    def check(self, host: "System") -> Diff:
        for folder in ("releases", "venvs", "instances"):
            host.files.look_after("%s/%s" % (self.home, folder))
        releases, venvs = self._old(host)
        others: List[str] = []
        found = [Change("old release", name, "") for name in self._ours(host, "releases", releases, others)]
        found += [Change("unused environment", name, "") for name in self._ours(host, "venvs", venvs, others)]
        found += [Change("old instance", name, "") for name in self._links(host, releases)]
        why = "kept, as there is something else in it: %s" % listed(sorted(others), most=20) if others else ""
        return Diff(found, why) if found else Diff.none(why or "%d at most" % self.keep)

    def apply(self, host: "System", diff: Diff) -> None:
        folders = {"old release": "releases", "unused environment": "venvs", "old instance": "instances"}
        for change in diff.changes:
            path = "%s/%s/%s" % (self.home, folders[change.what], change.before)
            if change.what == "old instance":
                host.files.remove(path)
            else:
                take_away(host, path)

    def _ours(self, host: "System", folder: str, names: Sequence[str], others: List[str]) -> List[str]:
        """Those in which there is something that prov has made. others: takes what someone else has put there."""
        found = []
        for name in names:
            ours, foreign = parts(host, "%s/%s/%s" % (self.home, folder, name))
            others += foreign
            found += [name] if ours else []
        return found

    def _old(self, host: "System") -> "Tuple[List[str], List[str]]":
        releases = "%s/releases" % self.home
        staying = self._with_targets(host, releases, {self.current})
        made = host.ledger.data["made"]
        names = [name for name in host.files.list(releases) if "path %s/%s" % (releases, name) in made]
        others = [name for name in names if name not in staying]
        others.sort(key=lambda name: self._age(host, "%s/%s/.venv" % (releases, name)))
        old = others[max(0, self.keep - 1) :]
        used = set()
        for name in [*staying, *(n for n in others if n not in old)]:
            link = host.files.stat("%s/%s/.venv" % (releases, name))
            if link is not None:
                used.add(os.path.basename(link.target))
        used = self._with_targets(host, "%s/venvs" % self.home, used)
        names = host.files.list("%s/venvs" % self.home)
        venvs = [n for n in names if n not in used and "path %s/venvs/%s" % (self.home, n) in made]
        return sorted(old), venvs

    def _with_targets(self, host: "System", folder: str, names: "Set[str]") -> "Set[str]":
        """These, and what they lead to, if someone has moved one and put a link in its place."""
        links = [host.files.stat("%s/%s" % (folder, name)) for name in names]
        return names | {os.path.basename(link.target) for link in links if link is not None and link.target}

    def _links(self, host: "System", gone: Sequence[str]) -> List[str]:
        """Links of instances whose release is gone, or goes."""
        folder = "%s/instances" % self.home
        found = []
        for name in host.files.list(folder):
            link = host.files.stat("%s/%s" % (folder, name))
            target = os.path.basename(link.target) if link is not None else ""
            if target in gone or host.files.stat("%s/releases/%s" % (self.home, target)) is None:
                found.append(name)
        return found

    def _age(self, host: "System", path: str) -> float:
        """Newest first; what has no link was never finished, and is oldest."""
        made = host.files.made(path)
        return -made


old_releases = step(OldReleases)
