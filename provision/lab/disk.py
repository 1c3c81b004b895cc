"""A host's disk: an overlay mount of its own writes over the image's layers, which nothing writes to.

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

# Where systemd-nspawn keeps a lock for each image and folders for each machine, unix-export as a mount (since
# systemd 256). One that is killed leaves them.
_NSPAWN = Path("/run/systemd/nspawn")


def mount(lab: Lab, host: HostDir, record: HostRecord) -> None:
    """Mount the host's file system, unless it is. Raises LabError if this file system cannot carry an overlay."""
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
        shutil.rmtree(work)  # it marks a volatile mount that was not the last one, which overlayfs refuses
    for folder in (upper, work, host.root):
        folder.mkdir(mode=0o755, exist_ok=True)
    lower = ":".join(str(lab.images / layer) for layer in record.layers)
    # volatile: or unmounting writes all of the machine's file system to the disk first, for seconds. The price:
    # after a crash of the machine a lab host may have lost what it thought was on the disk.
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
    """Whether the host's file system is mounted."""
    return host.root.is_mount()


def forget_runtime(host: HostDir, machine: str) -> None:
    """Remove what a killed systemd-nspawn leaves under /run for this host. The host has ended, and is mounted."""
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
    """Remove systemd-nspawn's folders under /run if nothing is in them; it makes them when it needs them."""
    for folder in (_NSPAWN / "propagate", _NSPAWN / "unix-export", _NSPAWN / "locks", _NSPAWN):
        with suppress(OSError):
            folder.rmdir()


def unmount(host: HostDir) -> None:
    """Unmount the host's file system and whatever is mounted in it. Raises LabError if it stays."""
    if not is_mounted(host):
        return
    try:
        programs_run.run(["umount", "--recursive", str(host.root)])
    except LabError:
        # a shell of the machine that stands in the host's root keeps it busy: it keeps its files, we ours
        programs_run.run(["umount", "--recursive", "--lazy", str(host.root)])


def wipe(host: HostDir) -> None:
    """Remove all that the host has written. It is not mounted."""
    if not host.disk.exists():
        return
    if is_mounted(host):
        raise LabError(f"{host.root} is still mounted", hint=f"umount {host.root}")
    try:
        shutil.rmtree(host.disk)
    except PermissionError:
        # root is refused only by chattr(1)'s immutable and append-only, which hardened hosts use
        programs_run.run(["chattr", "-R", "-f", "-i", "-a", os.fspath(host.disk)])
        shutil.rmtree(host.disk)
