"""A folder of many files, synchronised by manifest. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Set, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, step, wanted
from provision.steps.source import Source

if TYPE_CHECKING:
    from provision.agent.system import System

#: paths named one by one in a diff; the rest is counted
SHOWN = 20

#: one file of a tree: path below the folder, permission bits, contents; or target of a link instead
Entry = Tuple[str, int, Optional[Source], str]


@wanted()
class Tree(Step):
    """The files of a folder, as on the controller. Only contents that the host lacks are sent.

    path: the folder on the host.  entries: (path below it, mode, Source or None, link target).
    owner, group: of everything in it; None is the login's own user.
    like: another folder on the host, such as the last release: files with the same contents are copied
    from there.  delete: remove what is in the folder, but not in entries nor in `keep` (paths below it).
    """

    path: str
    entries: "Sequence[Entry]"
    owner: Optional[str] = None
    group: Optional[str] = None
    like: str = ""
    delete: bool = True
    keep: Sequence[str] = ()

    DEADLINE = 3600.0

    def label(self) -> str:
        return "tree %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if self.like:
            check_path(self.like, "like")
        for path, _, _, _ in self.entries:
            check_path("/" + path, "a path of the tree")
        if self.path.strip("/").count("/") == 0:
            raise ValueError("refusing to synchronise %r, a directory of the root" % self.path)

    def check(self, host: "System") -> Diff:
        new, changed, gone = self._differences(host)
        found = [Change("new file", "", path) for path in new[:SHOWN]]
        found += [Change("changed file", "", path) for path in changed[:SHOWN]]
        found += [Change("removed", path, "") for path in gone[:SHOWN]]
        for what, paths in (("new file", new), ("changed file", changed), ("removed", gone)):
            if len(paths) > SHOWN:
                found.append(Change("%ss" % what, "", "and %d more" % (len(paths) - SHOWN)))
        if not found:
            return Diff.none("%d files are the same" % len(self.entries))
        return Diff(found)

    def apply(self, host: "System", diff: Diff) -> None:
        uid, gid = host.owner(self.owner, self.group)
        new, changed, gone = self._differences(host)
        for path in gone:
            if host.files.stat(self._at(path)) is not None:
                host.files.remove(self._at(path))
        made: Set[str] = set()
        self._folder(host, self.path, uid, gid, made)
        todo = set(new) | set(changed)
        for path, mode, source, target in self.entries:
            if path not in todo:
                continue
            self._folder(host, self._at(path).rsplit("/", 1)[0], uid, gid, made)
            if source is None:
                host.files.link(self._at(path), target)
            elif not self._copied(host, path, source, mode, uid, gid):
                host.files.write(self._at(path), source, mode, uid, gid, durable=False)
        host.files.sync()

    def fingerprint(self, host: "System") -> str:
        return " ".join(sorted(e[2].sha256 if e[2] else e[3] for e in self.entries))[:4096]

    def _at(self, path: str) -> str:
        return "%s/%s" % (self.path, path)

    def _differences(self, host: "System") -> "Tuple[List[str], List[str], List[str]]":
        top = host.files.stat(self.path)
        if top is not None and top.kind != "dir":
            raise StepError(
                "%s is a %s, and a directory is wanted there" % (self.path, top.kind),
                hint="If it is not needed, remove it with files.absent before this step.",
            )
        new, changed = [], []
        for path, mode, source, target in self.entries:
            now = host.files.stat(self._at(path))
            if now is None:
                new.append(path)
            elif source is None:
                if now.kind != "link" or now.target != target:
                    changed.append(path)
            elif (
                now.kind != "file"
                or now.mode != mode
                or now.size != source.size
                or host.files.sha256(self._at(path)) != source.sha256
            ):
                changed.append(path)
        return new, changed, self._gone(host) if self.delete and top is not None else []

    def _gone(self, host: "System") -> List[str]:
        """Paths that are there and should not be; of a whole folder only its own path."""
        wanted_paths = {entry[0] for entry in self.entries} | set(self.keep)
        folders = {path.rsplit("/", n)[0] for path in wanted_paths for n in range(1, path.count("/") + 1)}
        found: List[str] = []

        def walk(folder: str) -> None:
            for name in host.files.list(self._at(folder) if folder else self.path):
                path = "%s/%s" % (folder, name) if folder else name
                if path in wanted_paths:
                    continue
                if path in folders:
                    walk(path)
                else:
                    found.append(path)

        walk("")
        return found

    def _folder(self, host: "System", path: str, uid: int, gid: int, made: "Set[str]") -> None:
        if path in made:
            return
        made.add(path)
        now = host.files.stat(path)
        if now is not None and now.kind == "dir":
            return
        if now is not None:
            host.files.remove(path)
        if path != self.path:
            self._folder(host, path.rsplit("/", 1)[0], uid, gid, made)
        host.files.mkdir(path, 0o755, uid, gid)

    def _copied(self, host: "System", path: str, source: Source, mode: int, uid: int, gid: int) -> bool:
        """Take the contents from the other folder, if it has them under the same path."""
        if not self.like:
            return False
        other = "%s/%s" % (self.like, path)
        now = host.files.stat(other)
        if now is None or now.kind != "file" or now.size != source.size:
            return False
        if host.files.sha256(other) != source.sha256:
            return False
        host.files.copy(other, self._at(path), mode, uid, gid)
        return True


tree = step(Tree)


def summary(entries: "Sequence[Entry]") -> Dict[str, str]:
    """Path -> mode and contents, for naming a tree by what is in it."""
    return {path: "%o %s" % (mode, s.sha256 if s else "-> " + target) for path, mode, s, target in entries}
