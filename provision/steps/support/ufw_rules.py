"""ufw's own records of its rules, and what becomes of a packet by them. Shipped to hosts (Python 3.8).

ufw keeps a line for each rule, "### tuple ### ACTION PROTOCOL PORTS TO PORTS FROM [APP APP] WAY", in the order in
which they count: the first one that fits decides.  Source: ufw 0.36, backend_iptables.py.
"""

import re
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Tuple

from provision.steps.support.foresight import foreseen
from provision.steps.support.ports import ALL, Opening, within

if TYPE_CHECKING:
    from provision.system.host import System

TUPLE = "### tuple ### "
CONF = "/etc/ufw/ufw.conf"
POLICIES = "/etc/default/ufw"
ANYWHERE = ("0.0.0.0/0", "::/0")
#: where the kernel without IPv6 has nothing: ufw then leaves IPv6 alone, too
IPV6 = "/proc/sys/net/ipv6"


class Family(NamedTuple):
    """One of the two sets of rules: its file, and what that has for "anywhere"."""

    path: str
    anywhere: str


V4 = Family("/etc/ufw/user.rules", ANYWHERE[0])
V6 = Family("/etc/ufw/user6.rules", ANYWHERE[1])
FILES = (V4.path, V6.path)
#: the kernel's tools for the rules of each family, and how its chains begin
TOOLS = {V4: ("iptables", "ufw-user-"), V6: ("ip6tables", "ufw6-user-")}
#: the ends of the chains for what comes to this host, and for what it passes on
INCOMING, FORWARDED = "input", "forward"


class Rule(NamedTuple):
    """A line of ufw's record. way: "in", "out", "in_eth0", "in_eth0!out_eth1"."""

    action: str
    protocol: str
    dport: str
    dst: str
    sport: str
    src: str
    dapp: str
    sapp: str
    way: str

    @property
    def verb(self) -> str:
        """allow, limit, deny or reject; "" for what is not about packets to this host."""
        incoming = self.way == "in" or (self.way.startswith("in_") and "!" not in self.way)
        return self.action.split("_")[0] if incoming and ":" not in self.action else ""

    @property
    def app(self) -> Tuple[str, ...]:
        """What the rules that ufw has made of one application's profile have in common; () for others."""
        return (self.action, self.dst, self.src, self.dapp, self.sapp, self.way) if self.of_app else ()

    @property
    def of_app(self) -> bool:
        return (self.dapp, self.sapp) != ("-", "-")

    def same_packets(self, other: "Rule") -> bool:
        """Whether ufw takes one in place of the other: all but the action is equal."""
        return self[1:] == other[1:]

    def decides(self, opening: Opening) -> "List[Tuple[int, int]]":
        """The ports of an opening of which this rule decides for all packets; a narrower one is an exception."""
        narrow = self.dst not in ANYWHERE or self.sport != "any" or self.sapp != "-"
        interface = self.way.partition("_")[2]
        if not self.verb or narrow or interface not in ("", opening.interface):
            return []
        if self.protocol not in ("any", opening.protocol):
            return []
        if not within(opening.origin, "" if self.src in ANYWHERE else self.src):
            return []
        found = []
        for part in self.dport.split(","):
            low, _, high = part.partition(":")
            first, last = (0, ALL) if part == "any" else (int(low), int(high or low))
            first, last = max(first, opening.first), min(last, opening.last)
            if first <= last:
                found.append((first, last))
        return found

    def words(self) -> List[str]:
        """For ufw(8), without "delete" or "insert"."""
        verb, _, log = self.action.partition("_")
        on = ["in", "on", self.way[len("in_") :]] if self.way.startswith("in_") else []
        protocol = ["proto", self.protocol] if self.protocol != "any" and not self.of_app else []
        port = [] if self.dport == "any" else ["port", self.dport]
        if self.of_app:
            port = ["app", self.dapp.replace("%20", " ")]
        return [verb, *on, *([log] if log else []), *protocol, "from", self.src, "to", "any", *port]

    def text(self) -> str:
        """As ufw writes it."""
        apps = [self.dapp, self.sapp] if self.of_app else []
        return " ".join([*self[:6], *apps, self.way])


def wanted_rule(action: str, opening: Opening, family: Family) -> Optional[Rule]:
    """The rule for an opening; None if its origin is of the other family."""
    origin = opening.origin
    if origin and (":" in origin) != (":" in family.anywhere):
        return None
    if origin.endswith("/128" if ":" in origin else "/32"):
        origin = origin.rsplit("/", 1)[0]
    way = "in_" + opening.interface if opening.interface else "in"
    ports = opening.ports(":")
    return Rule(
        action, opening.protocol, ports, family.anywhere, "any", origin or family.anywhere, "-", "-", way
    )


