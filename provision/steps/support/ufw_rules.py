"""ufw's own records of its rules, and how they decide on a packet. Shipped to hosts (Python 3.8).

ufw keeps a line for each rule, "### tuple ### ACTION PROTOCOL PORTS TO PORTS FROM [APP APP] WAY". The first
rule that matches decides.  Source: ufw 0.36, backend_iptables.py.
"""

import re
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.support.foresight import foreseen
from provision.steps.support.ports import ALL, Opening, within

if TYPE_CHECKING:
    from provision.system.host import System

TUPLE = "### tuple ### "
CONF = "/etc/ufw/ufw.conf"
POLICIES = "/etc/default/ufw"
ANYWHERE = ("0.0.0.0/0", "::/0")
#: does not exist on a kernel without IPv6: ufw then leaves IPv6 alone, too
IPV6 = "/proc/sys/net/ipv6"


class Family(NamedTuple):
    """One of the two sets of rules: its file, and its notation for "anywhere"."""

    path: str
    anywhere: str


V4 = Family("/etc/ufw/user.rules", ANYWHERE[0])
V6 = Family("/etc/ufw/user6.rules", ANYWHERE[1])
FILES = (V4.path, V6.path)
#: the kernel's tools for each family's rules, and the prefix of its chains
TOOLS = {V4: ("iptables", "ufw-user-"), V6: ("ip6tables", "ufw6-user-")}
#: rules that ufw with IPV6=no makes, and leaves when it is turned off (ufw-init-functions, ufw_start)
LEFT = (("INPUT", "-i"), ("OUTPUT", "-o"))
#: suffixes of the chains for packets to this host, and for forwarded ones
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
        """Return allow, limit, deny or reject; "" for rules that are not about packets to this host."""
        incoming = self.way == "in" or (self.way.startswith("in_") and "!" not in self.way)
        return self.action.split("_")[0] if incoming and ":" not in self.action else ""

    @property
    def app(self) -> Tuple[str, ...]:
        """Return the key that rules from the same application profile share; () for other rules."""
        return (self.action, self.dst, self.src, self.dapp, self.sapp, self.way) if self.of_app else ()

    @property
    def of_app(self) -> bool:
        return (self.dapp, self.sapp) != ("-", "-")

    def same_packets(self, other: "Rule") -> bool:
        """Return whether ufw replaces the one rule by the other: they are equal except for the action."""
        return self[1:] == other[1:]

    def decides(self, opening: Opening) -> "List[Tuple[int, int]]":
        """Return the ports of an opening that this rule decides for all packets; narrower rules do not."""
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
        """Return the words for ufw(8), without "delete" or "insert"."""
        verb, _, log = self.action.partition("_")
        on = ["in", "on", self.way[len("in_") :]] if self.way.startswith("in_") else []
        protocol = ["proto", self.protocol] if self.protocol != "any" and not self.of_app else []
        port = [] if self.dport == "any" else ["port", self.dport]
        if self.of_app:
            port = ["app", self.dapp.replace("%20", " ")]
        return [verb, *on, *([log] if log else []), *protocol, "from", self.src, "to", "any", *port]

    def text(self) -> str:
        """Return the line as ufw writes it."""
        apps = [self.dapp, self.sapp] if self.of_app else []
        return " ".join([*self[:6], *apps, self.way])


def wanted_rule(action: str, opening: Opening, family: Family) -> Optional[Rule]:
    """Return the rule for an opening; None if its origin is of the other family."""
    origin = as_written(opening.origin)
    if origin and (":" in origin) != (":" in family.anywhere):
        return None
    way = "in_" + opening.interface if opening.interface else "in"
    ports = opening.ports(":")
    return Rule(
        action, opening.protocol, ports, family.anywhere, "any", origin or family.anywhere, "-", "-", way
    )


def as_written(network: str) -> str:
    """Return a network as ufw writes it: a single address without its prefix length."""
    whole = "/128" if ":" in network else "/32"
    return network[: -len(whole)] if network.endswith(whole) else network


def parsed(line: str) -> Optional[Rule]:
    """Return the rule in a line of ufw's file, or None. A comment is in hexadecimal, and comes last."""
    if not line.startswith(TUPLE):
        return None
    words = line[len(TUPLE) :].split(" comment=")[0].split()
    if not 6 <= len(words) <= 9:
        # ufw skips it as well
        return None
    way = words.pop() if len(words) in (7, 9) else "in"
    apps = words[6:8] if len(words) == 8 else ["-", "-"]
    return Rule(*words[:6], *apps, way)  # type: ignore[call-arg]


