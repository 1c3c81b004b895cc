"""Credentials of a command: files in memory that only its own processes see. Shipped to hosts (Python 3.8).

The command gets a mount namespace of its own, with a ramfs over a folder that it has no business in. A ramfs is never
swapped out. It ends with the last of the command's processes, also if prov is killed.
Source: mount_namespaces(7), mount(2), systemd.exec(5) ("$CREDENTIALS_DIRECTORY").
"""

import ctypes
import os
import pwd
import re
from typing import Any, Callable, Mapping

from provision.secrets import Secret

VARIABLE = "CREDENTIALS_DIRECTORY"
NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")
CLONE_NEWNS = 0x20000
READ_ONLY, NO_SUID, NO_DEVICES, NO_PROGRAMS, REMOUNT, ALL_BELOW, SLAVE = 1, 2, 4, 8, 32, 16384, 1 << 19
#: flags of the file system
HARMLESS = NO_SUID | NO_DEVICES | NO_PROGRAMS


def is_name(name: object) -> bool:
    """Return whether this can be the name of a credential, which is that of a file."""
    return isinstance(name, str) and bool(NAME.fullmatch(name)) and name not in (".", "..")


def check_credentials(credentials: "Mapping[str, Secret]") -> None:
    """Raise ValueError unless these are names of files and Secrets."""
    for name, value in dict(credentials).items():
        if not is_name(name):
            raise ValueError("%r is not the name of a credential" % (name,))
        if not isinstance(value, Secret):
            raise ValueError("the credential %s must be a Secret" % name)


def folder_of(place: str) -> str:
    """Return the folder in which a command finds its credentials. place: what the ramfs covers."""
    return place + "/credentials"


def handing(credentials: "Mapping[str, Secret]", place: str, user: str) -> Callable[[], None]:
    """Return what a command's process does, as root, before it becomes its user: it sees the credentials from then on.

    place: an existing folder that every user may reach, which the ramfs covers.  user: "" for root.
    The function raises OSError, and KeyError for an unknown user.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    contents = {name: value.reveal().encode() for name, value in dict(credentials).items()}

    def hand() -> None:
        uid, gid = pwd.getpwnam(user)[2:4] if user else (0, 0)
        call(libc.unshare, CLONE_NEWNS)
        # the host's later mounts and unmounts still arrive, its own never leave
        mount(libc, "/", "", ALL_BELOW | SLAVE)
        mount(libc, place, "ramfs", HARMLESS, b"mode=0711")
        folder = folder_of(place)
        os.mkdir(folder, 0o500)
        os.chown(folder, uid, gid)
        for name, content in contents.items():
            fd = os.open("%s/%s" % (folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
            with open(fd, "wb") as f:
                f.write(content)
                os.fchown(fd, uid, gid)
        mount(libc, place, "", HARMLESS | REMOUNT | READ_ONLY)

    return hand


def mount(libc: ctypes.CDLL, at: str, kind: str, flags: int, options: bytes = b"") -> None:
    """Call mount(2). Raises OSError."""
    call(libc.mount, b"prov", at.encode(), kind.encode() or None, ctypes.c_ulong(flags), options or None)


def call(function: Any, *arguments: Any) -> None:
    """Call a function of the C library. Raises OSError."""
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
