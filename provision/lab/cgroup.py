"""A control group for each host: it shows whether the host runs, and ends exactly the host's processes.

No process ids are stored, so a reused id cannot hit another process.
Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (cgroup.events, cgroup.kill).
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError

# mount points of the second version in hybrid and in unified hierarchies
_MOUNTS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))

# in hybrid hierarchies systemd-nspawn also makes the group here ("sync_cgroup" in its nspawn-cgroup.c)
_NAMED = Path("/sys/fs/cgroup/systemd")

KILL_SECONDS = 60.0


def under_systemd() -> bool:
    """Return whether systemd is this machine's init, by the test of sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def _mount() -> Path | None:
    return next((path for path in _MOUNTS if (path / "cgroup.controllers").exists()), None)


def path(name: str) -> Path:
    """Return the path of the group with a name.

    It is at the top, or, with systemd as init, that of the unit with that name.
    """
    top = _mount() or _MOUNTS[0]
    return top / "system.slice" / f"{name}.service" if under_systemd() else top / name


def check() -> None:
    """Raise LabError if this machine's kernel or setup lacks what the lab needs of control groups."""
    if not _mount():
        raise LabError(
            "cgroup v2 is not mounted on this machine",
            hint="mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified",
        )


def populated(group: Path) -> bool:
    """Return whether a process is in the group or below it."""
    try:
        events = (group / "cgroup.events").read_text()
    except OSError:
        # no such group; ENODEV if it is removed during the read
        return False
    return "populated 1" in events.splitlines()


def make(group: Path) -> None:
    """Make the group, empty. Raises LabError if the kernel cannot end all of a group's processes at once."""
    group.mkdir()
    if not (group / "cgroup.kill").exists():
        group.rmdir()
        raise LabError("this machine's kernel is too old for the lab", hint="Linux 5.14 or newer is needed.")


def freeze(group: Path) -> None:
    """Freeze all processes of the group. Raises LabError if they do not stop."""
    (group / "cgroup.freeze").write_text("1")
    deadline = time.monotonic() + KILL_SECONDS
    while "frozen 1" not in (group / "cgroup.events").read_text().splitlines():
        if time.monotonic() > deadline:
            thaw(group)
            raise LabError(f"the processes in {group} cannot be held still")
        time.sleep(0.005)


def thaw(group: Path) -> None:
    """Let the processes of the group continue."""
    (group / "cgroup.freeze").write_text("0")


def end(group: Path, *, remove: bool) -> None:
    """End every process of the group with SIGKILL, wait until they are gone, and remove the group if asked.

    Raises LabError if they stay. A process that joins during the call (of a host that was being started) is
    ended too.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        with suppress(FileNotFoundError):  # the group was removed between two calls
            if populated(group):
                (group / "cgroup.kill").write_text("1")
            elif not remove or _removed(group):
                return
        if time.monotonic() > deadline:
            raise LabError(f"the processes in {group} do not end", hint=f"See {group}/cgroup.procs.")
        time.sleep(0.005)


def _removed(group: Path) -> bool:
    """Remove the group and those below it; return False if something in it is still in use."""
    try:
        for top in (group, _NAMED / group.name):
            for folder, _, _ in os.walk(top, topdown=False):
                Path(folder).rmdir()
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise
    return True