def parsed(line: str) -> Optional[Rule]:
    """The rule in a line of ufw's file, or None. A comment is in hexadecimal digits, and comes last."""
    if not line.startswith(TUPLE):
        return None
    words = line[len(TUPLE) :].split(" comment=")[0].split()
    if not 6 <= len(words) <= 9:
        # ufw passes over it as well
        return None
    way = words.pop() if len(words) in (7, 9) else "in"
    apps = words[6:8] if len(words) == 8 else ["-", "-"]
    return Rule(*words[:6], *apps, way)  # type: ignore[call-arg]


def families(host: "System") -> List[Family]:
    """Those that ufw looks after on this host (/etc/default/ufw, IPV6)."""
    six = setting(host, POLICIES, "IPV6").lower() == "yes" and host.files.exists(IPV6)
    return [V4, V6] if six else [V4]


def rules(host: "System", family: Family) -> List[Rule]:
    """All rules of a family in their order."""
    found = (parsed(line) for line in text_of(host, family.path).splitlines())
    return [rule for rule in found if rule is not None]


def verdict(held: Sequence[Rule], opening: Opening, wanted: Sequence[str]) -> Optional[int]:
    """Where the first rule is that decides otherwise than wanted; len(held) if none decides; None if all is well.

    wanted: verbs that are as good.
    """
    left = [(opening.first, opening.last)]
    for n, rule in enumerate(held):
        for first, last in rule.decides(opening):
            hit = [(low, high) for low, high in left if low <= last and first <= high]
            if hit and rule.verb not in wanted:
                return n
            for low, high in hit:
                left.remove((low, high))
                left += [part for part in ((low, first - 1), (last + 1, high)) if part[0] <= part[1]]
        if not left:
            return None
    return len(held)


def position(held: Sequence[Rule], at: int) -> int:
    """The number, from 1, for `ufw insert` before a rule: ufw puts nothing between those of one application."""
    while at and held[at].app and held[at].app == held[at - 1].app:
        at -= 1
    return min(at + 1, counted(held))


def counted(held: Sequence[Rule]) -> int:
    """How many rules ufw counts: those of one application's profile are one."""
    return len({rule.app for rule in held if rule.app}) + sum(not rule.app for rule in held)


# -- the kernel's


def is_on(host: "System") -> bool:
    """Whether ufw filters, or will from the next boot on."""
    return setting(host, CONF, "ENABLED").lower() == "yes"


def runs(host: "System", part: str = INCOMING) -> bool:
    """Whether the kernel has the rules of ufw's files; where no one can tell, it has."""
    if foreseen(host, "ufw"):
        return True
    for family in families(host):
        program, start = TOOLS[family]
        said = host.ask((program, "-S", start + part), timeout=20)
        if said.status == 1:
            return False
        if said.status == 0 and signatures(said.stdout, start + part) != signatures(
            text_of(host, family.path), start + part
        ):
            return False
    return True


def signatures(text: str, chain: str) -> List[Tuple[str, ...]]:
    """What the rules of a chain are about, in a text such as `iptables -S` prints and ufw's files have."""
    lines = [line.split() for line in text.splitlines() if line.startswith("-A %s " % chain)]
    return [tuple(signature(words)) for words in lines]


def signature(words: Sequence[str]) -> List[str]:
    """The words of a rule that both write alike: protocol, ports, interface, addresses and what becomes of it."""
    found = []
    for option in ("-p", "--dport", "--dports", "--sport", "--sports", "-i", "-o", "-s", "-d", "-j"):
        value = words[words.index(option) + 1] if option in words[:-1] else ""
        if option == "-p" and value not in ("tcp", "udp"):
            # others by name or by number
            value = ""
        if option in ("-s", "-d") and value:
            import ipaddress

            value = str(ipaddress.ip_network(value, False))
        found.append(value)
    return found


# -- its files


def text_of(host: "System", path: str) -> str:
    """The text of a file; "" if there is none."""
    return host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""


def setting(host: "System", path: str, name: str) -> str:
    """A value of a file of shell variables."""
    found = re.findall(r"""^%s=["']?([^"'\n]*)""" % name, text_of(host, path), re.MULTILINE)
    return found[-1].strip() if found else ""


def replace(host: "System", path: str, pattern: str, new: str) -> None:
    """In a plan: what ufw will have written."""
    if host.planned and host.files.exists(path):
        text = re.sub(pattern, new, text_of(host, path), flags=re.MULTILINE)
        host.files.write(path, text.encode(), 0o640, 0, 0)


def put_rules(host: "System", family: Family, held: Sequence[Rule]) -> None:
    """In a plan: what ufw will have written."""
    if host.planned:
        lines = [line for line in text_of(host, family.path).splitlines() if parsed(line) is None]
        lines += [TUPLE + rule.text() for rule in held]
        host.files.write(family.path, "".join(line + "\n" for line in lines).encode(), 0o640, 0, 0)
