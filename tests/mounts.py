"""Temporary folders that can hold the upper side of an overlay, where this machine's root is itself an overlay.

An overlay cannot keep its changes on an overlay, which is what the root of a container and of a lab host is.
Source: the kernel's Documentation/filesystems/overlayfs.rst ("Upper and lower layers").
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

_NEW_MOUNTS = 0x00020000  # unshare(2), CLONE_NEWNS
_BOOTED = Path("/run/systemd/system")  # sd_booted(3)
_PARENT = "PYTEST_DEBUG_TEMPROOT"  # pytest makes its temporary folders there


def parent() -> Path:
    """Where temporary folders of tests belong."""
    return Path(os.environ.get(_PARENT) or tempfile.gettempdir())


def kind_of(path: Path) -> str:
    """The type of the file system that a folder is on, such as "ext4" or "overlay"."""
    argv = ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()[-1]


def off_overlays() -> None:
    """Have pytest make its temporary folders in shared memory if they would be on an overlay: for tests that boot
    hosts, which are outside of any namespace of the tests."""
    if kind_of(parent()) == "overlay":
        os.environ[_PARENT] = "/dev/shm"


def room_for_overlays() -> Callable[[], None]:
    """Give pytest a tmpfs for its temporary folders if they would be on an overlay.

    The mount is in a namespace of this process and its children, so it goes with them, however they end. Where
    systemd is init it is not: what steps have systemd start has to see it. (Shared memory is not large enough
    everywhere, in containers of Docker it has 64 MB; and sandboxes of systemd have one of their own.)
    Returns what removes the folder that it was mounted on.
    """
    if kind_of(parent()) != "overlay":
        return lambda: None
    if not _BOOTED.is_dir():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEW_MOUNTS):
            number = ctypes.get_errno()
            raise OSError(number, f"no mount namespace for the tests: {os.strerror(number)}")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="prov-", dir=parent()))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(folder)], check=True)
    os.environ[_PARENT] = str(folder)

    def remove() -> None:
        os.environ.pop(_PARENT)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()

    return remove
