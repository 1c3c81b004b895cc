"""Which process holds a port that a unit needs. Shipped to hosts (Python 3.8, standard library)."""

import ipaddress
import os
import re
import socket
import struct
from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Sequence, Set

from provision.errors import StepError
from provision.steps.base import listed
from provision.steps.support.running import goes_on
from provision.system.processes import RunningProcess, pids, process

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.unit_state import UnitState

#: tcp_states.h; and the wildcard addresses
LISTENING = "0A"
ANY = ("0.0.0.0", "::")


class ListeningPort(NamedTuple):
    """A TCP port of an address; "" means all addresses."""

    number: int
    address: str = ""

    def __str__(self) -> str:
        return "port %d%s" % (self.number, " of %s" % self.address if self.address else "")

    def meets(self, other: "ListeningPort") -> bool:
        """Return whether two sockets cannot both listen there."""
        return self.number == other.number and (
            "" in (self.address, other.address) or self.address == other.address
        )


def check_ports(ports: Sequence[int]) -> None:
    """Raise ValueError unless it is a list of ports."""
    if isinstance(ports, (str, bytes)) or not all(type(port) is int and 0 < port < 65536 for port in ports):
        raise ValueError("ports must be a list of numbers from 1 to 65535, not %r" % (ports,))


def refuse_held(host: "System", unit: str, wanted: Sequence[ListeningPort], leaving: Sequence[str]) -> None:
    """Raise StepError if another process listens where a unit is going to.

    leaving: units that make way for it, and its own units. In a plan, what earlier steps stop counts as gone.
    """
    ours = (unit, *leaving)
    for port in wanted:
        inodes = {inode for inode, other in listening() if port.meets(other)}
        holders = [each for each in holding(inodes) if each.unit not in ours and goes_on(host, each)]
        names = [*map(str, (each for each in holders if each.pid != 1))]
        if any(each.pid == 1 for each in holders):
            # systemd itself listens for its sockets
            others = [name for name in sockets_at(host, port) if name not in ours]
            names += [name for name in others if host.units.state(name).running]
        names += [
            "%s, which starts before it" % name
            for name, ports in claimed(host).items()
            if name not in ours and any(map(port.meets, ports)) and host.units.state(name).running
        ]
        if names:
            raise StepError(
                "%s would not start: %s is held by %s" % (unit, port, listed(sorted(set(names)))),
                hint="Stop that first, with a step before this one or by hand, or give one of them another port.",
            )


def claim(host: "System", unit: str, ports: List[ListeningPort]) -> None:
    """In a plan, record where a unit that it starts will listen."""
    claimed(host)[unit] = ports


def claimed(host: "System") -> Dict[str, List[ListeningPort]]:
    """Return where the units that a plan has started will listen."""
    found: Dict[str, List[ListeningPort]] = vars(host).setdefault("claimed_ports", {})
    return found


def listening() -> Iterator["tuple[str, ListeningPort]"]:
    """Yield socket inode and port where processes of this host listen (proc(5), /proc/net/tcp)."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as f:
                rows = [line.split() for line in f.readlines()[1:]]
        except FileNotFoundError:
            continue
        for row in rows:
            if row[3] == LISTENING:
                address, _, number = row[1].partition(":")
                yield row[9], ListeningPort(int(number, 16), plain(address))


def plain(address: str) -> str:
    """Return an address that the kernel prints as 32-bit words in the host's byte order."""
    packed = b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))
    text = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    return "" if text in ANY else text


def holding(inodes: Set[str]) -> List[RunningProcess]:
    """Return the processes that have these sockets open; without privileges, only the user's own."""
    found: Dict[int, RunningProcess] = {}
    wanted = {"socket:[%s]" % inode for inode in inodes}
    for pid in pids() if wanted else ():
        folder = "/proc/%d/fd" % pid
        try:
            open_there = {os.readlink("%s/%s" % (folder, name)) for name in os.listdir(folder)}
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        now = process(pid) if wanted & open_there else None
        if now is not None:
            found[pid] = now
    # for a server with workers, the first process is enough
    first: Dict[str, RunningProcess] = {}
    for pid in sorted(found):
        first.setdefault(found[pid].unit or str(pid), found[pid])
    return list(first.values())


def sockets_at(host: "System", port: ListeningPort) -> List[str]:
    """Return the socket units that listen there."""
    argv = ("systemctl", "list-sockets", "--all", "--plain", "--no-legend", "--full")
    rows = (line.split() for line in host.ask(argv, timeout=30).stdout.splitlines())
    return [row[1] for row in rows if len(row) > 1 and any(port.meets(each) for each in ports_in([row[0]]))]


def of_socket(host: "System", name: str, state: "UnitState") -> List[ListeningPort]:
    """Return where a socket unit listens by its files, planned ones as well (systemd.socket(5))."""
    folder = "/etc/systemd/system/%s.d" % name
    paths = [state.fragment, *("%s/%s" % (folder, each) for each in host.files.list(folder))]
    found: List[str] = []
    shared = "no"
    for path in paths:
        if path and host.files.exists(path):
            text = host.files.read(path).decode(errors="replace")
            shared = (re.findall(r"(?m)^[ \t]*ReusePort[ \t]*=[ \t]*(\w+)", text) or [shared])[-1]
            for value in re.findall(r"(?m)^[ \t]*ListenStream[ \t]*=[ \t]*(.*?)[ \t]*$", text):
                # an empty value resets the list
                found = [*found, value] if value else []
    # several may listen at once (socket(7), SO_REUSEPORT)
    return [] if shared.lower() in ("yes", "true", "on", "1") else list(ports_in(found))


def ports_in(words: Sequence[str]) -> Iterator[ListeningPort]:
    """Return the TCP ports in ListenStream=: 8080, 127.0.0.1:8080, [::1]:8080."""
    for word in words:
        address, _, number = word.rpartition(":")
        if not number.isdigit() or not 0 < int(number) < 65536:
            continue
        try:
            text = str(ipaddress.ip_address(address.strip("[]"))) if address and address != "*" else ""
        except ValueError:
            continue
        yield ListeningPort(int(number), "" if text in ANY else text)
