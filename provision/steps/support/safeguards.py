"""Checks of new contents, and backups of old ones. Shipped to hosts (Python 3.8, standard library)."""

import contextlib
import math
import os
import tempfile
import time
from typing import TYPE_CHECKING, Iterator, Optional, Sequence

from provision.steps.base import Change
from provision.steps.support.file_changes import replaced_mode
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System

#: where a plan shows contents to a judge if others could replace them beside their file
PLANNED = "/run/prov-check"


def check_judge(argv: Sequence[str]) -> None:
    """Raise ValueError unless argv has a placeholder for the path to judge."""
    if isinstance(argv, str):
        raise ValueError(
            "validate_with must be a list of words, such as ['visudo', '-c', '-f', '%%s'], not %r" % argv
        )
    if argv and "%s" not in argv:
        raise ValueError("validate_with must have %s where the path of the new file goes")


def judge(
    host: "System", path: str, source: Source, argv: Sequence[str], mode: int, uid: int, gid: int
) -> str:
    """Write contents beside the file that they are for, and have them judged there. Raises StepError.

    The name begins with a dot, which include patterns skip, and keeps its ending, which programs may go by.
    If other users could replace it there, it is in a folder of ours instead. In a plan, what the program
    writes is discarded. Returns what a plan can't know; "" if all is known.
    """
    folder, name = os.path.split(path)
    with contextlib.ExitStack() as stack:
        if host.files.shared(path):
            folder = stack.enter_context(own_folder(host))
        beside = "%s/.prov-check.%s" % (folder.rstrip("/"), name)
        known = judge_at(host, beside, path, source, argv, mode, uid, gid)
    if known:
        return ""
    # imported here: a deploy knows all
    from provision.system.planned.judging import unknown  # shipped

    return unknown(argv[0])


@contextlib.contextmanager
def own_folder(host: "System") -> Iterator[str]:
    """Make a folder that only root can enter, for as long as it is needed."""
    if not host.planned:
        with tempfile.TemporaryDirectory(prefix="prov-check-") as folder:
            yield folder
        return
    host.files.mkdir(PLANNED, 0o700, *host.owner(None, None))
    try:
        yield PLANNED
    finally:
        host.files.remove(PLANNED)


def judge_at(
    host: "System", beside: str, path: str, source: Source, argv: Sequence[str], mode: int, uid: int, gid: int
) -> bool:
    """Have contents judged under that name; return whether the verdict is known. Raises StepError."""
    host.files.write(beside, source, mode, uid, gid)
    try:
        words = [beside if word == "%s" else word for word in argv]
        result = host.judged(words, os.path.dirname(path), silent=True)
        if result is None:
            return False
        if result.status and source.secret:
            # the judging program may quote what it rejects
            result = result._replace(stdout="", stderr="(withheld: the file holds a secret)")
        result.require("judging the new %s" % path, "The old file is still in place.")
    finally:
        host.files.remove(beside)
    return True


def backup_change(host: "System", path: str, content: Optional[Change]) -> Optional[Change]:
    """Return the change for a backup of a file's old contents, if they change."""
    now = host.files.stat(path)
    if content is None or now is None or now.kind != "file":
        return None
    return Change("backup", "", backup_path(host, path))


def backup_path(host: "System", path: str) -> str:
    """Return the path of the backup: named by the modification time, so that a plan knows it too.

    Programs that read whole folders (sudo, cron, logrotate, Apache) skip names that end in "~".
    """
    made = host.files.made(path)
    if math.isinf(made):
        return "%s.(when it will be written)~" % path
    return "%s.%s~" % (path, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(made)))


def keep_backup(host: "System", path: str) -> None:
    """Copy the file at path to backup_path, with its owner and mode."""
    now = host.files.stat(path)
    assert now is not None  # only an existing file has a backup
    host.files.copy(path, backup_path(host, path), replaced_mode(now, 0o600), now.uid, now.gid)
    host.files.sync()
