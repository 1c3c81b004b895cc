"""A firewall with ufw. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.support.foresight import foresee
from provision.steps.support.lockout import Guarded
from provision.steps.support.ports import Opening, parse_opening, refuse_denied, ssh_openings
from provision.steps.support.ufw_rules import (
    ANYWHERE,
    CONF,
    FILES,
    POLICIES,
    V4,
    V6,
    Family,
    Rule,
    comment_words,
    counted,
    families,
    has_ufw,
    is_on,
    keep_files,
    position,
    put_rules,
    replace,
    rules,
    runs,
    setting,
    verdict,
    wanted_rule,
)
from provision.steps.ufw_routes import Route as Route

if TYPE_CHECKING:
    from provision.system.host import System

#: verbs that are as good as the wanted one, and the name of an opening in a diff
AS_GOOD = {"limit": ("limit",), "allow": ("allow", "limit"), "deny": ("deny", "reject")}
WORDS = {"limit": "limited opening", "allow": "opening", "deny": "denial"}


class Lack(NamedTuple):
    """A rule that a family needs. at: index of the rule that decides before it; len(held) if none does."""

    family: Family
    rule: Rule
    held: Sequence[Rule]
    at: int

    @property
    def before(self) -> Optional[Rule]:
        return self.held[self.at] if self.at < len(self.held) else None


@wanted()
class Ufw(Step):
    """The ports that other machines may reach on this host, by ufw, now and at boot; all else is denied.

        ufw.ufw(c, ["80", "443", "5432/tcp from 10.0.0.0/8", "any on wg0"], limited=["22"])

    openings: a port or a range ("8000-8010"), or "any"; add "/udp" unless it is tcp; "from" a network and
    "on" an interface limit where packets come from.
    limited: openings as above, but an address may begin six connections in 30 seconds, and is refused after
    that. On the port of SSH, prov's own logins count as well.
    denied: the same, closed although an opening would let it in: ["22 from 203.0.113.7"].
    exclusive: remove other rules that let packets in; rules with more conditions than these stay.
    enabled: False turns ufw off: everything is let in; its rules stay.
    If an existing rule already lets packets in, by allow or limit, it stays and counts as the opening. If a
    deny rule comes before an opening and closes it for everyone, a rule is inserted before the deny. A
    narrower deny (for one address or one interface) stays as an exception.
    The port that prov came in by, and those that sshd listens on, are opened before anything is closed, and
    are never removed.  Undo restores ufw's files, and has it load them.
    Needs ufw on the host: apt.packages(c, "ufw").  On a host with containers, use
    nftables.firewall instead: ufw and Docker do not know of each other.  Source: ufw(8).
    """

    openings: Sequence[str] = ()
    exclusive: bool = False
    enabled: bool = True
    limited: Sequence[str] = ()
    denied: Sequence[str] = ()

    DEADLINE = 180.0

    def label(self) -> str:
        return "ufw"

    def validate(self) -> None:
        for texts in (self.openings, self.limited, self.denied):
            if isinstance(texts, str):
                raise ValueError("openings must be a list")
            for opening in texts:
                parse_opening(opening)
        if not self.enabled and (self.openings or self.exclusive or self.limited or self.denied):
            raise ValueError("openings make no sense if ufw is to be off")
        for text in (*self.openings, *self.limited):
            refuse_denied(parse_opening(text), self.denied, ValueError)

    def check(self, host: "System") -> Diff:
        if not has_ufw(host, needed=self.enabled):
            return Diff.none("there is no ufw")
        on = is_on(host)
        if not self.enabled:
            return Diff([Change("enabled", "yes", "no")]) if on else Diff.none("is off")
        found = []
        ssh = ssh_openings(host)
        going = self._others(host, ssh)
        for action, opening in self._wanted(host, ssh):
            lacking = self._lacking(host, action, opening, going)
            found += [change(action, opening, lacking)] if lacking else []
        found += [Change("opening", text, "") for text in dict.fromkeys(shown(rule) for _, rule in going)]
        policy = setting(host, POLICIES, "DEFAULT_INPUT_POLICY").upper()
        if policy not in ("DROP", "REJECT"):
            found.append(Change("incoming", policy.lower(), "deny"))
        if not on:
            found.append(Change("enabled", "no", "yes"))
        elif not runs(host):
            found.append(Change("running", "other rules", "these"))
        return Diff(found) if found else Diff.none("is on, with these openings")

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        keep_files(host)
        self._make_so(host, what)
        if "running" not in what:
            # undo restores all that these commands have changed
            host.ran = False

    def _make_so(self, host: "System", what: Set[str]) -> None:
        if not self.enabled:
            self._ufw(host, "disable")
            replace(host, CONF, r"^ENABLED=.*$", "ENABLED=no")
            return
        ssh = ssh_openings(host)
        going = self._others(host, ssh)
        for action, opening in self._wanted(host, ssh):
            self._put(host, self._lacking(host, action, opening, going))
        for family, rule in going:
            self._remove(host, family, rule)
        if "incoming" in what:
            self._ufw(host, "default", "deny", "incoming")
            replace(host, POLICIES, r"^DEFAULT_INPUT_POLICY=.*$", 'DEFAULT_INPUT_POLICY="DROP"')
        if "enabled" in what:
            self._ufw(host, "--force", "enable")
            replace(host, CONF, r"^ENABLED=.*$", "ENABLED=yes")
        elif "running" in what:
            self._ufw(host, "reload")
        foresee(host, "ufw", "running")

    def guarded(self, host: "System", diff: Diff) -> Optional[Guarded]:
        commands = [["ufw", "reload"]] if is_on(host) else [["ufw", "--force", "disable"]]
        return Guarded([CONF, POLICIES, *FILES], commands)

    def fingerprint(self, host: "System") -> str:
        state = setting(host, CONF, "ENABLED")
        return " ".join([state, *(rule.text() for family in (V4, V6) for rule in rules(host, family))])

    def _ufw(self, host: "System", *words: str) -> None:
        host.run(("ufw", *words)).require(
            "ufw %s" % " ".join(words),
            "Check that this kernel can filter packets: `ufw --version`, `iptables -L`.",
        )

    def _wanted(self, host: "System", ssh: Sequence[Opening]) -> Iterator[Tuple[str, Opening]]:
        """Return the wanted openings: limits first, as they open ports too, then ssh. Raises StepError."""
        for opening in ssh:
            refuse_denied(opening, self.denied, StepError)
        limited, denied = map(parse_opening, self.limited), map(parse_opening, self.denied)
        openings = map(parse_opening, self.openings)
        each = [("limit", o) for o in limited] + [("allow", o) for o in (*ssh, *openings)]
        each += [("deny", o) for o in denied]
        for action, opening in dict.fromkeys(each):
            if ":" in opening.origin and V6 not in families(host):
                raise StepError(
                    "%s is about IPv6, which ufw leaves alone on this host" % opening.shown(),
                    hint="Set IPV6=yes in %s before this step." % POLICIES,
                )
            yield action, opening

    def _lacking(
        self, host: "System", action: str, opening: Opening, going: Sequence[Tuple[Family, Rule]]
    ) -> List[Lack]:
        """Return where an opening is not as wanted, once the rules to remove are gone."""
        found = []
        for family in families(host):
            rule = wanted_rule(action, opening, family)
            if rule is None:
                continue
            held = rules(host, family)
            staying = [other for other in held if (family, other) not in going]
            at = verdict(staying, opening, AS_GOOD[action])
            if at is not None:
                found.append(
                    Lack(family, rule, held, held.index(staying[at]) if at < len(staying) else len(held))
                )
        return found

    def _put(self, host: "System", lacking: Sequence[Lack]) -> None:
        if len(lacking) == 2 and not any(lack.before for lack in lacking):
            # of both families at once
            words = lacking[0].rule._replace(src="any").words()
            self._ufw(host, *words)
            for lack in lacking:
                put_rules(host, lack.family, [*lack.held, lack.rule])
            return
        for lack in lacking:
            held = list(lack.held)
            same = [n for n, rule in enumerate(held) if rule.same_packets(lack.rule)]
            if lack.before is None or same[:1] == [lack.at]:
                # at its end; or in the place of one with another action
                self._ufw(host, *lack.rule.words())
                held[lack.at : lack.at + 1] = [lack.rule]
            else:
                comment = comment_words(host, lack.family, lack.rule)
                for n in same:
                    # ufw does not move an existing rule
                    self._ufw(host, "delete", *held.pop(n).words())
                first = counted(rules(host, V4)) if lack.family == V6 else 0
                at = position(held, lack.at)
                self._ufw(host, "insert", str(first + at), *lack.rule.words(), *comment)
                held.insert(lack.at, lack.rule)
            put_rules(host, lack.family, held)

    def _others(self, host: "System", ssh: Sequence[Opening]) -> List[Tuple[Family, Rule]]:
        """Return rules that let in more than is wanted, if they are to be removed."""
        found: List[Tuple[Family, Rule]] = []
        openings = [*ssh, *map(parse_opening, (*self.openings, *self.limited))]
        for family in families(host) if self.exclusive else ():
            ours = [wanted_rule("allow", opening, family) for opening in openings]
            for rule in rules(host, family):
                plain = rule.dst in ANYWHERE and rule.sport == "any" and rule.sapp == "-"
                wanted_too = any(own is not None and own.same_packets(rule) for own in ours)
                if plain and rule.verb in ("allow", "limit") and not wanted_too:
                    found.append((family, rule))
        return found

    def _remove(self, host: "System", family: Family, rule: Rule) -> None:
        held = rules(host, family)
        if rule not in held:
            # removed with another rule of its application, or replaced by a denial
            return
        self._ufw(host, "delete", *rule.words())
        put_rules(host, family, [r for r in held if r != rule and (not rule.app or r.app != rule.app)])


ufw = step(Ufw)
route = step(Route)


def change(action: str, opening: Opening, lacking: Sequence[Lack]) -> Change:
    """Return the change for an opening."""
    before = next((lack.before for lack in lacking if lack.before), None)
    if before is None:
        return Change(WORDS[action], "", opening.shown())
    what = "%s %s" % (WORDS[action], opening.shown())
    if any(lack.before and lack.before.same_packets(lack.rule) for lack in lacking):
        return Change(what, before.verb, action)
    return Change(what, "behind %s" % shown(before), "before it")


def shown(rule: Rule) -> str:
    """Return a rule in IPv4's words: a rule of both families is shown once."""
    return rule.text().replace(ANYWHERE[1], ANYWHERE[0])
