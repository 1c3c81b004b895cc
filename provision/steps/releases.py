"""Releases of an application: which one is in service, and the old ones. Shipped to hosts (Python 3.8)."""

import os
from typing import TYPE_CHECKING, Dict, List, Sequence, Set, Tuple

from provision.steps.base import Change, Diff, Step, check_path, check_text, listed, step, wanted
from provision.steps.files import Link
from provision.system.memory.removal import parts, take_away

if TYPE_CHECKING:
    from provision.system.host import System


#: the file of a release, below its folder, with the commit that it was made from
COMMIT = ".prov/commit"
#: the file that marks one as built ahead: it has not been in service (assets.py has a mark of its own)
BUILT = ".prov/built-ahead"


@wanted()
class Current(Link):
    """The link to the release in service, such as /srv/shop/current.

    commit: of the application's source, such as "9c01f3e77aab, modified"; "" if that is not known. The release keeps
    it, so that the outcome's `why` names the former one as well.
    """

    commit: str = ""

    #: fields that are not wanted state: with another value in them, a saved plan still holds
    NOTES = ("commit",)

    def validate(self) -> None:
        super().validate()
        if self.commit:
            check_text(self.commit, "commit")

    def check(self, host: "System") -> Diff:
        diff = super().check(host)
        if not diff:
            return diff
        now = host.files.stat(self.path)
        before = self._noted(host, now.target) if now is not None and now.kind == "link" else ""
        after = short(self.commit) or self._noted(host, self.target)
        if before and after and before != after:
            return diff._replace(why="commit %s -> %s" % (before, after))
        return diff._replace(why="commit %s" % after if after else "")

    def apply(self, host: "System", diff: Diff) -> None:
        super().apply(host, diff)
        path = self._file(self.target)
        mark = "%s/%s" % (os.path.dirname(path), os.path.basename(BUILT))
        if host.files.stat(mark) is not None:
            host.files.remove(mark)
        if self.commit and host.files.exists(os.path.dirname(path)):
            host.files.write(path, (self.commit + "\n").encode(), 0o644, *host.owner("root", "root"))

    def _file(self, target: str) -> str:
        """Return where a release has its commit. target: of the link to it."""
        return "%s/%s/%s" % (os.path.dirname(self.path), target, COMMIT)

    def _noted(self, host: "System", target: str) -> str:
        """Return the commit that a release keeps; "" if it keeps none. target: of the link to it."""
        path = self._file(target)
        found = host.files.stat(path)
        if found is None or found.kind != "file" or found.size > 200:
            return ""
        return short(host.files.read(path).decode("utf-8", "replace").strip())


def short(commit: str) -> str:
    """Return a commit with the digits that people read: "9c01f3e, modified"."""
    digits, comma, rest = commit.partition(",")
    return digits[:7] + comma + rest


