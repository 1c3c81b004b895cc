"""A host's disk: an overlay mount with its own writable layer above the image's read-only layers.

Source: the kernel's Documentation/filesystems/overlayfs.rst ("Volatile mount", "Multiple lower layers").
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab import programs_run
from provision.lab.lab_host import HostRecord
from provision.lab.store import HostDir, Lab

# systemd-nspawn keeps here a lock for each image and folders for each machine, unix-export as a mount (since
# systemd 256). It leaves them if it is killed.
_NSPAWN = Path("/run/systemd/nspawn")


def mount(lab: Lab, host: HostDir, record: HostRecord) -> None:
    """Mount the host's file system unless it is mounted.

    Raises LabError if the disk cannot carry an overlay.
    """
    if is_mounted(host):
        return
    gone = [layer for layer in record.layers if not (lab.images / layer).is_dir()]
    if gone:
        raise LabError(
            f"{host.name} stands on the image {', '.join(gone)}, which is gone",
            hint=f"prov lab down {host.name} && prov lab up {host.name}",
        )
    host.disk.mkdir(mode=0o700, exist_ok=True)
    upper, work = host.disk / "upper", host.disk / "work"
    if work.exists():
        shutil.rmtree(work)  # it marks a volatile mount that was not unmounted, which overlayfs refuses
    for folder in (upper, work, host.root):
        folder.mkdir(mode=0o755, exist_ok=True)
    lower = ":".join(str(lab.images / layer) for layer in record.layers)
    # volatile: otherwise an unmount syncs the machine's whole file system to disk, which takes seconds. The
    # price: after a crash of the machine, a lab host may have lost data that it believed to be on disk.
    options = f"lowerdir={lower},upperdir={upper},workdir={work},volatile"
    try:
        programs_run.run(["mount", "-t", "overlay", "overlay", "-o", options, str(host.root)])
    except LabError as error:
        raise LabError(
            f"{host.name}'s disk cannot be mounted: {error.message}",
            hint="The lab's folder must be on a disk or a tmpfs, not on a network file system:"
            " PROV_LAB_DIR=/somewhere/prov-lab.",
        ) from error


def is_mounted(host: HostDir) -> bool:
    """Return whether the host's file system is mounted."""
    return host.root.is_mount()


def forget_runtime(host: HostDir, machine: str) -> None:
    """Remove what a killed systemd-nspawn leaves under /run for this host.

    The host has ended, and its disk is mounted.
    """
    if is_mounted(host):
        root = host.root.stat()
        (_NSPAWN / "locks" / f"inode-{root.st_dev}:{root.st_ino}").unlink(missing_ok=True)
    for kind in ("propagate", "unix-export"):
        folder = _NSPAWN / kind / machine
        if folder.is_dir():
            if folder.is_mount():
                programs_run.run(["umount", str(folder)])
            shutil.rmtree(folder)


def forget_runtime_folders() -> None:
    """Remove systemd-nspawn's folders under /run if they are empty; it makes them again when needed."""
    for folder in (_NSPAWN / "propagate", _NSPAWN / "unix-export", _NSPAWN / "locks", _NSPAWN):
        with suppress(OSError):
            folder.rmdir()


def unmount(host: HostDir) -> None:
    """Unmount the host's file system and everything mounted in it. Raises LabError if it stays mounted."""
    if not is_mounted(host):
        return
    try:
        programs_run.run(["umount", "--recursive", str(host.root)])
    except LabError:
        # lazy: a shell of this machine in the host's root keeps it busy; only that shell keeps its files
        programs_run.run(["umount", "--recursive", "--lazy", str(host.root)])


def wipe(host: HostDir) -> None:
    """Remove everything that the host has written. Its disk must not be mounted."""
    if not host.disk.exists():
        return
    if is_mounted(host):
        raise LabError(f"{host.root} is still mounted", hint=f"umount {host.root}")
    try:
        shutil.rmtree(host.disk)
    except PermissionError:
        # only chattr(1)'s immutable and append-only stop root, and hardened hosts use them
        programs_run.run(["chattr", "-R", "-f", "-i", "-a", os.fspath(host.disk)])
        shutil.rmtree(host.disk)
