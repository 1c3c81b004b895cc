"""Units that make way for another one which listens on the same TCP ports. Shipped (Python 3.8).

If the next unit binds its ports with SO_REUSEPORT (socket(7)), it starts while the other one still serves, and no
connection is refused. Linux closes a listening socket together with the connections that wait in it, so prov takes the
other unit's sockets (pidfd_getfd(2), Linux 5.6): it permits the second bind, ends TCP_DEFER_ACCEPT (tcp(7)), leads new
connections past them, and has the unit stop once nothing waits in them.
"""

import contextlib
import ctypes
import errno
import os
import socket
import struct
import time
from typing import TYPE_CHECKING, Iterator, List, Sequence, Set

from provision.errors import StepError
from provision.steps.base import Change, listed
from provision.steps.support.held_ports import listening
from provision.system.unit_state import ENABLED

if TYPE_CHECKING:
    from provision.system.units import Units

REFUSED = "refused for a moment, then accepted"
#: seconds until a unit that stops has to have closed its ports
RELEASED = 100.0
PAUSE = 0.005
#: system calls of Linux, alike on all architectures that Python runs on
PIDFD_OPEN, PIDFD_GETFD = 434, 438
#: asm-generic/socket.h; a listening socket of an interface gets that interface's connections alone
SO_BINDTOIFINDEX = 62
#: no interface has this index
NO_INTERFACE = 2**31 - 1
#: tcp_states.h
SYN_RECV = "03"
#: seconds for clients that have connected and sent nothing to be accepted: the kernel asks them again after one
ACCEPTED = 4.0
#: linux/tcp.h, tcp_info: where `tcpi_unacked` is. Of a listening socket it is how many connections wait in it
WAITING = struct.Struct("24xI")


def in_the_way(units: "Units", names: Sequence[str], ports: Sequence[int], shared: bool) -> List[Change]:
    """Return what becomes of units that run or start at boot, and have to make way.

    ports: TCP ports of the unit that comes.  shared: whether it binds them with SO_REUSEPORT.
    """
    found = []
    numbers = ", ".join(map(str, ports))
    for name in names:
        state = units.state(name)
        if state.running or (state.load == "loaded" and state.enabled in ENABLED):
            found.append(Change(name, "%s, %s" % (state.active, state.enabled), "inactive, disabled"))
        if state.running and ports:
            why = refused_because(units, name, ports) if shared else "the two do not share ports"
            after = "%s: %s" % (REFUSED, why) if why else "accepted throughout"
            found.append(Change("connections to %s" % numbers, "accepted", after))
    return found


@contextlib.contextmanager
def making_way(
    units: "Units", names: Sequence[str], ports: Sequence[int], shared: bool, planned: bool
) -> Iterator[None]:
    """Have running units make way for the one that the block starts; they serve on if it does not start.

    Raises StepError.  planned: only predict it.
    """
    if shared and names and not any(refused_because(units, name, ports) for name in names):
        with contextlib.ExitStack() as opened:
            sockets = [] if planned else sockets_of(units, names, opened)
            for each in sockets:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            yield
            lead_past(sockets, ports)
    elif names:
        release(units, names, () if planned else ports)
        try:
            yield
        except StepError:
            units.do("start", *names)
            raise
    else:
        yield
    if names:
        units.do("stop", *names)


def release(units: "Units", names: Sequence[str], ports: Sequence[int]) -> None:
    """Stop units, and wait until the ports are free: the units may still finish their last requests then.

    Without ports, wait until the units have stopped. Raises StepError.
    """
    units.do("stop --no-block" if ports else "stop", *names)
    end = time.monotonic() + RELEASED
    while any(port.number in ports for _, port in listening()) and time.monotonic() < end:
        time.sleep(PAUSE)


def refused_because(units: "Units", name: str, ports: Sequence[int]) -> str:
    """Return why a running unit can't serve until another one does; "" if it can."""
    main = units.state(name).main
    held = {inode: port for inode, port in listening() if inode in inodes_of(main)}
    if not held:
        return "prov does not find the sockets of %s" % name
    more = sorted({port.number for port in held.values()} - set(ports))
    if more:
        return "%s listens on %s as well" % (name, listed(list(map(str, more))))
    try:
        with contextlib.ExitStack() as opened:
            sockets_of(units, [name], opened)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return "the kernel is older than 5.6"
        return "the kernel does not let prov share the sockets of %s (%s)" % (name, error.strerror)
    return ""


def inodes_of(pid: int) -> Set[str]:
    """Return the inodes of a process's sockets."""
    return {inode for _, inode in descriptors(pid)}


def descriptors(pid: int) -> "Iterator[tuple[int, str]]":
    """Yield number and inode of each socket that a process has open (proc(5))."""
    folder = "/proc/%d/fd" % pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                kind, _, inode = os.readlink("%s/%s" % (folder, number)).partition(":")
                if kind == "socket":
                    yield int(number), inode.strip("[]")


def sockets_of(units: "Units", names: Sequence[str], opened: contextlib.ExitStack) -> List[socket.socket]:
    """Return the sockets with which units listen, open until `opened` ends. Raises OSError."""
    heard = {inode for inode, _ in listening()}
    found = []
    for main in (units.state(name).main for name in names):
        process = system_call(PIDFD_OPEN, main, 0)
        opened.callback(os.close, process)
        for number, inode in descriptors(main):
            if inode in heard:
                found.append(socket.socket(fileno=system_call(PIDFD_GETFD, process, number, 0)))
                opened.callback(found[-1].close)
    return found


def system_call(number: int, *arguments: int) -> int:
    """Return what a system call returns, for calls that Python has no function for. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def lead_past(sockets: Sequence[socket.socket], ports: Sequence[int]) -> None:
    """Lead new connections to the other sockets at these ports, and wait until those here have been accepted."""
    for each in sockets:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
        each.setsockopt(socket.SOL_SOCKET, SO_BINDTOIFINDEX, NO_INTERFACE)
    begun = half_open(ports)
    end = time.monotonic() + ACCEPTED
    while (begun & half_open(ports) or any(map(waiting, sockets))) and time.monotonic() < end:
        time.sleep(PAUSE)


def half_open(ports: Sequence[int]) -> Set[str]:
    """Return the connections to these ports that are not established yet, by both addresses (proc(5))."""
    found = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as f:
            for line in f.readlines()[1:]:
                row = line.split()
                if row[3] == SYN_RECV and int(row[1].rpartition(":")[2], 16) in ports:
                    found.add("%s %s" % (row[1], row[2]))
    return found


def waiting(listener: socket.socket) -> bool:
    """Return whether connections wait in a listening socket to be accepted (tcp(7), TCP_INFO)."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, WAITING.size)
    return bool(WAITING.unpack(info)[0])
