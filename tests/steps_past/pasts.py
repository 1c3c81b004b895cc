"""What hosts have: files as editors, packages, other systems and people have left them."""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

#: accounts that every Debian has
PEOPLE = {"root": (0, 0), "games": (5, 60), "daemon": (1, 1), "www-data": (33, 33)}
MODES = (0o644, 0o600, 0o640, 0o444, 0o664, 0o755, 0o4755, 0o2755, 0o1644, 0o000)
#: line ends, as editors of three systems and copies between them leave them
ENDS = ("\n", "\r\n")


class Attributes(NamedTuple):
    """What a file has besides contents. acl: rights of the user games. other: an attribute of the user's own."""

    owner: str = "root"
    mode: int = 0o644
    acl: bool = False
    other: bool = False


class There(NamedTuple):
    """What is at a path. kind: none, file, folder, link (to a file beside it), broken (a link), hard (another name
    of a file beside it), pipe."""

    kind: str
    data: bytes = b""
    attributes: Attributes = Attributes()


def attributes() -> st.SearchStrategy[Attributes]:
    """Owners, modes, lists."""
    return st.builds(
        Attributes, st.sampled_from(sorted(PEOPLE)), st.sampled_from(MODES), st.booleans(), st.booleans()
    )


def texts(lines: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Text files of such lines: line ends of one kind or mixed, the last one missing, a mark at the beginning, bytes
    of Latin-1, NUL."""

    def joined(parts: list[tuple[str, str]], mark: bool, ended: bool, odd: bytes) -> bytes:
        text = "".join(line + end for line, end in parts)
        if parts and not ended:
            text = text[: -len(parts[-1][1])]
        return (b"\xef\xbb\xbf" if mark else b"") + odd + text.encode("utf-8", "surrogateescape")

    mixed = st.lists(st.tuples(lines, st.sampled_from(ENDS)), max_size=8)
    one = st.sampled_from(ENDS).flatmap(lambda end: st.lists(st.tuples(lines, st.just(end)), max_size=8))
    odd = st.sampled_from([b"", b"", b"", b"# caf\xe9\n", b"\n", b"x\0y\n", b"\x0c\n", "\u2028\n".encode()])
    return st.builds(joined, mixed | one | one, st.integers(0, 4).map(lambda n: n == 0), st.booleans(), odd)


def theres(data: st.SearchStrategy[bytes]) -> st.SearchStrategy[There]:
    """Whatever may be at a path where a file is wanted."""
    kinds = st.sampled_from(
        ["none", "file", "file", "file", "file", "folder", "link", "broken", "hard", "pipe"]
    )
    return st.builds(There, kinds, data, attributes())


def put(there: There, at: Path) -> None:
    """Make it, by other means than prov. What a link leads to is beside it, with ".end" at its name."""
    beside = at.with_name(at.name + ".end")
    if there.kind == "folder":
        at.mkdir()
        (at / "inside").write_bytes(there.data)
    elif there.kind == "pipe":
        os.mkfifo(at)
    elif there.kind == "broken":
        at.symlink_to(beside.name)
        return
    elif there.kind in ("link", "hard"):
        beside.write_bytes(there.data)
        at.symlink_to(beside.name) if there.kind == "link" else at.hardlink_to(beside)
    elif there.kind == "file":
        at.write_bytes(there.data)
    else:
        return
    give(at, there.attributes)


def give(at: Path, attributes: Attributes) -> None:
    """Give owner, mode and lists to what is there, or to what it leads to."""
    shutil.chown(at, *PEOPLE[attributes.owner])
    at.chmod(attributes.mode)
    if attributes.acl:
        os.setxattr(at, "system.posix_acl_access", acl(at.stat().st_mode & 0o777, PEOPLE["games"][0]))
    if attributes.other and at.is_file():
        os.setxattr(at, "user.note", b"by hand")


def acl(mode: int, user: int) -> bytes:
    """An access control list that also lets a user read (acl(5); linux/posix_acl_xattr.h)."""
    none = 0xFFFFFFFF
    entries = [(0x01, mode >> 6 & 7, none), (0x02, 4, user), (0x04, mode >> 3 & 7, none)]
    entries += [(0x10, mode >> 3 & 7 | 4, none), (0x20, mode & 7, none)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