@wanted()
class OldReleases(Step):
    """Keep the newest releases in home/releases and the virtual environments that they use. Files that others
    put into an old release stay, and the step names them.

    home: such as /srv/shop.  keep: how many stay.  current: name of the release in service, or of the one that is
    built, which always stay. The age of a release is that of the link to its environment (`.venv`), which is made
    together with the release. The latest of those that were built and have not been in service stays as well.
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
        """Return the releases that hold something prov made. others: collects what others put there."""
        found = []
        for name in names:
            ours, foreign = parts(host, "%s/%s/%s" % (self.home, folder, name))
            others += foreign
            found += [name] if ours else []
        return found

    def _old(self, host: "System") -> "Tuple[List[str], List[str]]":
        releases = "%s/releases" % self.home
        served = host.files.stat("%s/current" % self.home)
        inside = {self.current, *([os.path.basename(served.target)] if served is not None else [])}
        staying = self._with_targets(host, releases, inside)
        every = newest_first(host, self.home)
        built = [name for name in every if is_built(host, self.home, name)]
        others = [name for name in every if name not in staying and name not in built]
        old = others[max(0, self.keep - 1) :] + [name for name in built[1:] if name not in staying]
        used = set()
        for name in [*staying, *(n for n in (*others, *built) if n not in old)]:
            link = host.files.stat("%s/%s/.venv" % (releases, name))
            if link is not None:
                used.add(os.path.basename(link.target))
        used = self._with_targets(host, "%s/venvs" % self.home, used)
        return sorted(old), [name for name in made(host, self.home, "venvs") if name not in used]

    def _with_targets(self, host: "System", folder: str, names: "Set[str]") -> "Set[str]":
        """Return these paths and their targets, in case someone moved one and left a link in its place."""
        links = [host.files.stat("%s/%s" % (folder, name)) for name in names]
        return names | {os.path.basename(link.target) for link in links if link is not None and link.target}

    def _links(self, host: "System", gone: Sequence[str]) -> List[str]:
        """Return links of instances whose release is removed, now or earlier."""
        folder = "%s/instances" % self.home
        found = []
        for name in host.files.list(folder):
            link = host.files.stat("%s/%s" % (folder, name))
            target = os.path.basename(link.target) if link is not None else ""
            if target in gone or host.files.stat("%s/releases/%s" % (self.home, target)) is None:
                found.append(name)
        return found


@wanted()
class ReleasesBefore(Step):
    """Links to earlier releases: fronts find the files there that pages of these releases ask for.

    home/before/1 leads to the latest of these releases.

    home: such as /srv/shop.  current: name of the release that is deployed, or in service.  count: how many
    links.
    """

    home: str
    current: str
    count: int = 2

    def label(self) -> str:
        return "releases before %s in %s" % (self.current, self.home)

    def validate(self) -> None:
        check_path(self.home, "home")
        check_text(self.current, "current")
        if self.count < 0:
            raise ValueError("count must not be negative")

    def check(self, host: "System") -> Diff:
        now, wanted = self._now(host), self._wanted(host)
        found = [
            Change("%s/before/%s" % (self.home, number), now.get(number, ""), wanted.get(number, ""))
            for number in sorted({*now, *wanted}, key=lambda name: (len(name), name))
            if now.get(number) != wanted.get(number)
        ]
        return Diff(found) if found else Diff.none("%d links" % len(wanted))

    def apply(self, host: "System", diff: Diff) -> None:
        folder = "%s/before" % self.home
        if host.files.stat(folder) is None:
            host.files.mkdir(folder, 0o755, *host.owner("root", "root"))
        for change in diff.changes:
            if change.after:
                host.files.link(change.what, change.after)
            else:
                host.files.remove(change.what)

    def fingerprint(self, host: "System") -> str:
        return repr(sorted(self._now(host).items()))

    def _now(self, host: "System") -> Dict[str, str]:
        """Return the links in the folder: number -> target."""
        folder = "%s/before" % self.home
        found = {}
        for name in host.files.list(folder):
            link = host.files.stat("%s/%s" % (folder, name))
            if name.isdigit() and link is not None:
                found[name] = link.target or link.kind
        return found

    def _wanted(self, host: "System") -> Dict[str, str]:
        names = [name for name in newest_first(host, self.home) if name != self.current]
        return {str(n): "../releases/%s" % name for n, name in enumerate(names[: self.count], 1)}


def made(host: "System", home: str, folder: str) -> List[str]:
    """Return the releases, or environments, that prov made."""
    whole, ours = "%s/%s" % (home, folder), host.ledger.data["made"]
    return [name for name in host.files.list(whole) if "path %s/%s" % (whole, name) in ours]


def newest_first(host: "System", home: str) -> List[str]:
    """Return the releases that prov made. Unfinished ones, without an environment, come last."""
    names = made(host, home, "releases")
    return sorted(names, key=lambda name: -host.files.made("%s/releases/%s/.venv" % (home, name)))


def is_built(host: "System", home: str, name: str) -> bool:
    """Return whether a release was built ahead, and has not been in service."""
    return host.files.stat("%s/releases/%s/%s" % (home, name, BUILT)) is not None


current = step(Current)
old_releases = step(OldReleases)
releases_before = step(ReleasesBefore)