def families(host: "System") -> List[Family]:
    """Return the families that ufw manages on this host (/etc/default/ufw, IPV6)."""
    six = setting(host, POLICIES, "IPV6").lower() == "yes" and host.files.exists(IPV6)
    return [V4, V6] if six else [V4]


def rules(host: "System", family: Family) -> List[Rule]:
    """Return all rules of a family in their order."""
    found = (parsed(line) for line in text_of(host, family.path).splitlines())
    return [rule for rule in found if rule is not None]


def comment_words(host: "System", family: Family, rule: Rule) -> List[str]:
    """Return the words for ufw(8) that give a rule the comment that it has now; [] if it has none."""
    for line in text_of(host, family.path).splitlines():
        text = line.partition(" comment=")[2].strip()
        if text and parsed(line) == rule:
            return ["comment", bytes.fromhex(text).decode()]
    return []


def verdict(held: Sequence[Rule], opening: Opening, wanted: Sequence[str]) -> Optional[int]:
    """Return the index of the first rule that decides otherwise; len(held) if none decides; None if all is
    well.

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
    """Return the number, from 1, for `ufw insert`: ufw never splits the rules of one application."""
    while at and held[at].app and held[at].app == held[at - 1].app:
        at -= 1
    return min(at + 1, counted(held))


def counted(held: Sequence[Rule]) -> int:
    """Return how many rules ufw counts: the rules of one application profile count as one."""
    return len({rule.app for rule in held if rule.app}) + sum(not rule.app for rule in held)


# -- the kernel's


def has_ufw(host: "System", *, needed: bool) -> bool:
    """Return whether ufw is on the host. Raises StepError if it is needed and is not."""
    found = host.files.exists(CONF)
    if needed and not found:
        raise StepError("this host has no ufw", hint='Add apt.packages(c, "ufw") before this step.')
    return found


def keep_files(host: "System") -> None:
    """Keep for undo the files that ufw's commands change."""
    if host.files.record is not None:
        for path in (CONF, POLICIES, *FILES):
            host.files.record.keep_path(path)


def load_again(host: "System", paths: Sequence[str]) -> None:
    """Have ufw load its files after an undo has put these paths back. Raises StepError."""
    if {CONF, POLICIES, *FILES} & set(paths) and has_ufw(host, needed=False):
        on = is_on(host)
        argv = ("ufw", "reload") if on else ("ufw", "--force", "disable")
        host.run(argv).require("having ufw load its former rules")
        if CONF in paths and not on and V6 not in families(host):
            for words in LEFT:
                # unless ufw has not been loaded since
                host.run(("ip6tables", "-D", *words, "lo", "-j", "ACCEPT"))


def is_on(host: "System") -> bool:
    """Return whether ufw filters, or will from the next boot on."""
    return setting(host, CONF, "ENABLED").lower() == "yes"


def runs(host: "System", part: str = INCOMING) -> bool:
    """Return whether the kernel has the rules of ufw's files; True if that is unknown."""
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
    """Return the signatures of a chain's rules, in the output of `iptables -S` or in ufw's files."""
    lines = [line.split() for line in text.splitlines() if line.startswith("-A %s " % chain)]
    return [tuple(signature(words)) for words in lines]


def signature(words: Sequence[str]) -> List[str]:
    """Return the words of a rule that both write alike: protocol, ports, interface, addresses and verdict."""
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
    """Return a file's text; "" if it does not exist."""
    return host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""


def setting(host: "System", path: str, name: str) -> str:
    """Return a value from a file of shell variables."""
    found = re.findall(r"""^%s=["']?([^"'\n]*)""" % name, text_of(host, path), re.MULTILINE)
    return found[-1].strip() if found else ""


def replace(host: "System", path: str, pattern: str, new: str) -> None:
    """In a plan: record what ufw will have written."""
    if host.planned and host.files.exists(path):
        text = re.sub(pattern, new, text_of(host, path), flags=re.MULTILINE)
        host.files.write(path, text.encode(), 0o640, 0, 0)


def put_rules(host: "System", family: Family, held: Sequence[Rule]) -> None:
    """In a plan: record the rules that ufw will have written."""
    if host.planned:
        lines = [line for line in text_of(host, family.path).splitlines() if parsed(line) is None]
        lines += [TUPLE + rule.text() for rule in held]
        host.files.write(family.path, "".join(line + "\n" for line in lines).encode(), 0o640, 0, 0)
