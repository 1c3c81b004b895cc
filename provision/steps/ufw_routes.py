"""What a host with ufw forwards: `ufw route`. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, wanted
from provision.steps.support.address_families import Part, mixed
from provision.steps.support.foresight import foresee
from provision.steps.support.ports import ALL, INTERFACE, Opening, parse_opening, within
from provision.steps.support.ufw_rules import (
    ANYWHERE,
    FORWARDED,
    V4,
    V6,
    Family,
    Rule,
    as_written,
    comment_words,
    counted,
    families,
    has_ufw,
    is_on,
    keep_files,
    position,
    put_rules,
    rules,
    runs,
)

if TYPE_CHECKING:
    from provision.system.host import System

ACTIONS = ("allow", "limit", "deny", "reject")
ROUTE = re.compile(r"^(\S+)((?: (?:on|from|to|out) \S+)*)\Z")


class ParsedRoute(NamedTuple):
    """The packets of a route. source: as in an opening: ports, protocol, origin, incoming interface."""

    source: Opening
    to: str
    out: str


@wanted()
class Route(Step):
    """A rule of `ufw route`: packets that this host forwards between other hosts, or does not.

        ufw.route(c, "443 on eth0 to 10.0.0.5 out eth1")
        ufw.route(c, "any on wg0 from 10.8.0.0/24 out eth0")
        ufw.route(c, "25 on wg0", action="deny")

    route: a port or range of the destination ("8000-8010", "53/udp") or "any"; "on" the interface where
    packets come in, "from" a network, "to" a network or an address, "out" the interface where they leave.
    Each of these is optional; networks are both of IPv4 or both of IPv6.
    action: "allow", "limit", "deny" or "reject".
    present: False removes such a rule, whatever its action.
    An existing rule that covers all these packets with this action counts as this one. If a rule with another
    action comes first, this rule is inserted before it; a narrower one stays as an exception.
    Without a rule, ufw drops forwarded packets (DEFAULT_FORWARD_POLICY). Forwarding also needs kernel.sysctl
    with "net.ipv4.ip_forward", and NAT needs a table of its own: nftables.table.
    Needs ufw on the host: apt.packages(c, "ufw").  Source: ufw(8), "route".
    """

    route: str
    action: str = "allow"
    present: bool = True

    DEADLINE = 180.0

    def label(self) -> str:
        return "ufw route %s" % self.route

    def validate(self) -> None:
        parse_route(self.route)
        if self.action not in ACTIONS:
            raise ValueError("action must be one of %s, not %r" % (", ".join(ACTIONS), self.action))

    def check(self, host: "System") -> Diff:
        if not has_ufw(host, needed=self.present):
            return Diff.none("there is no ufw")
        found = [self._change(held, rule) for _, rule, held in self._faults(host)]
        found = list(dict.fromkeys(found))
        if is_on(host) and not runs(host, FORWARDED):
            found.append(Change("running", "other rules", "these"))
        if found:
            return Diff(found)
        return Diff.none("is as wanted" if self.present else "there is no such rule")

    def apply(self, host: "System", diff: Diff) -> None:
        keep_files(host)
        for family, rule, _ in self._faults(host):
            # the first change may have changed both families
            now = rules(host, family)
            if self._fault(now, rule):
                self._put(host, family, rule, now)
        if is_on(host) and not runs(host, FORWARDED):
            self._ufw(host, ["reload"])
            foresee(host, "ufw", "running")
        if not any(c.what == "running" for c in diff.changes):
            # undo restores all that these commands have changed
            host.ran = False

    def fingerprint(self, host: "System") -> str:
        return " ".join(rule.text() for _, rule, held in self._wanted(host) for rule in same(held, rule))

    def _wanted(self, host: "System") -> List[Tuple[Family, Rule, List[Rule]]]:
        """Return the rule in each family that it applies to, with the existing rules."""
        way = parse_route(self.route)
        found = []
        for family in families(host):
            rule = wanted_route(self.action, way, family)
            if rule is not None:
                found.append((family, rule, rules(host, family)))
        if not found:
            raise StepError("%s is about IPv6, which ufw leaves alone on this host" % self.route)
        return found

    def _faults(self, host: "System") -> List[Tuple[Family, Rule, List[Rule]]]:
        return [each for each in self._wanted(host) if self._fault(each[2], each[1])]

    def _fault(self, held: Sequence[Rule], rule: Rule) -> bool:
        if not self.present:
            return bool(same(held, rule))
        first = deciding(held, rule)
        return first is None or verb(held[first]) != self.action

    def _change(self, held: Sequence[Rule], rule: Rule) -> Change:
        there, what = same(held, rule), "route %s" % self.route
        if not self.present:
            return Change(what, verb(there[0]), "")
        if there and rule not in there:
            return Change(what, verb(there[0]), self.action)
        first = deciding(held, rule)
        if first is None:
            return Change(what, "", self.action)
        return Change(what, "behind a rule that says %s" % verb(held[first]), "before it")

    def _put(self, host: "System", family: Family, rule: Rule, held: List[Rule]) -> None:
        comment = comment_words(host, family, rule)
        for old in same(held, rule):
            self._ufw(host, ["route", "delete", *words(old)])
            held.remove(old)
        if self._fault(held, rule):
            first = deciding(held, rule)
            if first is None:
                self._ufw(host, ["route", *words(rule), *comment])
                held.append(rule)
            else:
                other = counted(rules(host, V4)) if family == V6 else 0
                self._ufw(
                    host, ["route", "insert", str(other + position(held, first)), *words(rule), *comment]
                )
                held.insert(first, rule)
        put_rules(host, family, held)

    def _ufw(self, host: "System", argv: Sequence[str]) -> None:
        host.run(("ufw", *argv)).require("ufw %s" % " ".join(argv))


def parse_route(text: str) -> ParsedRoute:
    """Parse "443 on eth0 from 10.8.0.0/24 to 10.0.0.5 out eth1". Raises ValueError."""
    match = ROUTE.match(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("%r is not a route such as '443 on eth0 to 10.0.0.5 out eth1'" % (text,))
    each = match.group(2).split()
    given = dict(zip(each[::2], each[1::2]))
    if len(given) * 2 != len(each):
        raise ValueError("%r gives something twice" % text)
    to, out = given.pop("to", ""), given.pop("out", "")
    if out and not INTERFACE.match(out):
        raise ValueError("%r: %r is not the name of an interface" % (text, out))
    if to:
        import ipaddress

        try:
            to = str(ipaddress.ip_network(to))
        except ValueError as error:
            raise ValueError("%r: %s" % (text, error)) from None
    opened = " ".join([match.group(1), *("%s %s" % pair for pair in given.items())])
    if match.group(1) in ("any", "any/tcp", "any/udp") and not given:
        if not (to or out):
            raise ValueError("%r matches everything: add from, on, to or out" % text)
        return ParsedRoute(Opening(0, ALL, match.group(1).partition("/")[2] or "any", "", ""), to, out)
    source = parse_opening(opened)
    if source.origin and to and (":" in source.origin) != (":" in to):
        parts = [Part(6 if ":" in it else 4, it, 0) for it in (given["from"], as_written(to))]
        raise ValueError("%r: %s" % (text, mixed(*parts)))
    return ParsedRoute(source, to, out)


def wanted_route(action: str, way: ParsedRoute, family: Family) -> Optional[Rule]:
    """Return the rule for a route; None if one of its networks is of the other family."""
    six = ":" in family.anywhere
    if any(network and (":" in network) != six for network in (way.source.origin, way.to)):
        return None
    coming, leaving = way.source.interface, way.out
    ways = ["in_" + coming] * bool(coming) + ["out_" + leaving] * bool(leaving)
    return Rule(
        "route:" + action,
        way.source.protocol,
        way.source.ports(":"),
        as_written(way.to) or family.anywhere,
        "any",
        as_written(way.source.origin) or family.anywhere,
        "-",
        "-",
        "!".join(ways) or "in",
    )


def verb(rule: Rule) -> str:
    """Return the action of a route's rule."""
    return rule.action.partition(":")[2].partition("_")[0]


