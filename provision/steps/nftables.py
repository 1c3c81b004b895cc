"""A firewall with nftables. Shipped to hosts (Python 3.8, standard library)."""

import hashlib
import re
from typing import TYPE_CHECKING, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, step, wanted
from provision.steps.files import File
from provision.steps.kernel import put
from provision.steps.support.foresight import foresee, foreseen
from provision.steps.support.lockout import Guarded
from provision.steps.support.ports import parse_opening, with_ssh

if TYPE_CHECKING:
    from provision.system.host import System

TABLE = ("inet", "prov")
RULES = "/etc/nftables.d/prov.nft"
#: with a wildcard, because nft(8) takes it for an error if a file that it names is not there
INCLUDE = 'include "/etc/nftables.d/prov*.nft"'
UNIT = "nftables.service"
ENABLED = ("enabled", "enabled-runtime", "static", "alias")


@wanted()
class Firewall(Step):
    """What other machines may reach on this host; all else is dropped. nftables, now and at boot.

        nftables.firewall(c, ["80", "443/tcp", "443/udp", "5432 from 10.0.0.0/8"])

    openings: a port or a range ("8000-8010"), "/udp" if it is not tcp, and from where, if not from everywhere.
    rules: more rules of the input chain, in nft's own language, that come after the openings.
    present: False takes the table away: what it held back is let in again.
    The port by which prov has come in, and those on which sshd listens, are always open, and in the same
    transaction as everything else: there is no moment in which the host can't be reached. Connections that are
    under way, the host's own (lo), and ICMP stay. What the host sends and forwards is not touched.
    The rules are a table of their own (inet prov), so those of others, such as containers, stay; they are
    judged by `nft -c` before they are in place, and loaded again if somebody has changed them.
    Needs nftables on the host: apt.packages(c, "nftables").  Source: nft(8).
    """

    openings: Sequence[str] = ()
    rules: Sequence[str] = ()
    present: bool = True

    def label(self) -> str:
        return "firewall"

    def units(self) -> Sequence[str]:
        return [UNIT]

    def validate(self) -> None:
        if isinstance(self.openings, str) or isinstance(self.rules, str):
            raise ValueError("openings and rules must be lists")
        for opening in self.openings:
            parse_opening(opening)
        for rule in self.rules:
            check_text(rule, "a rule")
            if rule.count("{") != rule.count("}"):
                raise ValueError("a rule must be complete: %r" % rule)
        if not self.present and (self.openings or self.rules):
            raise ValueError("openings of a firewall that shall not be there make no sense")

    def check(self, host: "System") -> Diff:
        found: List[Change] = []
        if not self.present:
            if host.files.stat(RULES) is not None:
                found.append(Change("removed", RULES, ""))
            if host.files.exists(self._main(host)):
                found += self._include(host).check(host).changes
            if self._loaded(host) != "no":
                found.append(Change("loaded", "yes", "no"))
            return Diff(found) if found else Diff.none("there is none of prov's")
        if not host.files.exists(self._main(host)):
            raise StepError(
                "there is no %s: nftables is not installed" % self._main(host),
                hint='Add apt.packages(c, "nftables") before this step.',
            )
        found += self._file(host).check(host).changes
        found += self._include(host).check(host).changes
        loaded = self._loaded(host)
        if loaded != self._digest(host):
            before = {"no": "no", "other": "other rules"}.get(loaded, "older rules")
            found.append(Change("loaded", before, "%d rules" % len(self._lines(host))))
        if not self._enabled(host):
            found.append(Change("enabled", "no", "yes"))
        return Diff(found) if found else Diff.none("has these %d rules" % len(self._lines(host)))

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        if not self.present:
            if host.files.exists(self._main(host)):
                put(host, self._include(host))
            if "removed" in what:
                host.files.remove(RULES)
            if "loaded" in what:
                host.run(("nft", "delete", "table", *TABLE)).require("taking the firewall away")
                foresee(host, self.label(), "no")
            return
        put(host, self._file(host))
        # loaded before it is made to count at boot: what can't be loaded must not be there then
        host.run(("nft", "-f", RULES)).require("loading the firewall's rules")
        foresee(host, self.label(), self._digest(host))
        put(host, self._include(host))
        if "enabled" in what:
            host.units.do("enable", UNIT)

    def guarded(self, host: "System", diff: Diff) -> Optional[Guarded]:
        now = host.ask(("nft", "-s", "list", "table", *TABLE), timeout=20)
        table = " ".join(TABLE)
        # the table goes in the transaction that brings the former one, if there was any
        text = "table %s\ndelete table %s\n%s" % (table, table, "" if now.status else now.stdout)
        path = "%s/guard/rules.nft" % host.ledger.home
        return Guarded([RULES, self._main(host)], [["nft", "-f", path]], contents={"rules.nft": text})

    def fingerprint(self, host: "System") -> str:
        return self._loaded(host)

    def _main(self, host: "System") -> str:
        """What nftables.service loads."""
        redhat = host.facts.get("family") == "redhat"
        return "/etc/sysconfig/nftables.conf" if redhat else "/etc/nftables.conf"

    def _lines(self, host: "System") -> List[str]:
        lines = [
            "ct state established,related accept",
            "ct state invalid drop",
            'iifname "lo" accept',
            "meta l4proto { icmp, ipv6-icmp } accept",
        ]
        for opening in with_ssh(host, self.openings):
            family = "ip6" if ":" in opening.origin else "ip"
            origin = "%s saddr %s " % (family, opening.origin) if opening.origin else ""
            lines.append("%s%s dport %s accept" % (origin, opening.protocol, opening.ports("-")))
        return [*lines, *self.rules]

    def _digest(self, host: "System") -> str:
        return hashlib.sha256("\n".join(self._lines(host)).encode()).hexdigest()[:16]

    def _file(self, host: "System") -> File:
        table = " ".join(TABLE)
        lines = self._lines(host)
        lines[0] += ' comment "prov %s"' % self._digest(host)
        text = (
            "# written by prov; changes made here are undone\n"
            # made if it is not there, so that it can be deleted; all of the file is one transaction
            "table %s\ndelete table %s\ntable %s {\n"
            "    chain input {\n"
            "        type filter hook input priority filter; policy drop;\n%s"
            "    }\n}\n"
        ) % (table, table, table, "".join("        %s\n" % line for line in lines))
        return File(
            RULES, text, mode=0o644, owner="root", group="root", validate_with=["nft", "-c", "-f", "%s"]
        )

    def _include(self, host: "System") -> File:
        path = self._main(host)
        text = host.files.read(path).decode(errors="replace")
        if not self.present:
            return File(path, text.replace(INCLUDE + "\n", ""))
        if INCLUDE in text or re.search(r'^\s*include\s+"/etc/nftables\.d/\*(\.nft)?"', text, re.MULTILINE):
            return File(path, text)
        return File(path, text + ("" if text.endswith("\n") else "\n") + INCLUDE + "\n")

    def _loaded(self, host: "System") -> str:
        """ "no", the digest of the rules that are loaded, or "other" if somebody has changed them."""
        known = foreseen(host, self.label())
        if known is not None:
            return known
        said = host.ask(("nft", "-s", "list", "table", *TABLE), timeout=20)
        if said.status:
            return "no"
        digest = re.search(r'comment "prov ([0-9a-f]{16})"', said.stdout)
        rules = [
            line for line in said.stdout.splitlines() if line.startswith("\t\t") and "policy" not in line
        ]
        expected = len(self._lines(host)) if self.present else 0
        if digest is None or "policy drop" not in said.stdout:
            return "other"
        if digest.group(1) == self._digest(host) and len(rules) != expected:
            return "other"
        return digest.group(1)

    def _enabled(self, host: "System") -> bool:
        if host.facts.get("init") != "systemd":
            return True
        return host.units.state(UNIT).enabled in ENABLED


firewall = step(Firewall)
