"""Files to and from hosts, for `prov cp`: over the session that deploys use, as root where the login may become it."""

from __future__ import annotations

import binascii
import posixpath
import shutil
from base64 import b64decode
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from provision.controller.events import Answered, Notice
from provision.controller.outcome import Outcome
from provision.errors import ProvError
from provision.roles.role_host import Host
from provision.run.host_answers import answer_of
from provision.run.received_files import ReceivingFolder
from provision.steps import file_reading, files, tree
from provision.steps.support.inside import faults
from provision.system.memory.records import LONG, TEXT
from provision.system.shapes import having, items, listing, number, text
from provision.system.source import Source

#: the role of what a person has put on a host with prov: it belongs to no role, and is not pruned
BY_HAND = "prov cp"
#: parts of a file that are under way
MOST_PARTS = 4
#: what a host says of a path
PLACE = {"path": LONG, "kind": TEXT}
DETAILS = {"size": number(0, 1 << 60), "mode": number(0, 0o7777), "owner": TEXT, "group": TEXT}
INNER = listing(items(text(8192), TEXT, number(0, 1 << 60), number(0, 0o7777)), file_reading.MOST)
FOUND = having({**PLACE, "above": having(PLACE, DETAILS)}, {**DETAILS, "entries": INNER})
#: permission bits that a new file on a host gets at most
BITS = 0o755


def found_at(host: Host, path: str, *, inside: bool = False) -> dict[str, Any]:
    """Ask a host what is at a path. Raises ProvError for an answer that is none."""
    listed = file_reading.files_listed(host, path, host.facts.login_user, inside)
    answer: dict[str, Any] = answer_of(listed, FOUND)
    return answer


# -- to a host


def send(host: Host, sources: Sequence[Path], path: str) -> None:
    """Put local files and folders at a path of a host. Raises ProvError.

    A folder that exists gets them; otherwise the only one becomes the path. New files belong to the owner of the folder
    that they come into, existing ones keep owner and mode.
    """
    host.started().role = BY_HAND
    place = found_at(host, path)
    folder = place["kind"] == "dir"
    if not folder and (len(sources) > 1 or path.endswith("/")):
        raise ProvError(f"{path} is not a folder on the host", hint=f"prov run {host.name} -- mkdir {path}")
    if not folder and place["above"]["kind"] != "dir":
        raise ProvError(f"there is no folder {place['above']['path']} on the host", hint="Make it first.")
    owners = place if folder else place["above"]
    for source in sources:
        target = posixpath.join(place["path"], source.resolve().name) if folder else place["path"]
        send_one(host, source, target, owners)


def send_one(host: Host, source: Path, target: str, owners: dict[str, Any]) -> None:
    """Put one file or folder at a path. owners: "owner" and "group" of what is new."""
    owner, group = (None if name.isdecimal() else name for name in (owners["owner"], owners["group"]))
    if source.is_dir():
        tree.sync(
            host, source.resolve(), to=target, delete=False, outside_links=True, owner=owner, group=group
        )
        return
    now = found_at(host, target)
    if now["kind"] == "dir":
        raise ProvError(f"{target} is a folder on the host, and {source} is a file")
    content = Source.of_file(source)
    # it may hold secrets: no report and no record shows what is in it
    content.secret = True
    if now["kind"] == "file":
        files.file(host, target, content)
    else:
        mode = source.stat().st_mode & BITS
        files.file(host, target, content, mode=mode, owner=owner, group=group)


# -- from a host


def receive(host: Host, paths: Sequence[str], to: Path, *, folders: bool, into: bool, umask: int) -> None:
    """Put files and folders of a host on this machine. Raises ProvError.

    folders: folders may be copied.  into: `to` is a folder that gets them; otherwise the only one becomes `to`.
    umask: of this process.
    """
    for path in paths:
        found = found_at(host, path, inside=folders)
        if found["kind"] not in ("file", "dir"):
            raise ProvError(
                f"{path} does not exist on the host"
                if found["kind"] == "absent"
                else f"{path} is not a file or folder"
            )
        if found["kind"] == "dir" and not folders:
            raise ProvError(f"{path} is a folder", hint="Folders are copied with -r.")
        top = ReceivingFolder(to / posixpath.basename(posixpath.normpath(path)) if into else to, umask)
        receive_one(host, found, top)


def receive_one(host: Host, found: dict[str, Any], top: ReceivingFolder) -> None:
    """Put a file or folder at its place. found: what the host says of it."""
    entries = wanted(host, found)
    size = sum(entry[2] for entry in entries)
    free = shutil.disk_usage(top.top.parent).free
    if size > free:
        raise ProvError(f"{found['path']} has {size} bytes, and {top.top.parent} has room for {free}")
    for name, kind, length, mode in entries:
        if kind == "dir":
            top.folder(name)
        else:
            top.file(
                name,
                mode,
                parts(host, posixpath.join(found["path"], name) if name else found["path"], length),
            )
    values = {"from": found["path"], "to": str(top.top), "bytes": size}
    number_of = sum(entry[1] == "file" for entry in entries)
    host.emit(Answered(host.name, "copied", {**values, "files": number_of}))


def wanted(host: Host, found: dict[str, Any]) -> list[Sequence[Any]]:
    """Return what is copied: name below the top ("" for itself), kind, size and mode; each folder before what is in it.

    Raises ProvError if a name leads outside.
    """
    if found["kind"] == "file":
        return [("", "file", found["size"], found["mode"])]
    inner = found.get("entries", ())
    copied = [entry for entry in inner if entry[1] in ("file", "dir")]
    for fault in faults({entry[0]: entry[1] for entry in copied}, {}):
        raise ProvError(f"the host's answer is refused: {fault.path!r}: {fault.why}")
    left = [entry[0] for entry in inner if entry[1] not in ("file", "dir")]
    if left:
        host.emit(Notice(host.name, f"links, pipes and devices are not copied: {', '.join(left[:5])}"))
    return [("", "dir", 0, 0), *copied]


def parts(host: Host, path: str, size: int) -> Iterator[bytes]:
    """Yield the contents of a file. Raises ProvError if they are not as long as the host has said."""
    under_way: deque[Outcome] = deque()
    for offset in range(0, size, file_reading.LARGEST):
        under_way.append(file_reading.part_read(host, path, offset, min(file_reading.LARGEST, size - offset)))
        if len(under_way) >= MOST_PARTS:
            yield content_of(under_way.popleft())
    while under_way:
        yield content_of(under_way.popleft())


def content_of(outcome: Outcome) -> bytes:
    """Return what a host has read, and forget it there. Raises ProvError."""
    step = outcome.step
    assert isinstance(step, file_reading.PartRead)
    try:
        data = b64decode(outcome.stdout, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != step.size:
        raise ProvError(f"the host's answer is invalid: expected {step.size} bytes of {step.path}")
    # sessions keep their outcomes to the end
    outcome.settle(outcome.answer.replace(stdout=""))
    return data
