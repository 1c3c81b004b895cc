"""Processes of the host, by proc(5). Shipped with the steps that query them."""

import os
import re
from typing import Iterator, NamedTuple, Optional


class RunningProcess(NamedTuple):
    """A running process. unit: its systemd unit; "" if it has none."""

    pid: int
    program: str
    unit: str

    def __str__(self) -> str:
        """Return a text for users: nginx (process 812, nginx.service)."""
        return "%s (%s)" % (self.program, ", ".join(filter(None, ["process %d" % self.pid, self.unit])))


def pids() -> Iterator[int]:
    """Return the ids of all processes."""
    return map(int, filter(str.isdigit, os.listdir("/proc")))


def process(pid: int) -> Optional[RunningProcess]:
    """Return the process with an id; None if it has ended."""
    stat, cgroup = said_of(pid, "stat"), said_of(pid, "cgroup")
    if not stat or not cgroup or has_ended(stat):
        return None
    # the innermost unit, because a user's systemd runs units in one
    units = re.findall(r"/([^/\n]+\.(?:service|socket|scope))(?=/|$)", cgroup, re.MULTILINE)
    return RunningProcess(pid, stat.partition(" (")[2].rpartition(")")[0], units[-1] if units else "")


def is_alive(pid: int) -> bool:
    """Return whether a process exists and has not ended: a zombie only waits to be reaped."""
    stat = said_of(pid, "stat")
    return bool(stat) and not has_ended(stat)


def has_ended(stat: str) -> bool:
    """Return whether a process is a zombie, or dead, by its stat; the name in it may contain anything."""
    return stat.rpartition(")")[2].split()[0] in "ZX"


def of_user(uid: int) -> Iterator[RunningProcess]:
    """Return a user's processes. Like userdel(8), this skips users of containers with the same id."""
    ours = os.stat("/")
    return (found for found in with_id(uid) if sees(found.pid, ours))


def with_id(uid: int) -> Iterator[RunningProcess]:
    """Return the processes with a user's id as one of their four, in any container."""
    for pid in pids():
        status = said_of(pid, "status")
        found = re.search(r"(?m)^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)", status)
        if found and str(uid) in found.groups():
            now = process(pid)
            if now is not None:
                yield now


def sees(pid: int, root: os.stat_result) -> bool:
    """Return whether a folder is the root folder of a process; in a container or chroot, prov's is not."""
    try:
        return os.path.samestat(os.stat("/proc/%d/root" % pid), root)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def said_of(pid: int, name: str) -> str:
    """Return a file of proc(5) about a process; "" if the process has ended, or if it is not readable."""
    try:
        with open("/proc/%d/%s" % (pid, name), encoding="utf-8", errors="replace") as f:
            return f.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
