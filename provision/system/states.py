"""What is at a path, as a run remembers it to put it back: kind, mode, owner, attributes, contents by hash. Shipped."""

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

#: extended attributes that are remembered (xattr(7)), besides those that users give
ATTRIBUTES = (ACL, DEFAULT_ACL, LABEL, "security.capability")

#: {"kind": "absent"}; {"kind": "hidden"} where no safe way leads; or kind, mode, uid, gid; of files size, sha256; of
#: links target; attributes, as far as any
State = Dict[str, Any]

ABSENT: State = {"kind": "absent"}
HIDDEN: State = {"kind": "hidden"}


def look(path: str) -> State:
    """The state of what is at a path; a link there is not followed. Raises OSError."""
    try:
        with way(path) as at:
            return look_in(at.fd, at.name)
    except NoWay:
        return dict(ABSENT)
    except StepError:
        # another user has put a link on the way
        return dict(HIDDEN)


def look_in(folder: int, name: str) -> State:
    """The state of what a name in an open folder stands for. Raises OSError."""
    try:
        fd = open_named(name, folder)
    except FileNotFoundError:
        return dict(ABSENT)
    try:
        return state_of(fd)
    finally:
        os.close(fd)


def state_of(fd: int) -> State:
    """The state of what a descriptor stands for. Raises OSError."""
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
    """Something in a folder. path: below that.  folder, name: where it is, while `below` goes on.  size: bytes."""

    path: str
    folder: int
    name: str
    size: int


def below(folder: int, name: str, prefix: str = "") -> Iterator[Inner]:
    """All that is in a folder, each folder before what is in it; links are not followed. Raises OSError.

    folder, name: an open folder, and the name of a folder in it. What disappears during the walk is passed over.
    Raises StepError for a tree that is too deep.
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
    """The paths of all that is in a folder, below that. Raises OSError, StepError."""
    with way(path) as at:
        return [inner.path for inner in below(at.fd, at.name)]


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