def same(held: Sequence[Rule], rule: Rule) -> List[Rule]:
    """Return the routes that apply to exactly the same packets as a rule."""
    return [other for other in held if other.action.startswith("route:") and other.same_packets(rule)]


def deciding(held: Sequence[Rule], rule: Rule) -> Optional[int]:
    """Return the index of the first route that decides for all packets of this one; None if none does."""
    routes = (
        n for n, other in enumerate(held) if other.action.startswith("route:") and about_all(other, rule)
    )
    return next(routes, None)


def about_all(other: Rule, rule: Rule) -> bool:
    """Return whether the other route applies to all packets of a rule."""
    if other.of_app or other.sport != "any" or other.protocol not in ("any", rule.protocol):
        return False
    for mine, its in ((rule.src, other.src), (rule.dst, other.dst)):
        if not within("" if mine in ANYWHERE else mine, "" if its in ANYWHERE else its):
            return False
    if not set(other.way.split("!")) <= {"in", "out", *rule.way.split("!")}:
        return False
    return other.dport in ("any", rule.dport)


def words(rule: Rule) -> List[str]:
    """Return the words for `ufw route`, without "delete" or "insert"."""
    ways = dict(part.split("_", 1) for part in rule.way.split("!") if "_" in part)
    on = [word for where in ("in", "out") if where in ways for word in (where, "on", ways[where])]
    action, _, log = rule.action.partition(":")[2].partition("_")
    protocol = ["proto", rule.protocol] if rule.protocol != "any" else []
    port = ["port", rule.dport] if rule.dport != "any" else []
    return [action, *on, *([log] if log else []), *protocol, "from", rule.src, "to", rule.dst, *port]
