"""Old releases of an application go when newer ones have come. Shipped to hosts (Python 3.8)."""

import os
from typing import TYPE_CHECKING, List, Sequence, Set, Tuple

from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted

if TYPE_CHECKING:
    from provision.agent.system import System


@wanted()
class OldReleases(Step):
    """Of the releases in home/releases the newest stay, and the virtual environments that they use.

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
        found = [Change("old release", name, "") for name in releases]
        found += [Change("unused environment", name, "") for name in venvs]
        found += [Change("old instance", name, "") for name in self._links(host, releases)]
        return Diff(found) if found else Diff.none("%d at most" % self.keep)

    def apply(self, host: "System", diff: Diff) -> None:
        folders = {"old release": "releases", "unused environment": "venvs", "old instance": "instances"}
        for change in diff.changes:
            host.files.remove("%s/%s/%s" % (self.home, folders[change.what], change.before))

    def _old(self, host: "System") -> "Tuple[List[str], List[str]]":
        releases = "%s/releases" % self.home
        staying = self._with_targets(host, releases, {self.current})
        others = [name for name in host.files.list(releases) if name not in staying]
        others.sort(key=lambda name: self._age(host, "%s/%s/.venv" % (releases, name)))
        old = others[max(0, self.keep - 1) :]
        used = set()
        for name in [*staying, *(n for n in others if n not in old)]:
            link = host.files.stat("%s/%s/.venv" % (releases, name))
            if link is not None:
                used.add(os.path.basename(link.target))
        used = self._with_targets(host, "%s/venvs" % self.home, used)
        venvs = [name for name in host.files.list("%s/venvs" % self.home) if name not in used]
        return sorted(old), venvs

    def _with_targets(self, host: "System", folder: str, names: "Set[str]") -> "Set[str]":
        """These, and what they lead to, if somebody has moved one and put a link in its place."""
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
