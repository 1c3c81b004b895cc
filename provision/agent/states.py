"""What is at a path, as a run remembers it to put it back: kind, mode, owner, attributes, contents by hash. Shipped."""

import base64
import os
import stat
from typing import Any, Dict, Iterator, Tuple

from provision.agent import caches
from provision.agent.files import ACL, DEFAULT_ACL, attribute, kind_of

#: extended attributes that are remembered (xattr(7))
ATTRIBUTES = (ACL, DEFAULT_ACL, "security.selinux", "security.capability")

#: {"kind": "absent"}, or kind, mode, uid, gid; of files size, sha256; of links target; attributes, as far as any
State = Dict[str, Any]

ABSENT: State = {"kind": "absent"}


def look(at: str) -> State:
    """The state of what is at a path; a link there is not followed. Raises OSError."""
    try:
        st = os.lstat(at)
    except (FileNotFoundError, NotADirectoryError):
        return dict(ABSENT)
    kind = kind_of(st.st_mode)
    found: State = {"kind": kind, "mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid, "gid": st.st_gid}
    if kind == "link":
        found["target"] = os.readlink(at)
        return found
    if kind == "file":
        found["size"], found["sha256"] = st.st_size, sha256(at)
    values = {name: attribute(at, name) for name in ATTRIBUTES}
    kept = {name: base64.b64encode(value).decode() for name, value in values.items() if value}
    if kept:
        found["attributes"] = kept
    return found


def sha256(at: str) -> str:
    """Hex digest of the file at a path, which is no link."""
    with open(os.open(at, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as f:
        return caches.sha256(f)


def below(folder: str) -> Iterator[Tuple[str, os.stat_result]]:
    """Every path below a folder, each folder before what is in it; links are not followed."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = "%s/%s" % (folder, entry.name)
        yield path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from below(path)


def attributes_of(state: State) -> Dict[str, bytes]:
    """The extended attributes of a remembered state."""
    return {name: base64.b64decode(text) for name, text in state.get("attributes", {}).items()}


def described(state: State) -> str:
    """A state in words, for a difference: "absent", "-> /opt/x", "file 0644"."""
    if state["kind"] == "absent":
        return ""
    return (
        "-> %s" % state["target"] if state["kind"] == "link" else "%s %04o" % (state["kind"], state["mode"])
    )
