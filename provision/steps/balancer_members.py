"""Hosts that a balancer leaves out for a while: during their own deploy. Shipped to hosts (Python 3.8)."""

import os
import time
from typing import TYPE_CHECKING, Dict, Iterator, List, Sequence, Set, Tuple
from urllib.parse import urlsplit

from provision.errors import StepError
from provision.steps.base import (
    Change,
    Diff,
    Step,
    check_path,
    check_seconds,
    check_text,
    listed,
    step,
    wanted,
)
from provision.steps.support.asked_fronts import answer_of_front
from provision.steps.support.held_ports import plain
from provision.system.front_reload import renew

if TYPE_CHECKING:
    from provision.system.host import System

#: the state of a connection in /proc/net/tcp
ESTABLISHED = "01"
#: in the outcome's stdout: why it stays in
ALONE = "no other host would be left"
PAUSE = 0.1
#: of URLs without one
PORTS = {"http": 80, "https": 443}


@wanted()
class BalancerMember(Step):
    """A host that the balancer on this host asks, or leaves out until the next deploy of this balancer.

    folder: of the front's sites.  member: the word that begins a line with a host, and the word behind that host that
    takes it out, such as "server" and "down".  hosts: the host, with each port, such as "10.0.0.11:443".
    out: leave it out. If no other host is left that answers, it stays in, and the outcome's stdout says why.
    unit: of the front, which reloads.  urls: what other hosts are asked.
    """

    folder: str
    member: Sequence[str]
    hosts: Sequence[str]
    out: bool
    unit: str
    urls: Sequence[str] = ()

    DEADLINE = 120.0

    def label(self) -> str:
        return "balancer's member %s" % listed(self.hosts)

    def validate(self) -> None:
        check_path(self.folder, "folder")
        if len(self.member) != 2:
            raise ValueError("member must be two words, not %r" % (self.member,))
        for text in (*self.member, *self.hosts, self.unit, *self.urls):
            check_text(text, "text")

    def check(self, host: "System") -> Diff:
        found: Dict[str, Tuple[str, str]] = {}
        self.scratch["texts"] = found
        for name in host.files.list(self.folder):
            path = "%s/%s" % (self.folder, name)
            if not name.endswith(".conf"):
                continue
            before = host.files.read(path).decode("utf-8", "surrogateescape")
            after, alone = self._changed(before)
            if alone:
                self.scratch["stdout"] = alone
                return Diff.none("%s: %s" % (path, alone))
            if after != before:
                found[path] = (before, after)
        if not found:
            return Diff.none("is out" if self.out else "is in")
        return Diff([Change("member", "in" if self.out else "out", "out" if self.out else "in")])

    def apply(self, host: "System", diff: Diff) -> None:
        texts: Dict[str, Tuple[str, str]] = self.scratch["texts"]
        self._write(host, {path: after for path, (_, after) in texts.items()})
        try:
            renew(host.units, "%s.service" % self.unit, planned=host.planned)
        except StepError:
            # the front may have read the file or not: a file without the host is what its next deploy puts right
            if not self.out:
                self._write(host, {path: before for path, (before, _) in texts.items()})
            raise

    def _write(self, host: "System", texts: "Dict[str, str]") -> None:
        for path, text in texts.items():
            now = host.files.stat(path)
            assert now is not None  # it has been read
            host.files.write(path, text.encode("utf-8", "surrogateescape"), now.mode, now.uid, now.gid)

    def _changed(self, text: str) -> "Tuple[str, str]":
        """Return a configuration with the host in the wanted state, and "" or why it stays as it is."""
        lines = text.splitlines(keepends=True)
        alone = ""
        begun = False
        for number, line in enumerate(lines):
            words = words_of(line)
            if words[:1] != [self.member[0]] or len(words) < 2:
                begun = begun and not ends(words)
                continue
            if not begun:
                begun, alone = True, self._alone(lines[number:]) if self.out else ""
            if without_scheme(words[1]) not in self.hosts:
                continue
            if alone:
                return text, alone
            lines[number] = self._line(line, words)
        return "".join(lines), ""

    def _alone(self, lines: Sequence[str]) -> str:
        """Return why the balancer whose members these lines begin with has no other one that answers, or ""."""
        why = ALONE
        for name in self._others(lines):
            why = self._wrong(name)
            if not why:
                break
        return why

    def _others(self, lines: Sequence[str]) -> Iterator[str]:
        """Yield the other members that are in, of the balancer whose members these lines begin with."""
        for line in lines:
            words = words_of(line)
            if ends(words):
                return
            if words[:1] == [self.member[0]] and len(words) > 1 and self.member[1] not in words:
                name = without_scheme(words[1])
                if name not in self.hosts:
                    yield name

    def _wrong(self, name: str) -> str:
        """Return why a member does not answer what it is asked, or "". It is asked once."""
        answers: Dict[str, str] = self.scratch.setdefault("answers", {})
        if name not in answers:
            address, _, port = name.rpartition(":")
            asked = [url for url in self.urls if str(PORTS[urlsplit(url).scheme]) == port]
            said = [answer_of_front(url, plain_address(address)) for url in asked]
            wrong = [
                "%s answers %s: %s" % (address, each["url"], each["said"]) for each in said if each["said"]
            ]
            answers[name] = "; ".join(wrong)
        return answers[name]

    def _line(self, line: str, words: Sequence[str]) -> str:
        name, word = words[1], self.member[1]
        if (word in words) is self.out:
            return line
        if self.out:
            return line.replace(name, "%s %s" % (name, word), 1)
        return line.replace("%s %s" % (name, word), name, 1)


def words_of(line: str) -> List[str]:
    """Return the words of a line, without the semicolon that ends it."""
    return line.strip().rstrip(";").split()


def ends(words: Sequence[str]) -> bool:
    """Whether a line with these words ends a list of members."""
    return bool(words) and words[0].startswith(("}", "<"))


def plain_address(word: str) -> str:
    """Return an address without the brackets of IPv6."""
    return word.strip("[]")


def without_scheme(word: str) -> str:
    """Return the host and port of a member."""
    return word.strip('"').rpartition("//")[2]


@wanted()
class ConnectionsEnded(Step):
    """No open connections from other hosts to ports of this one. After some seconds, those that are left stay, and the
    step says how many.

    addresses: of the other hosts.  ports: of this one.  within: seconds.
    """

    addresses: Sequence[str]
    ports: Sequence[int]
    within: float

    DEADLINE = 3600.0

    def label(self) -> str:
        return "connections of %s have ended" % listed(self.addresses)

    def validate(self) -> None:
        check_seconds(self.within, "within")

    def check(self, host: "System") -> Diff:
        end = time.monotonic() + (0 if host.planned else self.within)
        while True:
            left = sum(1 for port, peer in connections() if port in self.ports and peer in self.addresses)
            if not left or time.monotonic() >= end:
                return Diff.none(
                    "still open after %g s: %d" % (self.within, left) if left else "none is open"
                )
            time.sleep(PAUSE)

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")


def connections() -> "Set[Tuple[int, str]]":
    """Return the open TCP connections of this host: its port, and the other side's address (proc(5), net/tcp)."""
    found = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(path):
            continue
        with open(path, encoding="ascii") as f:
            rows = [line.split() for line in f.readlines()[1:]]
        for row in rows:
            if row[3] == ESTABLISHED:
                peer = plain(row[2].partition(":")[0])
                found.add(
                    (int(row[1].partition(":")[2], 16), peer[7:] if peer.startswith("::ffff:") else peer)
                )
    return found


balancer_member = step(BalancerMember)
connections_ended = step(ConnectionsEnded)
