"""What firewalls let in: ports as people write them, and those by which we came. Shipped to hosts."""

import os
import re
from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Set

if TYPE_CHECKING:
    from provision.system.host import System

OPENING = re.compile(r"^([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?(?: from (\S+))?\Z")


class Opening(NamedTuple):
    """Ports from first to last of a protocol, for a network in CIDR notation or, if "", for everybody."""

    first: int
    last: int
    protocol: str
    origin: str

    def ports(self, to: str) -> str:
        """ "80", or a range with its sign between."""
        return str(self.first) if self.first == self.last else "%d%s%d" % (self.first, to, self.last)


def parse_opening(text: str) -> Opening:
    """ "443", "53/udp", "8000-8010/tcp from 10.0.0.0/8". Raises ValueError."""
    import ipaddress

    match = OPENING.match(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("%r is not an opening such as 443, 53/udp or '5432/tcp from 10.0.0.0/8'" % (text,))
    first = int(match.group(1))
    last = int(match.group(2) or first)
    if not 0 < first <= last < 65536:
        raise ValueError("%r: ports are numbers from 1 to 65535, the smaller one first" % text)
    origin = match.group(4) or ""
    if origin:
        try:
            origin = str(ipaddress.ip_network(origin))
        except ValueError as error:
            raise ValueError("%r: %s" % (text, error)) from None
    return Opening(first, last, match.group(3) or "tcp", origin)


def with_ssh(host: "System", openings: Sequence[str]) -> List[Opening]:
    """Openings, the ports of SSH first; each once."""
    ours = [Opening(port, port, "tcp", "") for port in ssh_ports(host)]
    return list(dict.fromkeys([*ours, *map(parse_opening, openings)]))


def ssh_ports(host: "System") -> List[int]:
    """Ports by which this host is reached now, and those on which its sshd listens; 22 if nobody can tell."""
    found: Set[int] = set()
    pid = os.getpid()
    while pid > 1:
        folder = "/proc/%d" % pid
        if not host.files.exists(folder + "/stat"):
            break
        for word in host.files.read(folder + "/environ").split(b"\0"):
            # ssh(1): client's address and port, server's address and port; sudo leaves it to its parents
            if word.startswith(b"SSH_CONNECTION="):
                found.add(int(word.split()[-1]))
        pid = int(host.files.read(folder + "/stat").rsplit(b")", 1)[1].split()[1])
    said = host.ask(("sshd", "-T"), timeout=20).stdout
    for match in re.finditer(r"^(?:port (\d+)|listenaddress .*:(\d+))$", said, re.MULTILINE):
        found.add(int(match.group(1) or match.group(2)))
    return sorted(found) or [22]
