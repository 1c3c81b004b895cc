"""The file system as a plan predicts it: writes are kept in memory, above the real files. Shipped."""

import contextlib
import hashlib
import io
import os
from typing import IO, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from provision.errors import StepError
from provision.system.descriptors import DEFAULT_ACL, attribute, is_directory, opened
from provision.system.host_files import Content, Fetch, Files, Stat
from provision.system.paths import (
    ACL,
    DirEntry,
    Folder,
    NoWay,
    Way,
    inside,
    reached,
    refuse_hard_link,
    walk,
    way,
)
from provision.system.planned.planned_refusals import Refusals
from provision.system.source import Source

#: bytes; a plan fetches smaller contents when a later step reads them, and knows larger ones by hash
KEEP_LIMIT = 1024 * 1024


class Node(NamedTuple):
    """The plan's prediction for a path.

    content: of a file, if known.  sha256: of a file.  real: path of the real file with the same contents.
    source: of a file's contents, until they are read for the first time.
    opaque: a new directory, which hides the real contents of that path.
    """

    stat: Stat
    content: Optional[bytes] = None
    sha256: str = ""
    real: str = ""
    opaque: bool = False
    source: Optional[Source] = None


class PlannedFiles(Files):
    """Files whose write methods only change the prediction."""

    def __init__(self, fetch: Fetch) -> None:
        super().__init__(fetch)
        #: by real path (no links in its directories); None where something was removed
        self._nodes: Dict[str, Optional[Node]] = {}
        #: folder -> the names in it that have, or lead to, a prediction
        self._names: Dict[str, Set[str]] = {}
        #: where ways to files have led, by the user who went and the folder as it was written
        self._folders: Dict[Tuple[int, str], Folder] = {}
        self._acls: Dict[Tuple[str, bool], bytes] = {}
        #: an earlier step runs a command that may mount, or free, what the kernel would refuse to change now
        self.unsure = False
        self._refusals = Refusals()

    # -- reading

    def stat(self, path: str) -> Optional[Stat]:
        self.looked.add(path)
        here = self._place(path)
        return None if here is None else self._stat_at(here)

    def end(self, path: str) -> Optional[Stat]:
        here = self._follow(path)
        return None if here is None else self._stat_at(here)

    def exists(self, path: str) -> bool:
        return self._follow(path) is not None

    def open(self, path: str) -> IO[bytes]:
        here = self._found(path)
        node = self._nodes.get(here)
        if node is None or node.real:
            return self._open(node.real if node else here)
        return io.BytesIO(self.read(path))

    def read(self, path: str) -> bytes:
        here = self._found(path)
        node = self._nodes.get(here)
        if node is None or node.real:
            return super().read(node.real if node else here)
        content = self._loaded(here, node).content
        if content is None:
            raise StepError("%s is only known by its hash in a plan" % path)
        return content

    def sha256(self, path: str) -> str:
        here = self._found(path)
        node = self._nodes.get(here)
        if node is None or node.real:
            return super().sha256(node.real if node else here)
        return node.sha256

    def list(self, path: str) -> List[str]:
        here = self._follow(path)
        if here is None:
            return []
        node = self._nodes.get(here)
        hidden = (node is not None and (node.opaque or node.stat.kind != "dir")) or self._hidden(here)
        names = set() if hidden else set(super().list(here))
        for name in self._names.get(here, ()):
            at = inside(here, name)
            if self._nodes.get(at) is not None:
                names.add(name)
            elif at in self._nodes:
                names.discard(name)
        return sorted(names)

    def made(self, path: str) -> float:
        here = self._place(path)
        if here is not None and self._nodes.get(here) is not None:
            return float("inf")
        return super().made(here) if here is not None and self._stat_at(here) else 0.0

    def acl(self, path: str, default: bool = False) -> bytes:
        at = self._walk(path)
        now = self._stat_at(at.path)
        if now is not None and now.kind == "file" and self._is_real(at.path):
            # the plan may have changed both owners, but not the number of hard links
            refuse_hard_link(at, now.uid, os.lstat(at.path).st_nlink)
        return self._acl_at(at.path, default)

    def _acl_at(self, here: str, default: bool) -> bytes:
        if (here, default) in self._acls:
            return self._acls[here, default]
        now = self._stat_at(here)
        if here not in self._nodes or (self._real(here) is not None and not self._hidden(here)):
            return self._real_acl(here, default)
        # new files and directories inherit it (acl(5), "OBJECT CREATION AND DEFAULT ACLs")
        inherits = now is not None and (now.kind == "dir" or (now.kind == "file" and not default))
        return self._acl_at(os.path.dirname(here), True) if inherits and here != "/" else b""

    def _is_real(self, here: str) -> bool:
        """Return whether the file at a path is still the real one in this plan."""
        node = self._nodes.get(here)
        return node is None or node.real == here

    def _real_acl(self, here: str, default: bool) -> bytes:
        try:
            with way(here) as at:
                fd = opened(at)
                try:
                    return attribute(reached(fd), DEFAULT_ACL if default else ACL)
                finally:
                    os.close(fd)
        except (FileNotFoundError, NoWay):
            return b""

    # -- writing

    def write(
        self,
        path: str,
        content: Content,
        mode: int,
        uid: int,
        gid: int,
        durable: bool = True,
    ) -> None:
        here = self._new(path)
        self._refuse_directory(here, path)
        self._refuse(here, path)
        if isinstance(content, bytes):
            stat = Stat("file", mode, uid, gid, len(content))
            self._set(here, Node(stat, content, hashlib.sha256(content).hexdigest()))
            return
        stat = Stat("file", mode, uid, gid, content.size)
        small = 0 <= content.size <= KEEP_LIMIT
        known = content.sha256 or "made on the controller: %s" % content.key
        self._set(here, Node(stat, None, known, source=content if small else None))

    def sync(self) -> None:
        """Do nothing: nothing was written."""

    def copy(self, origin: str, path: str, mode: int, uid: int, gid: int, sha256: str = "") -> None:
        here, at = self._found(origin), self._new(path)
        node = self._nodes.get(here)
        now = self._stat_at(here)
        assert now is not None  # _found has checked it
        if now.kind == "dir":
            raise IsADirectoryError(21, os.strerror(21), origin)
        self._refuse_directory(at, path)
        self._refuse(at, path)
        stat = Stat("file", mode, uid, gid, now.size)
        if node is None or node.real:
            self._set(at, Node(stat, real=node.real if node else here))
        else:
            self._set(at, Node(stat, node.content, node.sha256, source=node.source))

    def mkdir(self, path: str, mode: int, uid: int, gid: int) -> None:
        here = self._new(path)
        if self._stat_at(here) is not None:
            raise FileExistsError(17, os.strerror(17), path)
        self._refuse(here, path)
        self._set(here, Node(Stat("dir", mode, uid, gid, 0), opaque=True))

    def link(self, path: str, target: str) -> None:
        here = self._new(path)
        self._refuse_directory(here, path)
        self._refuse(here, path)
        self._set(here, Node(Stat("link", 0o777, 0, 0, len(target), target)))

    def remove(self, path: str) -> None:
        here = self._new(path)
        self._refuse(here, path, removed=True)
        self._drop_below(here)
        for place in [p for p in self._acls if p[0] == here or p[0].startswith(here + "/")]:
            del self._acls[place]
        self._set(here, None)

    def _drop_below(self, here: str) -> None:
        """Forget what was predicted below a path."""
        for name in self._names.pop(here, ()):
            self._nodes.pop(inside(here, name), None)
            self._drop_below(inside(here, name))

    def remove_each(self, path: str, inner: Sequence[str]) -> None:
        for each in inner:
            if self._place(each) is not None:
                self.remove(each)

    def set_attribute(self, path: str, name: str, data: bytes) -> None:
        """Do nothing: a plan does not show attributes."""

    def keep(self, path: str) -> None:
        """Do nothing: nothing changes."""

    def set_mode(self, path: str, mode: int) -> None:
        here = self._new(path)
        node = self._as_node(here)
        self._refuse(here, path, named=True)
        self._set(here, node._replace(stat=node.stat._replace(mode=mode)))

    def set_owner(self, path: str, uid: int, gid: int, mode: Optional[int] = None) -> None:
        here = self._new(path)
        node = self._as_node(here)
        self._refuse(here, path, named=True)
        mode = node.stat.mode if mode is None else mode
        self._set(here, node._replace(stat=node.stat._replace(uid=uid, gid=gid, mode=mode)))

    def set_acl(self, path: str, data: bytes, mode: int, default: bool = False) -> None:
        here = self._new(path)
        self._refuse(here, path, named=True)
        self._acls[here, default] = data
        self._folders.clear()
        if not default:
            self.set_mode(path, mode)

    def bring(self, path: str, node: Node) -> None:
        """Add a path that a package installs. Existing directories stay as they are."""
        here = self._place(path)
        if here is None:
            # the package lists the directory too, after its contents
            here = os.path.normpath(path)
        if node.stat.kind == "dir" and self._stat_at(here) is not None:
            return
        self._set(here, node)

    def forget(self) -> None:
        super().forget()
        self._folders.clear()

    def predicted(self, path: str) -> bool:
        here = self._follow(path)
        return here is not None and here in self._nodes

    def foreseen(self) -> "Iterator[Tuple[str, Optional[Node]]]":
        """Return the prediction for each real path; None where something was removed."""
        return iter(self._nodes.items())

    def loaded(self, here: str) -> Optional[Node]:
        """Return the prediction for a real path that has one, with its contents if they are small."""
        node = self._nodes[here]
        return None if node is None else self._loaded(here, node)

    def _loaded(self, here: str, node: Node) -> Node:
        if node.source is not None:
            node = node._replace(content=b"".join(self.fetch(node.source)), source=None)
            self._nodes[here] = node
        return node

    def _set(self, here: str, node: Optional[Node]) -> None:
        """Predict a real path."""
        now = self._stat_at(here)
        if now is not None and not (node is not None and node.stat.kind == now.kind == "file"):
            # ways may lead through it
            self._folders.clear()
        self._nodes[here] = node
        while here != "/":
            above, name = os.path.split(here)
            names = self._names.setdefault(above, set())
            if name in names:
                return
            names.add(name)
            here = above

    # -- path resolution

    @contextlib.contextmanager
    def _way(self, path: str, follow: bool = False) -> Iterator[Way]:
        yield self._walk(path, follow)

    def _walk(self, path: str, follow: bool = False) -> Way:
        """Walk to a path by the rules of the real file system (paths.walk). Raises NoWay, StepError."""
        above, _, name = path.rpartition("/")
        known = self._folders.get((os.geteuid(), above))
        if known is not None and name not in ("", ".", ".."):
            now = self._stat_at(inside(known.path, name)) if follow else None
            if now is None or now.kind != "link":
                return Way(known, name)
        top = self._entry("/")
        assert top is not None  # every host has a root directory
        found = walk(path, top, lambda folder, name: self._entry(inside(folder.path, name)), follow)
        if above and not follow and name not in ("", ".", ".."):
            self._folders[os.geteuid(), above] = found.folder
        return found

    def _entry(self, here: str) -> Optional[DirEntry]:
        now = self._stat_at(here)
        if now is None:
            return None
        listed = bool(now.mode & 0o020 and now.kind == "dir" and self._acl_at(here, False))
        return DirEntry(now.kind, now.mode, now.uid, now.gid, now.target, listed, here)

    def _place(self, path: str) -> Optional[str]:
        """Return a path without links in its directories; None if one of the directories is missing."""
        try:
            return self._walk(path).path
        except NoWay:
            return None

    def _follow(self, path: str) -> Optional[str]:
        """Return the real path that a path leads to, with links at its end followed.

        Returns None if nothing is there.
        """
        try:
            here = self._walk(path, follow=True).path
        except NoWay:
            return None
        return None if self._stat_at(here) is None else here

    def _found(self, path: str) -> str:
        here = self._follow(path)
        if here is None:
            raise FileNotFoundError(2, os.strerror(2), path)
        return here

    def _new(self, path: str) -> str:
        """Return the real path for a change at a path. Raises NoWay, StepError."""
        return self._walk(path).path

    def _stat_at(self, here: str) -> Optional[Stat]:
        if here in self._nodes:
            node = self._nodes[here]
            return node.stat if node is not None else None
        return None if self._hidden(here) else self._real(here)

    def _hidden(self, here: str) -> bool:
        """Return whether a folder above this real path was removed or replaced."""
        above = os.path.dirname(here)
        while above != "/":
            if above in self._nodes:
                node = self._nodes[above]
                return node is None or node.opaque or node.stat.kind != "dir"
            above = os.path.dirname(above)
        return False

    def _as_node(self, here: str) -> Node:
        node = self._nodes.get(here)
        if node is not None:
            return node
        now = self._stat_at(here)
        if now is None:
            raise FileNotFoundError(2, os.strerror(2), here)
        return Node(now, real=here if now.kind == "file" else "")

    def _refuse(self, here: str, path: str, named: bool = False, removed: bool = False) -> None:
        """Raise OSError if the kernel would refuse the change. named: the name stays."""
        if not self.unsure and not self._hidden(here) and self._real(os.path.dirname(here)):
            node = self._nodes.get(here)
            known = here in self._nodes and (node is None or node.real != here)
            real = not known and self._real(here) is not None
            self._refusals.refuse(path, here, real=real, named=named, removed=removed)

    def _refuse_directory(self, here: str, path: str) -> None:
        now = self._stat_at(here)
        if now is not None and now.kind == "dir":
            raise is_directory(path)
