"""Writes an archive's members below one directory, and through no link in it. Shipped (Python 3.8)."""

import shutil
import tempfile
from typing import TYPE_CHECKING, Sequence, Set

from provision.errors import StepError
from provision.steps.support.archives import HARM, Member, broken, refused
from provision.steps.support.file_changes import large_files
from provision.system.source import CHUNK

if TYPE_CHECKING:
    from provision.system.host import System


def refuse_in_the_way(
    host: "System", base: str, members: Sequence[Member], origin: str, before: Sequence[str] = ()
) -> None:
    """Raise StepError if something in the directory is where a folder or file of the archive belongs.

    before: files that an earlier archive put there; they may be replaced.
    """
    looked: Set[str] = set()
    ours = set(before) - {member.path for member in members if member.kind != "dir"}
    for member in members:
        parts = member.path.split("/")
        for n in range(1, len(parts) + 1):
            path = "/".join(parts[:n])
            folder = n < len(parts) or member.kind == "dir"
            if folder and path in looked:
                continue
            looked.add(path)
            now = host.files.stat("%s/%s" % (base, path))
            if now is None or (now.kind != "dir" and path in ours):
                break
            if folder and now.kind != "dir":
                why = "%s/%s is a %s, and nothing is unpacked through it" % (base, path, now.kind)
                raise refused(origin, member.path, why)
            if not folder and now.kind == "dir" and not makes_way(host, base, path, ours):
                raise refused(origin, member.path, "%s/%s is a directory" % (base, path))


def makes_way(host: "System", base: str, folder: str, ours: "Set[str]") -> bool:
    """Return whether a folder holds only files that may be replaced, and folders of such files."""
    for name in host.files.list("%s/%s" % (base, folder)):
        path = "%s/%s" % (folder, name)
        now = host.files.stat("%s/%s" % (base, path))
        if now is not None and (
            not makes_way(host, base, path, ours) if now.kind == "dir" else path not in ours
        ):
            return False
    return True


def put(host: "System", base: str, member: Member, origin: str, uid: int, gid: int) -> None:
    """Make one member below a directory, with the folders above it."""
    at = "%s/%s" % (base, member.path)
    make_folders(
        host, base, member.path if member.kind == "dir" else member.path.rpartition("/")[0], uid, gid
    )
    if member.kind == "link":
        host.files.link(at, member.target)
    elif member.kind == "same":
        host.files.copy("%s/%s" % (base, member.target), at, member.mode, uid, gid)
    elif member.open is not None:
        with tempfile.TemporaryFile(dir=large_files()) as copy:
            try:
                with member.open() as f:
                    shutil.copyfileobj(f, copy, CHUNK)
            except broken() as error:
                message = "%s: %r can't be read: %s" % (origin, member.path, error)
                raise StepError(message, hint=HARM.split(". ")[-1]) from None
            copy.seek(0)
            host.files.put(copy, at, member.mode, uid, gid)


def make_folders(host: "System", base: str, path: str, uid: int, gid: int) -> None:
    """Make the missing folders of a path below a directory."""
    parts = path.split("/") if path else []
    for n in range(1, len(parts) + 1):
        at = "%s/%s" % (base, "/".join(parts[:n]))
        now = host.files.stat(at)
        if now is None:
            host.files.mkdir(at, 0o755, uid, gid)
        elif now.kind != "dir":
            raise StepError("%s is a %s, and nothing is unpacked through it" % (at, now.kind))
