"""A folder of many files, synchronised by a manifest. Shipped to hosts (Python 3.8, standard library)."""

import hashlib
import json
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from provision.errors import StepError
from provision.steps.base import (
    Change,
    Diff,
    Step,
    check_mode,
    check_names,
    check_path,
    step,
    wanted,
)
from provision.steps.support.file_changes import attributes, check_patterns, excluded, set_attributes
from provision.steps.support.inside import folders_of, name_fault
from provision.steps.support.prefetching import prefetched
from provision.steps.support.tree_changes import Compared
from provision.steps.support.tree_changes import Entry as Entry
from provision.system.source import Source

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Host, Outcome, StepOptions
    from provision.system.host import System

#: paths listed in a diff; the rest are counted
SHOWN = 20

#: up to this many files are synced to disk one by one; for more, the whole disk is, with others' writes
#: (sync(2))
FEW = 20

#: how many files a message to the host can hold (frames.py, MANY), with room for the rest of the message
MOST = 75_000


class Wanted(NamedTuple):
    """What a folder of the tree gets, in the words of steps on files."""

    mode: Optional[int]
    owner: Optional[str]
    group: Optional[str]


@wanted()
class Tree(Step):
    """The files of a folder, as on the controller. Only contents that the host lacks are sent.

    path: the folder on the host.  entries: (path below it, mode, Source or None, link target),
    at most 75,000.
    owner, group: of the folder and all entries, including the folders and links above them. None leaves them,
    and gives new ones to the login's own.
    like: another folder on the host, such as the last release: files with equal contents are copied
    from there, and a new folder is shown as it differs from it.
    delete: remove what is in the folder, but neither in entries nor in `keep` (paths below it).
    exclude: names or paths that are left as they are, as for permissions.permissions.
    filled: folders below it that programs fill, too: entries there are put in place once, and left as they are.
    folder_mode: of the folder and those in it; None makes new ones 0755, and leaves existing ones.
    """

    path: str
    entries: "Sequence[Entry]"
    owner: Optional[str] = None
    group: Optional[str] = None
    like: str = ""
    delete: bool = True
    keep: Sequence[str] = ()
    exclude: Sequence[str] = ()
    folder_mode: Optional[int] = None
    filled: Sequence[str] = ()

    DEADLINE = 3600.0

    def label(self) -> str:
        return "tree %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_names(self, "owner", "group")
        check_patterns(self.exclude)
        check_mode(self.folder_mode)
        if self.like:
            check_path(self.like, "like")
        check_tree([entry[0] for entry in self.entries])
        if self.path.strip("/").count("/") == 0:
            raise ValueError("refusing to synchronise %r, a directory of the root" % self.path)

    def check(self, host: "System") -> Diff:
        new, changed, gone = self.scratch["differences"] = self._differences(host)
        if new and self.like and host.files.stat(self.path) is None and host.files.end(self.like) is not None:
            compared = Compared(host, self.entries, self.like, self._is_preserved)
            differences = compared.changes(SHOWN)
            self.scratch["fetched"] = compared.fetched
            return Diff(differences)
        found = [Change("new file", "", path) for path in new[:SHOWN]]
        found += [Change("changed file", "", path) for path in changed[:SHOWN]]
        found += [Change("removed", path, "") for path in gone[:SHOWN]]
        folders = self._folders(host)
        found += [change for _, changes in folders[:SHOWN] for change in changes]
        for what, count in (
            ("new file", len(new)),
            ("changed file", len(changed)),
            ("removed", len(gone)),
            ("folder", len(folders)),
        ):
            if count > SHOWN:
                found.append(Change(what, "", "and %d more" % (count - SHOWN)))
        if not found:
            # a run that died may have put the last of them in place
            host.ledger.filled(self.path, self._names())
            return Diff.none("%d files are the same" % len(self.entries))
        return Diff(found)

    def apply(self, host: "System", diff: Diff) -> None:
        uid, gid = host.owner(self.owner, self.group)
        new, changed, gone = self.scratch["differences"]
        for path in gone:
            if host.files.stat(self._at(path)) is not None:
                host.files.remove(self._at(path))
        for at, _ in self._folders(host):
            now = host.files.stat(at)
            assert now is not None  # it is one of the existing files
            set_attributes(self._wanted_folder, host, now, at)
        made: Set[str] = set()
        self._folder(host, self.path, uid, gid, made)
        names = set(new) | set(changed)
        few = len(names) <= FEW and not gone and not self.like
        todo = [entry for entry in self.entries if entry[0] in names]
        alike = {path for path, _, source, _ in todo if source and self._is_alike(host, path, source)}
        here: Dict[str, bytes] = self.scratch.get("fetched", {})
        asked = [s for path, _, s, _ in todo if s and path not in alike and s.sha256 not in here]
        with prefetched(host, asked):
            for path, mode, source, target in todo:
                at = self._at(path)
                self._folder(host, at.rsplit("/", 1)[0], uid, gid, made)
                if source is None:
                    host.files.link(at, target)
                    if self.owner is not None or self.group is not None:
                        host.files.set_owner(at, uid, gid)
                elif path in alike:
                    host.files.copy(self._alike(path), at, mode, uid, gid, source.sha256)
                else:
                    host.files.write(at, here.get(source.sha256, source), mode, uid, gid, durable=few)
        if not few:
            host.files.sync()
        host.ledger.filled(self.path, self._names())

    def fingerprint(self, host: "System") -> str:
        return hashlib.sha256(json.dumps(sorted(summary(self.entries).items())).encode()).hexdigest()

    def _names(self) -> List[str]:
        """Return all paths that belong to the tree, folders as well."""
        files = [entry[0] for entry in self.entries]
        return [*files, *sorted(folders_of(dict.fromkeys(files, "file")))]

    def _is_preserved(self, path: str) -> bool:
        """Return whether a path is left as it is."""
        return path in self.keep or excluded(path, self.exclude)

    def _is_filled(self, path: str) -> bool:
        """Return whether a path is in a folder that programs of the host fill."""
        return any(path.startswith(folder + "/") for folder in self.filled)

    def _at(self, path: str) -> str:
        return "%s/%s" % (self.path, path)

    def _differences(self, host: "System") -> "Tuple[List[str], List[str], List[str]]":
        top = host.files.stat(self.path)
        if top is not None and top.kind != "dir":
            raise StepError(
                "%s is a %s, expected a directory" % (self.path, top.kind),
                hint="If it is not needed, remove it with files.absent before this step.",
            )
        uid, gid = host.owner(self.owner, self.group)
        if top is None:
            # all of them are missing: noted as looked at, without a look at each
            host.files.looked.update(self._at(entry[0]) for entry in self.entries)
            return [entry[0] for entry in self.entries], [], []
        new, changed = [], []
        folders: Dict[str, bool] = {}
        seen: Dict[str, bool] = {}
        for path, mode, source, target in self.entries:
            now = host.files.stat(self._at(path))
            seen[path] = now is not None and now.kind == "dir"
            if seen[path] and not self.delete:
                raise StepError(
                    "%s is a directory, expected a file" % self._at(path),
                    hint="If nothing in it is needed, remove it with files.absent before this step.",
                )
            if now is None or not self._in_folders(host, path, folders):
                new.append(path)
            elif self._is_filled(path):
                continue
            elif (self.owner is not None and now.uid != uid) or (self.group is not None and now.gid != gid):
                changed.append(path)
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
        return new, changed, self._gone(host, seen) if self.delete else []

    @property
    def _wanted_folder(self) -> Wanted:
        return Wanted(self.folder_mode, self.owner, self.group)

    def _folders(self, host: "System") -> List[Tuple[str, List[Change]]]:
        """Return existing folders whose mode or owner differs, with what changes."""
        if self.folder_mode is None and self.owner is None and self.group is None:
            return []
        below = folders_of({entry[0]: "file" for entry in self.entries})
        known: Dict[str, bool] = {}
        ours = [path for path in sorted(below) if not self._is_filled(path)]
        real = [path for path in ours if self._in_folders(host, path + "/", known)]
        found = []
        for at in (self.path, *map(self._at, real)):
            now = host.files.stat(at)
            if now is None or now.kind != "dir":
                continue
            changes = [
                change._replace(what="%s of %s" % (change.what, at))
                for change in attributes(self._wanted_folder, host, now, None)
            ]
            if changes:
                found.append((at, changes))
        return found

    def _gone(self, host: "System", seen: Dict[str, bool]) -> List[str]:
        """Return paths to remove; of a whole folder only its own path.

        seen: the paths already looked at, and whether they are folders.
        """
        files, keep = {entry[0] for entry in self.entries}, set(self.keep)
        folders = folders_of(dict.fromkeys(files | keep, "file"))
        found: List[str] = []

        def walk(folder: str) -> None:
            for name in host.files.list(self._at(folder) if folder else self.path):
                path = "%s/%s" % (folder, name) if folder else name
                if self._is_preserved(path):
                    continue
                if path not in seen:
                    now = host.files.stat(self._at(path))
                    seen[path] = now is not None and now.kind == "dir"
                is_folder = seen[path]
                # a link is not a folder: what it leads to is not ours to clear
                if is_folder and (path in folders or self._holds_excluded(host, path)):
                    walk(path)
                elif path not in files or is_folder:
                    found.append(path)

        walk("")
        return found

    def _holds_excluded(self, host: "System", folder: str) -> bool:
        """Return whether something in a folder is excluded, and so left as it is."""
        for path in (
            ("%s/%s" % (folder, name) for name in host.files.list(self._at(folder))) if self.exclude else ()
        ):
            now = host.files.stat(self._at(path))
            if excluded(path, self.exclude) or (
                now and now.kind == "dir" and self._holds_excluded(host, path)
            ):
                return True
        return False

    def _in_folders(self, host: "System", path: str, known: Dict[str, bool]) -> bool:
        """Return whether all folders above a path of the tree are real ones, not links to elsewhere."""
        if "/" not in path:
            return True
        above = path.rsplit("/", 1)[0]
        if above not in known:
            now = host.files.stat(self._at(above))
            known[above] = now is not None and now.kind == "dir" and self._in_folders(host, above, known)
        return known[above]

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
        host.files.mkdir(path, 0o755 if self.folder_mode is None else self.folder_mode, uid, gid)

    def _alike(self, path: str) -> str:
        """Return where the other folder has a path of the tree."""
        return "%s/%s" % (self.like, path)

    def _is_alike(self, host: "System", path: str, source: Source) -> bool:
        """Return whether the other folder has the contents at the same path."""
        if not self.like:
            return False
        other = self._alike(path)
        now = host.files.stat(other)
        if now is None or now.kind != "file" or now.size != source.size:
            return False
        return host.files.sha256(other) == source.sha256


