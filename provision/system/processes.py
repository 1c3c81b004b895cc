"""Processes of the host, by proc(5). Shipped with the steps that ask about them."""

import os
import re
from typing import Iterator, NamedTuple, Optional


class Process(NamedTuple):
    """A process that runs. unit: of systemd's, in which it does; "" if in none."""

    pid: int
    program: str
    unit: str

    def __str__(self) -> str:
        """For people: nginx (process 812, nginx.service)."""
        return "%s (%s)" % (self.program, ", ".join(filter(None, ["process %d" % self.pid, self.unit])))


def pids() -> Iterator[int]:
    """Numbers of all processes."""
    return map(int, filter(str.isdigit, os.listdir("/proc")))


def process(pid: int) -> Optional[Process]:
    """The process of that number; None if it has ended."""
    words = [_read(pid, name) for name in ("stat", "cgroup")]
    if words[0] is None or words[1] is None:
        return None
    program, _, rest = words[0].partition(" (")[2].rpartition(")")
    if rest.split()[0] in "ZX":
        return None
    # the innermost unit: a user's own systemd runs units in one
    units = re.findall(r"/([^/\n]+\.(?:service|socket|scope))(?=/|$)", words[1], re.MULTILINE)
    return Process(pid, program, units[-1] if units else "")


def of_user(uid: int) -> Iterator[Process]:
    """The processes of a user. Containers may have users of the same id: theirs are left out, as userdel(8) does."""
    for pid in filter(on_this_system, pids()):
        status = _read(pid, "status") or ""
        found = re.search(r"(?m)^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)", status)
        if found and str(uid) in found.groups():
            now = process(pid)
            if now is not None:
                yield now


def on_this_system(pid: int) -> bool:
    """Whether a process sees the same root folder as we do; one in a container or chroot does not."""
    try:
        theirs, ours = os.stat("/proc/%d/root" % pid), os.stat("/")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)


def _read(pid: int, name: str) -> Optional[str]:
    try:
        with open("/proc/%d/%s" % (pid, name), encoding="utf-8", errors="replace") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
