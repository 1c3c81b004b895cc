"""Openings of firewalls: ports as people write them, and those that prov came in by. Shipped to hosts."""

import os
import re
from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Set

if TYPE_CHECKING:
    from provision.system.host import System

OPENING = re.compile(
    r"^(?:([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?|any(?:/(tcp|udp))?)"
    r"(?: on (\S+))?(?: from (\S+))?(?: on (\S+))?\Z"
)
#: as ufw accepts interface names, which is stricter than the kernel; "+" and "*" would be patterns
INTERFACE = re.compile(r"^[A-Za-z0-9_.,=%@-]{1,15}\Z", re.ASCII)
ALL = 65535


class Opening(NamedTuple):
    """Ports from first to last (0 to 65535: all) of a protocol ("any": all).

    origin: a network in CIDR notation; "" is everyone.  interface: where packets come in; "" is everywhere.
    """

    first: int
    last: int
    protocol: str
    origin: str
    interface: str = ""

    def ports(self, to: str) -> str:
        """Return "80", or a range with the given separator; "any" for all."""
        if not self.first:
            return "any"
        return str(self.first) if self.first == self.last else "%d%s%d" % (self.first, to, self.last)

    def shown(self) -> str:
        """Return a short text, as people write it."""
        words = self.ports("-") if self.protocol == "any" else "%s/%s" % (self.ports("-"), self.protocol)
        words += " on %s" % self.interface if self.interface else ""
        return words + (" from %s" % self.origin if self.origin else "")

    def covers(self, other: "Opening") -> bool:
        """Return whether this opening covers all packets of the other one."""
        return (
            self.first <= other.first
            and other.last <= self.last
            and self.protocol in ("any", other.protocol)
            and self.interface in ("", other.interface)
            and within(other.origin, self.origin)
        )


def parse_opening(text: str) -> Opening:
    """Parse "443", "53/udp", "8000-8010/tcp from 10.0.0.0/8", "any on wg0". Raises ValueError."""
    match = OPENING.match(text) if isinstance(text, str) else None
    if match is None or (match.group(5) and match.group(7)):
        raise ValueError(
            "%r is not an opening such as 443, 53/udp, '5432/tcp from 10.0.0.0/8' or 'any on wg0'" % (text,)
        )
    first = int(match.group(1) or 0)
    last = int(match.group(2) or first) if match.group(1) else ALL
    if match.group(1) and not 0 < first <= last <= ALL:
        raise ValueError("%r: ports are numbers from 1 to 65535, the smaller one first" % text)
    interface, origin = match.group(5) or match.group(7) or "", match.group(6) or ""
    if interface and not INTERFACE.match(interface):
        raise ValueError("%r: %r is not the name of an interface" % (text, interface))
    if origin:
        import ipaddress

        try:
            origin = str(ipaddress.ip_network(origin))
        except ValueError as error:
            raise ValueError("%r: %s" % (text, error)) from None
    if not (first or origin or interface):
        raise ValueError("%r opens everything: say from where, or on which interface" % text)
    protocol = match.group(3) or match.group(4) or ("tcp" if first else "any")
    return Opening(first, last, protocol, origin, interface)


def refuse_denied(opening: Opening, denied: Sequence[str], error: "type[Exception]") -> None:
    """Raise an error if a denial closes an opening for everyone."""
    for other in map(parse_opening, denied):
        closed = other._replace(first=opening.first, last=opening.last)
        if other.first <= opening.last and opening.first <= other.last and closed.covers(opening):
            raise error("%s can't be denied: %s is to be open" % (other.shown(), opening.shown()))


def within(origin: str, other: str) -> bool:
    """Return whether a network ("" is everyone) lies within another one."""
    if not other or origin == other:
        return True
    if not origin or (":" in origin) != (":" in other):
        return False
    import ipaddress

    inner, outer = ipaddress.ip_network(origin, False), ipaddress.ip_network(other, False)
    # not subnet_of, whose types must both be of one version
    return outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def ssh_openings(host: "System") -> List[Opening]:
    """Return openings for the ports of SSH."""
    return [Opening(port, port, "tcp", "") for port in ssh_ports(host)]


def ssh_ports(host: "System") -> List[int]:
    """Return ports by which this host is reached now, and those that its sshd listens on; 22 if unknown."""
    found: Set[int] = set()
    pid = os.getpid()
    while pid > 1:
        folder = "/proc/%d" % pid
        if not host.files.exists(folder + "/stat"):
            break
        for word in host.files.read(folder + "/environ").split(b"\0"):
            # ssh(1): client's address and port, server's address and port; sudo drops it, so look at parent
            # processes
            if word.startswith(b"SSH_CONNECTION="):
                found.add(int(word.split()[-1]))
        pid = int(host.files.read(folder + "/stat").rsplit(b")", 1)[1].split()[1])
    said = host.ask(("sshd", "-T"), timeout=20).stdout
    for match in re.finditer(r"^(?:port (\d+)|listenaddress .*:(\d+))$", said, re.MULTILINE):
        found.add(int(match.group(1) or match.group(2)))
    return sorted(found) or [22]
