"""Owner and mode of whole trees. Shipped to hosts (Python 3.8, standard library)."""

import hashlib
from typing import TYPE_CHECKING, Iterator, List, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import (
    Change,
    Diff,
    Step,
    check_mode,
    check_names,
    check_path,
    mode_text,
    step,
    wanted,
)
from provision.steps.support.file_changes import check_patterns, excluded

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Stat

#: paths named one by one in a diff; the rest is counted
SHOWN = 20

#: (path, current state, mode, uid, gid as wanted)
Wanted = Tuple[str, "Stat", int, int, int]


@wanted()
class Permissions(Step):
    """Owner, group and mode of a directory and of everything in it.

        permissions.permissions(c, "/srv/shop", owner="shop", group="www-data", folders=0o750, files=0o640)

    path: the directory.  owner, group: of everything; None leaves them.  folders: mode of directories.
    files: mode of files.  keep_executable: a file that anyone may execute stays executable for those who may
    read it (like chmod's X); False removes that too.
    exclude: names or paths below the directory, with "*" and "?" as in a shell; the contents of an excluded
    directory stay as well.
    Links are not followed; their own owner changes. Anything else, such as a socket, stays as it is.
    Source: chmod(1), chown(1).
    """

    path: str
    owner: Optional[str] = None
    group: Optional[str] = None
    folders: Optional[int] = None
    files: Optional[int] = None
    keep_executable: bool = True
    exclude: Sequence[str] = ()

    DEADLINE = 1800.0

    def label(self) -> str:
        return "permissions below %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_names(self, "owner", "group")
        check_mode(self.folders)
        check_mode(self.files)
        if self.path.strip("/").count("/") == 0:
            raise ValueError("refusing to change all of %r, a directory of the root" % self.path)
        if self.owner is None and self.group is None and self.folders is None and self.files is None:
            raise ValueError("give at least one of owner, group, folders and files")
        check_patterns(self.exclude)

    def check(self, host: "System") -> Diff:
        differing = list(self._differing(host))
        for path, now, *_ in differing:
            if now.kind == "file":
                # raises what a change would, such as for a hard link, before anything is changed
                host.files.acl(path)
        found = [
            Change(path, described(host, now.mode, now.uid, now.gid), described(host, mode, uid, gid))
            for path, now, mode, uid, gid in differing[:SHOWN]
        ]
        if len(differing) > SHOWN:
            found.append(Change("more paths", "", str(len(differing) - SHOWN)))
        return Diff(found) if found else Diff.none("everything has them")

    def apply(self, host: "System", diff: Diff) -> None:
        # directories after their contents: until then, their new owners can't exchange what is in them
        for path, _, mode, uid, gid in reversed(list(self._differing(host))):
            now = host.files.stat(path)
            if now is None or (now.mode, now.uid, now.gid) == (mode, uid, gid):
                # done by another hard link to the same file
                continue
            if (uid, gid) != (now.uid, now.gid):
                host.files.set_owner(path, uid, gid, None if now.kind == "link" else mode)
            else:
                host.files.set_mode(path, mode)

    def fingerprint(self, host: "System") -> str:
        lines = ("%s %o %d %d" % (p, s.mode, s.uid, s.gid) for p, s in below(host, self.path, self.exclude))
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def _differing(self, host: "System") -> Iterator[Wanted]:
        uid = None if self.owner is None else host.accounts.uid(self.owner)
        gid = None if self.group is None else host.accounts.gid(self.group)
        for path, now in below(host, self.path, self.exclude):
            owner, group = now.uid if uid is None else uid, now.gid if gid is None else gid
            mode = self._mode(now)
            if now.kind == "file" and self.files is None and (owner, group) != (now.uid, now.gid):
                # its bits would make a program of one user's run as another (chown(2) drops them too)
                mode &= 0o1777
            want = (mode, owner, group)
            if want != (now.mode, now.uid, now.gid):
                yield (path, now, *want)

    def _mode(self, now: "Stat") -> int:
        if now.kind == "dir" and self.folders is not None:
            return self.folders
        if now.kind != "file" or self.files is None:
            return now.mode
        readers = self.files & 0o444
        return self.files | readers >> 2 if self.keep_executable and now.mode & 0o111 else self.files


permissions = step(Permissions)


# -- shared by steps on whole trees


def below(host: "System", path: str, exclude: Sequence[str] = ()) -> "Iterator[Tuple[str, Stat]]":
    """A directory and all files, directories and links in it, parents first. Raises StepError if it is
    none."""
    top = host.files.stat(path)
    if top is None or top.kind != "dir":
        raise StepError(
            "%s is not a directory" % path if top else "there is no directory %s" % path,
            hint="Add a step that makes it before this one." if top is None else "",
        )

    def walk(here: str, now: "Stat") -> "Iterator[Tuple[str, Stat]]":
        yield here, now
        for name in host.files.list(here) if now.kind == "dir" else ():
            inner = "%s/%s" % (here, name)
            found = host.files.stat(inner)
            if found is not None and found.kind != "other" and not excluded(inner[len(path) + 1 :], exclude):
                yield from walk(inner, found)

    yield from walk(path, top)


def described(host: "System", mode: int, uid: int, gid: int) -> str:
    """Mode and owner for people: "0640 shop:www-data"."""
    names: List[str] = [host.accounts.user_name(uid), host.accounts.group_name(gid)]
    return "%s %s" % (mode_text(mode), ":".join(names))
