"""A firewall with ufw. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.support.lockout import Guarded
from provision.steps.support.ports import Opening, parse_opening, with_ssh

if TYPE_CHECKING:
    from provision.system.host import System

CONF = "/etc/ufw/ufw.conf"
POLICIES = "/etc/default/ufw"
TUPLE = "### tuple ### "
#: ANY of ufw's rules, by their file
FILES = (("/etc/ufw/user.rules", "0.0.0.0/0"), ("/etc/ufw/user6.rules", "::/0"))


@wanted()
class Ufw(Step):
    """What other machines may reach on this host; all else is denied. ufw, now and at boot.

        ufw.ufw(c, ["80", "443", "5432/tcp from 10.0.0.0/8"])

    openings: a port or a range ("8000-8010"), "/udp" if it is not tcp, and from where, if not from everywhere.
    exclusive: remove other plain allow rules, those that ufw keeps for itself or with options stay.
    enabled: False turns ufw off: everything is let in; its rules stay.
    The port by which prov has come in, and those on which sshd listens, are opened before anything is
    closed, and are never removed.  Needs ufw on the host: apt.packages(c, "ufw").  On a host with containers
    take nftables.firewall: ufw and Docker do not know of each other.  Source: ufw(8).
    """

    openings: Sequence[str] = ()
    exclusive: bool = False
    enabled: bool = True

    DEADLINE = 180.0

    def label(self) -> str:
        return "ufw"

    def validate(self) -> None:
        if isinstance(self.openings, str):
            raise ValueError("openings must be a list")
        for opening in self.openings:
            parse_opening(opening)
        if not self.enabled and (self.openings or self.exclusive):
            raise ValueError("openings make no sense if ufw is to be off")

    def check(self, host: "System") -> Diff:
        if not host.files.exists(CONF):
            if not self.enabled:
                return Diff.none("there is no ufw")
            raise StepError("this host has no ufw", hint='Add apt.packages(c, "ufw") before this step.')
        on = setting(host, CONF, "ENABLED") == "yes"
        if not self.enabled:
            return Diff([Change("enabled", "yes", "no")]) if on else Diff.none("is off")
        found = [Change("opening", "", shown(o)) for o in self._missing(host)]
        found += [Change("opening", line, "") for line in self._others(host)]
        policy = setting(host, POLICIES, "DEFAULT_INPUT_POLICY")
        if policy not in ("DROP", "REJECT"):
            found.append(Change("incoming", policy.lower(), "deny"))
        if not on:
            found.append(Change("enabled", "no", "yes"))
        return Diff(found) if found else Diff.none("is on, with these openings")

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        if not self.enabled:
            self._ufw(host, "disable")
            replace(host, CONF, r"^ENABLED=.*$", "ENABLED=no")
            return
        for opening in self._missing(host):
            self._ufw(host, *rule(opening))
            add_tuples(host, opening)
        for line in self._others(host):
            self._ufw(host, "delete", *rule_of(line))
            for path, anywhere in FILES:
                gone = re.escape(TUPLE + line.replace("0.0.0.0/0", anywhere))
                replace(host, path, r"^%s( .*)?\n" % gone, "")
        if "incoming" in what:
            self._ufw(host, "default", "deny", "incoming")
            replace(host, POLICIES, r"^DEFAULT_INPUT_POLICY=.*$", 'DEFAULT_INPUT_POLICY="DROP"')
        if "enabled" in what:
            self._ufw(host, "--force", "enable")
            replace(host, CONF, r"^ENABLED=.*$", "ENABLED=yes")

    def guarded(self, host: "System", diff: Diff) -> Optional[Guarded]:
        on = host.files.exists(CONF) and setting(host, CONF, "ENABLED") == "yes"
        commands = [["ufw", "reload"]] if on else [["ufw", "--force", "disable"]]
        return Guarded([CONF, POLICIES, *(path for path, _ in FILES)], commands)

    def fingerprint(self, host: "System") -> str:
        state = setting(host, CONF, "ENABLED") if host.files.exists(CONF) else ""
        return " ".join([state, *(line for path, _ in FILES for line in tuples(host, path))])

    def _ufw(self, host: "System", *words: str) -> None:
        host.run(("ufw", *words)).require(
            "ufw %s" % " ".join(words),
            "Can this kernel filter packets? `ufw --version` and `iptables -L` tell.",
        )

    def _missing(self, host: "System") -> List[Opening]:
        have = {path: tuples(host, path) for path, _ in FILES}
        found = []
        for opening in with_ssh(host, self.openings):
            if any(line not in have[path] for path, line in lines_of(opening)):
                found.append(opening)
        return found

    def _others(self, host: "System") -> List[str]:
        if not self.exclusive:
            return []
        ours = {line for o in with_ssh(host, self.openings) for _, line in lines_of(o)}
        found = [line for path, _ in FILES for line in tuples(host, path) if line not in ours]
        # for "anywhere" ufw keeps two lines, and deletes both by one command
        plain = [line for line in found if rule_of(line)]
        return [
            line for line in plain if "::/0" not in line or line.replace("::/0", "0.0.0.0/0") not in plain
        ]


ufw = step(Ufw)


def lines_of(opening: Opening) -> "List[tuple[str, str]]":
    """(file, tuple) that ufw keeps for an opening."""
    found = []
    for path, anywhere in FILES:
        if opening.origin and (":" in opening.origin) != (":" in anywhere):
            continue
        origin = opening.origin or anywhere
        if origin.endswith("/128" if ":" in origin else "/32"):
            origin = origin.rsplit("/", 1)[0]
        words = ("allow", opening.protocol, opening.ports(":"), anywhere, "any", origin, "in")
        found.append((path, " ".join(words)))
    return found


def rule(opening: Opening) -> "List[str]":
    """Words for ufw(8)."""
    origin = opening.origin or "any"
    return ["allow", "proto", opening.protocol, "from", origin, "to", "any", "port", opening.ports(":")]


def rule_of(line: str) -> "List[str]":
    """Words for ufw(8) from a tuple; none if it is more than a plain opening."""
    words = line.split()
    if len(words) != 7 or words[0] != "allow" or words[4] != "any" or words[6] != "in":
        return []
    origin = "any" if words[5] in ("0.0.0.0/0", "::/0") else words[5]
    protocol = [] if words[1] == "any" else ["proto", words[1]]
    return ["allow", *protocol, "from", origin, "to", "any", "port", words[2]]


def shown(opening: Opening) -> str:
    """An opening in few words."""
    origin = " from %s" % opening.origin if opening.origin else ""
    return "%s/%s%s" % (opening.ports("-"), opening.protocol, origin)


def text_of(host: "System", path: str) -> str:
    """The text of a file; "" if there is none."""
    return host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""


def tuples(host: "System", path: str) -> List[str]:
    """ufw's own record of the rules in a file, without their comments."""
    lines = (line for line in text_of(host, path).splitlines() if line.startswith(TUPLE))
    return [re.sub(r" comment=\S+", "", line[len(TUPLE) :]).strip() for line in lines]


def setting(host: "System", path: str, name: str) -> str:
    """A value of a file of shell variables."""
    found = re.findall(r'^%s="?([^"\n]*)"?' % name, text_of(host, path), re.MULTILINE)
    return found[-1].strip() if found else ""


def replace(host: "System", path: str, pattern: str, new: str) -> None:
    """In a plan: what ufw will have written."""
    if host.planned and host.files.exists(path):
        text = re.sub(pattern, new, text_of(host, path), flags=re.MULTILINE)
        host.files.write(path, text.encode(), 0o640, 0, 0)


def add_tuples(host: "System", opening: Opening) -> None:
    """In a plan: what ufw will have written."""
    for path, line in lines_of(opening) if host.planned else ():
        if line not in tuples(host, path):
            host.files.write(path, (text_of(host, path) + TUPLE + line + "\n").encode(), 0o640, 0, 0)
