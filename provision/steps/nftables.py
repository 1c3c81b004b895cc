"""A firewall with nftables. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Sequence

from provision.errors import StepError
from provision.steps.base import Diff, check_text, step, wanted
from provision.steps.support.address_families import refuse_mixed
from provision.steps.support.nft_tables import FOLDER, LoadedTable, Table, missing
from provision.steps.support.ports import Opening, parse_opening, refuse_denied, ssh_openings

if TYPE_CHECKING:
    from provision.system.host import System

FAMILIES = ("inet", "ip", "ip6", "arp", "bridge", "netdev")
NAME = re.compile(r"^[A-Za-z][\w-]*\Z", re.ASCII)
#: who has begun a connection lately, for each family of addresses
LIMITED = """\
    set limited%s {
        type %s . inet_service
        flags dynamic,timeout
        timeout 30s
    }
"""


@wanted()
class Firewall(LoadedTable):
    """Ports that other machines may reach on this host; all else is dropped. nftables, now and at boot.

        nftables.firewall(c, ["80", "443/tcp", "443/udp", "5432 from 10.0.0.0/8", "any on wg0"],
                          limited=["22"])

    openings: a port or a range ("8000-8010"), or "any"; "/udp" if it is not tcp; "from" a network and "on" an
    interface, if not from everywhere.
    limited: openings as above, in which an address may begin six connections in 30 seconds; more are
    rejected.
    On the port of SSH prov's own logins count as well.
    denied: closed although an opening allows it: ["22 from 203.0.113.7"].
    rules: more rules of the input chain, in nft's own language, after the openings.
    present: False removes the table, so that everything it blocked is allowed again.
    The port by which prov has come in, and those on which sshd listens, are always open, and in the same
    transaction as everything else: the host stays reachable at every moment. Established connections,
    the host's own (lo) and ICMP stay allowed. Outgoing and forwarded traffic is not affected: see
    nftables.table.
    The rules are a table of their own (inet prov), so those of others, such as containers, stay; they are
    judged by `nft -c` before they are in place, and loaded again if someone has changed them.
    Needs nftables on the host: apt.packages(c, "nftables").  Source: nft(8).
    """

    openings: Sequence[str] = ()
    rules: Sequence[str] = ()
    present: bool = True
    limited: Sequence[str] = ()
    denied: Sequence[str] = ()

    def label(self) -> str:
        return "firewall"

    def validate(self) -> None:
        for texts in (self.openings, self.rules, self.limited, self.denied):
            if isinstance(texts, str):
                raise ValueError("openings and rules must be lists")
        for opening in (*self.openings, *self.limited):
            refuse_denied(parse_opening(opening), self.denied, ValueError)
        for opening in self.limited:
            if parse_opening(opening).protocol == "any":
                raise ValueError("%r: limits are only for ports of tcp or udp" % opening)
        for opening in self.denied:
            parse_opening(opening)
        for rule in self.rules:
            check_text(rule, "a rule")
            if rule.count("{") != rule.count("}"):
                raise ValueError("a rule must be complete: %r" % rule)
            refuse_mixed(rule)
        if not self.present and (self.openings or self.rules or self.limited or self.denied):
            raise ValueError("present=False cannot be combined with openings")

    def check(self, host: "System") -> Diff:
        if not self.present:
            return missing(self.table(host).changes_without(host))
        ssh = ssh_openings(host)
        for opening in ssh:
            refuse_denied(opening, self.denied, StepError)
        lines = self._lines(ssh)
        count = "%d rules" % len(lines)
        found = self._table(lines).changes(host, count)
        return Diff(found) if found else Diff.none("has these %s" % count)

    def stays(self) -> bool:
        return self.present

    def table(self, host: "System") -> Table:
        return self._table(self._lines(ssh_openings(host)) if self.present else [])

    def _table(self, lines: Sequence[str]) -> Table:
        sets = LIMITED % (4, "ipv4_addr") + LIMITED % (6, "ipv6_addr") if self.limited else ""
        inner = (
            "%s    chain input {\n        type filter hook input priority filter; policy drop;\n%s    }\n"
        ) % (sets, "".join("        %s\n" % line for line in lines))
        return Table("inet", "prov", FOLDER + "/prov.nft", inner)

    def _lines(self, ssh: Sequence[Opening]) -> List[str]:
        """The rules of its chain. ssh: openings that come before all others."""
        lines = [
            "ct state established,related accept",
            "ct state invalid drop",
            'iifname "lo" accept',
            "meta l4proto { icmp, ipv6-icmp } accept",
        ]
        lines += [matched(opening) + "drop" for opening in map(parse_opening, self.denied)]
        for opening in map(parse_opening, self.limited):
            match = matched(opening)
            for version, address in ((4, "ip saddr"), (6, "ip6 saddr")):
                keys = "%s . %s dport" % (address, opening.protocol)
                rate = "limit rate over 12/minute burst 6 packets"
                lines.append(
                    "%sct state new update @limited%d { %s %s } reject" % (match, version, keys, rate)
                )
            lines.append(match + "accept")
        openings = dict.fromkeys([*ssh, *map(parse_opening, self.openings)])
        lines += [matched(opening) + "accept" for opening in openings]
        return [*lines, *self.rules]


@wanted()
class OwnTable(LoadedTable):
    """A table of your own, in nft's language: forwarding, NAT, sets, what the host sends. Now and at boot.

        nftables.table(c, "nat", '''
            chain postrouting {
                type nat hook postrouting priority srcnat
                oifname "eth0" ip saddr 10.8.0.0/24 masquerade
            }
        ''', family="ip")

    name: of the table, and of its file /etc/nftables.d/prov-NAME.nft.
    content: of the table: chains, sets, maps. "" removes the table.
    family: "inet" (both kinds of IP), "ip", "ip6", "arp", "bridge" or "netdev".
    Tables of others stay: one of this name that prov has not made is refused. All of the table is loaded in
    one transaction, judged by `nft -c` before it is in place, and loaded again if someone has changed it;
    elements of sets that are dynamic or have a timeout may come and go. Forwarding also needs kernel.sysctl,
    "net.ipv4.ip_forward".
    Needs nftables on the host: apt.packages(c, "nftables").  Source: nft(8).
    """

    name: str
    content: str
    family: str = "inet"

    def label(self) -> str:
        return "nftables table %s %s" % (self.family, self.name)

    def validate(self) -> None:
        if not isinstance(self.name, str) or not NAME.match(self.name):
            raise ValueError("%r is not the name of a table" % (self.name,))
        if self.family not in FAMILIES:
            raise ValueError("family must be one of %s, not %r" % (", ".join(FAMILIES), self.family))
        if (self.family, self.name) == ("inet", "prov"):
            raise ValueError("the table inet prov is that of nftables.firewall")
        if not isinstance(self.content, str) or "\0" in self.content:
            raise ValueError("content must be text without NUL")
        if self.content.count("{") != self.content.count("}"):
            raise ValueError("content must be complete: its braces do not match")
        refuse_mixed(self.content, self.family)

    def check(self, host: "System") -> Diff:
        table = self.table(host)
        if not self.stays():
            return missing(table.changes_without(host) if self._is_ours(host) else [])
        if table.loaded(host) == "other" and not self._is_ours(host):
            raise StepError(
                "the table %s %s exists, and prov did not make it" % table.words,
                hint="Choose another name: several tables of the same kind can coexist.",
            )
        found = table.changes(host, "yes")
        return Diff(found) if found else Diff.none("is loaded")

    def stays(self) -> bool:
        return bool(self.content.strip())

    def _is_ours(self, host: "System") -> bool:
        return bool(host.files.stat(self.table(host).path) or self.table(host).remembered(host))

    def table(self, host: "System") -> Table:
        path = "%s/prov-%s-%s.nft" % (FOLDER, self.family, self.name)
        inner = "".join("    %s\n" % line.strip() for line in self.content.strip().splitlines())
        return Table(self.family, self.name, path, inner)


firewall = step(Firewall)
table = step(OwnTable)


def matched(opening: Opening) -> str:
    """Which packets an opening is about, in nft's words."""
    words = 'iifname "%s" ' % opening.interface if opening.interface else ""
    if opening.origin:
        words += "%s saddr %s " % ("ip6" if ":" in opening.origin else "ip", opening.origin)
    if opening.first:
        return "%s%s dport %s " % (words, opening.protocol, opening.ports("-"))
    return words + ("" if opening.protocol == "any" else "meta l4proto %s " % opening.protocol)
