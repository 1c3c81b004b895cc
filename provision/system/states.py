"""The state of a path, as a run keeps it for an undo: kind, mode, owner, attributes, content hash.

Shipped.
"""

import base64
import contextlib
import os
import stat
from typing import Any, Dict, Iterator, List, NamedTuple

from provision.errors import StepError
from provision.system import caches
from provision.system.descriptors import (
    DEEPEST,
    DEFAULT_ACL,
    LABEL,
    attribute,
    own_attributes,
    reopen,
    too_deep,
)
from provision.system.paths import ACL, FOLDER, NoWay, kind_of, open_named, reached, way

CAPABILITY = "security.capability"
#: extended attributes that are remembered (xattr(7)), besides those set by users
ATTRIBUTES = (ACL, DEFAULT_ACL, LABEL, CAPABILITY)

#: {"kind": "absent"}; {"kind": "hidden"} if no safe way leads there; or kind, mode, uid, gid; for files size,
#: sha256; for links target; attributes, if there are any
State = Dict[str, Any]

ABSENT: State = {"kind": "absent"}
HIDDEN: State = {"kind": "hidden"}


def look(path: str) -> State:
    """Return the state of a path; a link there is not followed. Raises OSError."""
    try:
        with way(path) as at:
            return look_in(at.fd, at.name)
    except NoWay:
        return dict(ABSENT)
    except StepError:
        # another user has put a link on the way
        return dict(HIDDEN)


def look_in(folder: int, name: str) -> State:
    """Return the state of a name in an open folder. Raises OSError."""
    try:
        fd = open_named(name, folder)
    except FileNotFoundError:
        return dict(ABSENT)
    try:
        return state_of(fd)
    finally:
        os.close(fd)


def state_of(fd: int) -> State:
    """Return the state of what a descriptor refers to. Raises OSError."""
    st = os.fstat(fd)
    kind = kind_of(st.st_mode)
    found: State = {"kind": kind, "mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid, "gid": st.st_gid}
    if kind == "link":
        found["target"] = os.readlink("", dir_fd=fd)
        return found
    if kind == "file":
        with reopen(fd, reached(fd)) as f:
            found["size"], found["sha256"] = st.st_size, caches.sha256(f)
    at = reached(fd)
    values = {name: attribute(at, name) for name in (*ATTRIBUTES, *own_attributes(at))}
    encoded = {name: base64.b64encode(value).decode() for name, value in values.items() if value}
    if encoded:
        found["attributes"] = encoded
    return found


class Inner(NamedTuple):
    """An entry below a folder. path: below that.  folder, name: where it is, during `below`.  size: bytes."""

    path: str
    folder: int
    name: str
    size: int


def below(folder: int, name: str, prefix: str = "") -> Iterator[Inner]:
    """Yield everything in a folder, each folder before its contents; links are not followed. Raises OSError.

    folder, name: an open folder, and the name of a folder in it. Entries that disappear during the walk are
    skipped. Raises StepError for a tree that is too deep.
    """
    if prefix.count("/") > DEEPEST:
        raise too_deep(prefix)
    fd = os.open(name, FOLDER, dir_fd=folder)
    try:
        for each in sorted(os.listdir(fd)):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                st = os.stat(each, dir_fd=fd, follow_symlinks=False)
                yield Inner(prefix + each, fd, each, st.st_size)
                if stat.S_ISDIR(st.st_mode):
                    yield from below(fd, each, "%s%s/" % (prefix, each))
    finally:
        os.close(fd)


def names_below(path: str) -> List[str]:
    """Return the paths of everything in a folder, relative to it. Raises OSError, StepError."""
    with way(path) as at:
        return [inner.path for inner in below(at.fd, at.name)]


def attributes_of(state: State) -> Dict[str, bytes]:
    """Return the extended attributes of a remembered state."""
    return {name: base64.b64decode(text) for name, text in state.get("attributes", {}).items()}


def described(state: State) -> str:
    """Describe a state, for a diff: "absent", "-> /opt/x", "file 0644"."""
    if state["kind"] == "absent":
        return ""
    return (
        "-> %s" % state["target"] if state["kind"] == "link" else "%s %04o" % (state["kind"], state["mode"])
    )
