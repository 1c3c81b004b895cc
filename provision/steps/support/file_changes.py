"""Common code of steps on files: contents as diffs, modes and owners. Shipped to hosts (Python 3.8)."""

import difflib
import os
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, List, Optional, Sequence

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Step, mode_text
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Stat

#: larger contents are compared by hash and size, without a textual diff
DIFF_LIMIT = 512 * 1024
#: how many lines of a diff are sent to the controller
DIFF_LINES = 400


def keep_source(made: Step) -> None:
    """Turn the content of a new step into a Source."""
    content = getattr(made, "content")  # noqa: B009 (not all steps have one)
    if isinstance(content, (str, bytes, Secret)):
        object.__setattr__(made, "content", Source.of(content))


def attributes(s: Any, host: "System", now: "Optional[Stat]", new_mode: Optional[int]) -> List[Change]:
    """Return changes of mode, owner and group; for a new path (now is None) only what the step declares.

    A file of another owner or group loses set-ID bits, unless the step declares them: `set_attributes`.
    """
    found = []
    owner, group = getattr(s, "owner", None), getattr(s, "group", None)
    if owner is not None:
        before = host.accounts.user_name(now.uid) if now else ""
        if before != owner:
            found.append(Change("owner", before, owner))
    if group is not None:
        before = host.accounts.group_name(now.gid) if now else ""
        if before != group:
            found.append(Change("group", before, group))
    mode = s.mode if s.mode is not None else new_mode
    if mode is None and found:
        mode = mode_of_another_owner(now)
    if mode is not None and (now is None or (now.mode != mode and now.kind != "link")):
        found.insert(0, Change("mode", mode_text(now.mode) if now else "", mode_text(mode)))
    return found


def wanted_owner(s: Any, host: "System", now: "Optional[Stat]") -> "tuple[int, int]":
    """Return the ids for a file to write: the declared ones, else the current ones, else our own."""
    uid, gid = host.owner(getattr(s, "owner", None), getattr(s, "group", None))
    if now is not None and now.kind in ("file", "dir"):
        uid = now.uid if getattr(s, "owner", None) is None else uid
        gid = now.gid if getattr(s, "group", None) is None else gid
    return uid, gid


def replaced_mode(now: "Optional[Stat]", new: int) -> int:
    """Return the mode for replaced contents: the current one without set-ID bits, which only the former
    contents earned (write(2) drops them too). new: the mode if the file does not exist yet."""
    return now.mode & 0o1777 if now is not None and now.kind == "file" else new


def mode_of_another_owner(now: "Optional[Stat]") -> Optional[int]:
    """Return the mode that a file keeps when it gets another owner or group; None for anything else."""
    return replaced_mode(now, 0) if now is not None and now.kind == "file" else None


def refuse_gift(host: "System", path: str, now: "Optional[Stat]", uid: int, mode: int) -> None:
    """Raise StepError if the edit would let a user read what another user keeps in a private file.

    now: the file whose contents are kept, in a folder where users can rename files.  uid, mode: what the new
    file gets.
    """
    if now is None or now.kind != "file" or now.mode & 0o004 or not host.files.shared(path):
        return
    if uid not in (0, now.uid) or mode & ~now.mode & 0o044:
        owner = host.accounts.user_name(now.uid)
        raise StepError(
            "%s belongs to %s, who alone may read it; refusing to pass on what is in it" % (path, owner),
            hint="Anyone who can change its folder can have put it there. If it is right, change its owner first.",
        )


def set_attributes(s: Any, host: "System", now: "Stat", path: str = "") -> None:
    """Set the declared mode, owner and group on a path, by default the step's own.

    The owner comes first: chown(2) drops set-user-ID bits, which would make a program of one user's run as
    another.
    """
    path = path or s.path
    owner, group = getattr(s, "owner", None), getattr(s, "group", None)
    if owner is not None or group is not None:
        uid = now.uid if owner is None else host.accounts.uid(owner)
        gid = now.gid if group is None else host.accounts.gid(group)
        if (uid, gid) != (now.uid, now.gid):
            host.files.set_owner(path, uid, gid, s.mode if s.mode is not None else mode_of_another_owner(now))
            return
    if s.mode is not None:
        host.files.set_mode(path, s.mode)


def attribute_words(s: Any) -> str:
    """Return what else was found right, for a no-op's reason: ", mode 0644, owner root"."""
    words = [", mode %s" % mode_text(s.mode)] if s.mode is not None else []
    words += [", %s %s" % (what, value) for what in ("owner", "group") if (value := getattr(s, what))]
    return "".join(words)


def text_change(what: str, old: bytes, new: bytes, path: str) -> Change:
    """Return a unified diff of two contents, or their sizes if one of them is not text."""
    try:
        before, after = old.decode("utf-8").splitlines(), new.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return Change(what, size_text(len(old)), size_text(len(new)))
    if "\0" in "".join(before[:1] + after[:1]):
        return Change(what, size_text(len(old)), size_text(len(new)))
    lines = list(difflib.unified_diff(before, after, path, path, lineterm="", n=3))
    if not lines:
        return Change(what, "line ends or final newline", "")
    if len(lines) > DIFF_LINES:
        left_out = len(lines) - DIFF_LINES
        lines = [*lines[:DIFF_LINES], "... %d more lines" % left_out]
    return Change(what, text="\n".join(lines))


def size_text(size: int) -> str:
    """Return a number of bytes as text."""
    if size < 0:
        return "made on the controller"
    if size < 10 * 1024:
        return "%d bytes" % size
    return "%d kB" % (size // 1024) if size < 10 * 1024 * 1024 else "%d MB" % (size // 1024 // 1024)


def large_files() -> Optional[str]:
    """Return where large temporary files belong (file-hierarchy(7)); they are nameless, so none stays."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else None


def join(lines: List[str]) -> bytes:
    """Return lines as the contents of a text file."""
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")


def excluded(path: str, patterns: Sequence[str]) -> bool:
    """Return whether a pattern matches the path or its last name ("*.pyc", "node_modules", "var/cache")."""
    name = path.rsplit("/", 1)[-1]
    return any(fnmatch(path if "/" in pattern else name, pattern) for pattern in patterns)


def check_patterns(patterns: Sequence[str]) -> None:
    """Raise ValueError unless these patterns can exclude something below a directory."""
    if isinstance(patterns, str):
        raise ValueError("exclude must be a list")
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern or pattern.startswith("/") or pattern.endswith("/"):
            raise ValueError(
                'exclude takes names and paths below the directory, such as "*.pyc" or "var/cache", not %r'
                % (pattern,)
            )
