"""Keep a lab in memory if its folder is on an overlay, as in a container or on a lab host.

A host's disk is an overlay, and an overlay cannot keep its changes on another overlay; on a tmpfs it can.
Source: the kernel's Documentation/filesystems/overlayfs.rst ("Upper and lower layers"), and proc.rst
("/proc/<pid>/mountinfo").
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab import programs_run
from provision.lab.store import Lab
from provision.locks import locked

_NAME = "prov-lab-memory"
_MOUNTS = Path("/proc/self/mountinfo")


def ensure(lab: Lab, progress: Callable[[str], None]) -> None:
    """Mount a tmpfs on the lab's folder if it is on an overlay. Raises LabError if the folder is in use."""
    if file_system(lab.path)[0] != "overlay":
        return
    with locked(lab.path):
        if file_system(lab.path)[0] != "overlay":
            return  # another process was faster
        if any(lab.path.iterdir()):
            raise LabError(
                f"{lab.path} is on an overlay, as in a container; the disks of lab hosts cannot be",
                hint="Name an empty folder, or one on a disk: PROV_LAB_DIR=/somewhere/prov-lab.",
            )
        progress(f"{lab.path} is on an overlay, where no host's disk can be: the lab is kept in memory")
        programs_run.run(["mount", "-t", "tmpfs", "-o", "mode=755", _NAME, str(lab.path)])


def release(lab: Lab) -> None:
    """Undo ensure() once the lab is empty, even of images. The caller holds the lab's lock."""
    if lab.path.is_dir() and file_system(lab.path)[1] == _NAME and not any(lab.path.iterdir()):
        # lazy: a process that waits for the lab's lock has the folder open
        programs_run.run(["umount", "--lazy", str(lab.path)])


def file_system(path: Path, mounts: Path = _MOUNTS) -> tuple[str, str]:
    """Return type and source of the file system for a path, which need not exist; ("", "") if unknown."""
    there = next(parent for parent in (path, *path.parents) if parent.is_dir())
    device = there.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    found = ("", "")
    for line in mounts.read_text().splitlines():
        fields, _, described = line.partition(" - ")
        with suppress(IndexError):  # not a line that the kernel writes
            if fields.split()[2] == number:
                found = (described.split()[0], described.split()[1])
    return found