tree = step(Tree)


def sync(
    c: "Host",
    origin: Any,
    *,
    to: str,
    owner: Optional[str] = None,
    group: Optional[str] = None,
    delete: bool = True,
    exclude: Sequence[str] = (),
    outside_links: bool = False,
    **options: "Unpack[StepOptions]",
) -> "Outcome":
    """Synchronise the files of a local folder to `to`; for files that the host has, only hashes are compared.

        tree.sync(c, "pages", to="/srv/www", exclude=["*.orig", "drafts"], owner="www-data")

    origin: absolute, or relative to the role's files/ folder.  owner, group: as for tree.tree.
    delete: remove what is on the host but not in the folder.
    exclude: names ("*.orig") and paths ("var/cache") that are neither sent nor removed.
    outside_links: also send links that lead out of the folder; by default, such a link is refused.
    Files are 0755 if their owner may execute them here, else 0644. Links are sent as links; their targets are
    not read. Empty folders, pipes and devices are not sent.
    Raises ConfigError if the local folder does not exist, ProvError for files that can't be sent.
    """
    import os

    from provision.errors import ConfigError
    from provision.steps.on_controller import local_entries, role_file

    local = str(role_file(c, "files", str(origin)))
    if not os.path.isdir(local):
        raise ConfigError("there is no local folder %s" % local)
    entries = local_entries(local, lambda path: excluded(path, exclude), outside_links=outside_links)
    return tree(c, to, entries, owner=owner, group=group, delete=delete, exclude=exclude, **options)


def check_tree(paths: "Sequence[str]") -> None:
    """Raise ValueError for a path that leads outside, a duplicate, a path below a path that may be a link, or
    more paths than a message can hold."""
    if len(paths) > MOST:
        raise ValueError(
            "%d files are too many for one step, which takes %d: make it several" % (len(paths), MOST)
        )
    seen: Set[str] = set()
    for path in paths:
        why = "it is there twice" if path in seen else name_fault(path)
        if why:
            raise ValueError("a path of the tree, %r, is refused: %s" % (path, why))
        seen.add(path)
    for folder in folders_of(dict.fromkeys(seen, "file")):
        if folder in seen:
            raise ValueError("a path of the tree, %r, is refused: it is a folder of others, too" % folder)


def summary(entries: "Sequence[Entry]") -> Dict[str, str]:
    """Return path -> mode and contents; its digest names a tree by its contents."""
    return {path: "%o %s" % (mode, s.sha256 if s else "-> " + target) for path, mode, s, target in entries}
