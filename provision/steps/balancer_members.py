"""Hosts that a balancer leaves out for a while: during their own deploy. Shipped to hosts (Python 3.8)."""

import os
import time
from typing import TYPE_CHECKING, Dict, Iterator, List, Sequence, Set, Tuple

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
from provision.steps.support.held_ports import plain
from provision.system.front_reload import renew

if TYPE_CHECKING:
    from provision.system.host import System

#: the state of a connection in /proc/net/tcp
ESTABLISHED = "01"
#: in the outcome's stdout: it stays in, as no other member would be left
ALONE = "alone"
PAUSE = 0.1


@wanted()
class BalancerMember(Step):
    """A host that the balancer on this host asks, or leaves out until the next deploy of this balancer.

    folder: of the front's sites.  member: the word that begins a line with a host, and the word behind that host that
    takes it out, such as "server" and "down".  hosts: the host, with each port, such as "10.0.0.11:443".
    out: leave it out. If no other host would be left, it stays in.
    unit: of the front, which reloads.
    """

    folder: str
    member: Sequence[str]
    hosts: Sequence[str]
    out: bool
    unit: str

    DEADLINE = 120.0

    def label(self) -> str:
        return "balancer's member %s" % listed(self.hosts)

    def validate(self) -> None:
        check_path(self.folder, "folder")
        if len(self.member) != 2:
            raise ValueError("member must be two words, not %r" % (self.member,))
        for text in (*self.member, *self.hosts, self.unit):
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
                self.scratch["stdout"] = ALONE
                return Diff.none("no other member would be left in %s" % path)
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
            self._write(host, {path: before for path, (before, _) in texts.items()})
            raise

    def _write(self, host: "System", texts: "Dict[str, str]") -> None:
        for path, text in texts.items():
            now = host.files.stat(path)
            assert now is not None  # it has been read
            host.files.write(path, text.encode("utf-8", "surrogateescape"), now.mode, now.uid, now.gid)

    def _changed(self, text: str) -> "Tuple[str, bool]":
        """Return a configuration with the host in the wanted state, and whether a balancer would have no other."""
        lines = text.splitlines(keepends=True)
        others: List[bool] = []
        for number, line in enumerate(lines):
            words = words_of(line)
            if words[:1] != [self.member[0]] or len(words) < 2:
                if words and words[0].startswith(("}", "</")):
                    others = []
                continue
            first = not others
            if first:
                others = list(self._others(lines[number:]))
            if without_scheme(words[1]) not in self.hosts:
                continue
            if self.out and not any(others):
                return text, True
            lines[number] = self._line(line, words)
        return "".join(lines), False

    def _others(self, lines: Sequence[str]) -> Iterator[bool]:
        """Yield for each member of the balancer that these lines begin with whether it is another one, and in."""
        yield False
        for line in lines:
            words = words_of(line)
            if words and words[0].startswith(("}", "</")):
                return
            if words[:1] == [self.member[0]] and len(words) > 1:
                yield without_scheme(words[1]) not in self.hosts and self.member[1] not in words

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
