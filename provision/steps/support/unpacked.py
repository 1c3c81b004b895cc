"""Records of unpacked archives, kept where only root can write. Shipped to hosts (Python 3.8)."""

import json
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, List, Mapping, NamedTuple, Optional, Sequence

from provision.steps.support.inside import name_fault

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Stat


class Unpacked(NamedTuple):
    """sha256: of the archive; "" if it is not known, or unpacking did not finish.  members: files and links.
    contents: the result of `contents` for each member."""

    sha256: str = ""
    strip: int = 0
    members: Sequence[str] = ()
    contents: Mapping[str, str] = MappingProxyType({})


def remembered(host: "System", path: str, name: str) -> Unpacked:
    """Return the record of what was unpacked at a path under that name."""
    found = host.remembered.get("unpack", "%s %s" % (path, name)) or read_former(host, former(path, name))
    members, strip = found.get("members"), found.get("strip")
    if not isinstance(members, list) or not isinstance(strip, int):
        return Unpacked()
    # files are removed by this record
    below: List[str] = [m for m in members if isinstance(m, str) and m and not name_fault(m)]
    held = found.get("contents")
    return Unpacked(str(found.get("sha256", "")), strip, below, held if isinstance(held, dict) else {})


def contents(host: "System", at: str, now: "Optional[Stat]" = None) -> str:
    """Return a value that shows whether a file or link still is as it was unpacked."""
    now = now or host.files.stat(at)
    if now is None or now.kind not in ("file", "link"):
        return ""
    return "-> %s" % now.target if now.kind == "link" else host.files.sha256(at)


def remember(host: "System", path: str, name: str, what: Unpacked) -> None:
    """Write the record to disk before this returns."""
    record = {**what._asdict(), "members": list(what.members), "contents": dict(what.contents)}
    host.remembered.put("unpack", "%s %s" % (path, name), record)


def former(path: str, name: str) -> str:
    """Return where earlier versions of prov kept the record: in the folder itself."""
    return "%s/.prov-%s.json" % (path, name)


def read_former(host: "System", at: str) -> "dict[str, object]":
    """Return the record in such a file, if only root and this user can have written it; else an empty one."""
    now = host.files.stat(at)
    mine = now is not None and now.kind == "file" and now.uid in (0, os.geteuid()) and not now.mode & 0o022
    if not mine or host.files.shared(at):
        return {}
    try:
        found = json.loads(host.files.read(at).decode())
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
