"""Namespaces of hosts: a process enters those of another one, and may keep some of its own for a while."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

#: unshare(2): mounts, host name, network
NEW_MOUNTS, NEW_NAME, NEW_NETWORK = 0x00020000, 0x04000000, 0x40000000
#: mount(2): MS_REC | MS_PRIVATE
PRIVATE = 0x4000 | 0x40000
#: prctl(2)
DIES_WITH_PARENT = 1

#: databases of nsswitch.conf(5) that agents look in
NAMES = ("passwd", "group", "initgroups", "shadow", "hosts", "services", "protocols", "networks")

libc = ctypes.CDLL(None, use_errno=True)


def apart() -> None:
    """Give this process mounts, a host name and a network of its own."""
    if libc.unshare(NEW_MOUNTS | NEW_NAME | NEW_NETWORK) or libc.mount(None, b"/", None, PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no namespaces for the host")


def overlay(at: str, lower: Path, upper: Path, work: Path) -> None:
    """Give a folder other contents: those of lower, with changes of its own."""
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    if libc.mount(b"overlay", at.encode(), b"overlay", 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"no overlay on {at}")


def join(pid: int, *kinds: str) -> None:
    """Enter namespaces of a process: "mnt", "net"... With "pid" among them, this process goes on as a child there.

    Source: setns(2), pid_namespaces(7).
    """
    # all of them before the first one is entered, which may have another /proc
    opened = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]
    for fd, kind in zip(opened, kinds):
        if libc.setns(fd, 0):
            raise OSError(ctypes.get_errno(), f"no way into the {kind} namespace of {pid}")
        os.close(fd)
    if "pid" in kinds:
        inside = os.fork()
        if inside:
            os._exit(os.waitstatus_to_exitcode(os.waitpid(inside, 0)[1]) & 0xFF)
        libc.prctl(DIES_WITH_PARENT, signal.SIGKILL)


def names_from_files() -> None:
    """Have this process look up names in files alone, whatever nsswitch.conf says: the C library has that built in.

    Libraries of a host that it would load otherwise are of the host's release, and a later one ends this process.
    Source: glibc, nss/nss_database.c, __nss_configure_lookup.
    """
    for name in NAMES:
        if libc["__nss_configure_lookup"](name.encode(), b"files"):
            raise OSError(ctypes.get_errno(), f"names of {name} can't be looked up in files alone")


def keep(make: Callable[[], None]) -> int:
    """The id of a process that has made namespaces and stays in them; kill it to be rid of them."""
    ready, made = os.pipe()
    child = os.fork()
    if not child:
        try:
            libc.prctl(DIES_WITH_PARENT, signal.SIGKILL)
            make()
            os.write(made, b"+")
            while True:
                signal.pause()
        finally:
            os._exit(1)
    os.close(made)
    with os.fdopen(ready, "rb") as said:
        assert said.read(1) == b"+", "no namespaces for the host"
    return child


def init_of(space: str) -> int:
    """The id here of the first process of a PID namespace, such as "pid:[4026532397]"."""
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and str((each / "ns/pid").readlink()) == space and _number(each) == "1":
                return int(each.name)
        except OSError:  # it has ended, or is not ours to look at
            continue
    raise LookupError(f"no process is the first of {space}")


def _number(process: Path) -> str:
    """Its number in its own namespace: proc(5), "NSpid"."""
    lines = (process / "status").read_text().splitlines()
    return next(line for line in lines if line.startswith("NSpid:")).split()[-1]
