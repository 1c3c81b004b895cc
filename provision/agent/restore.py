"""What it takes to put back the states from before a run: compared, refused, described, done. Shipped for undo."""

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Sequence, Set

from provision.agent.accountlines import by_name, with_line
from provision.agent.descriptors import DEFAULT_ACL
from provision.agent.kept import Kept
from provision.agent.paths import ACL
from provision.agent.states import State, attributes_of, described, look, names_below
from provision.errors import StepError
from provision.steps.base import Change
from provision.steps.contents import DIFF_LIMIT, text_change

if TYPE_CHECKING:
    from provision.agent.system import System

ENABLED = ("enabled", "enabled-runtime")
MASKED = ("masked", "masked-runtime")
#: verbs by which a unit takes in what has changed
TOLD = ("start", "restart", "reload-or-restart")
#: only such contents are shown: what others may not read can hold secrets
FOR_ALL = 0o004
PASSWD_LOCK = "/etc/.pwd.lock"


class Place(NamedTuple):
    """A path to be put back. now: its state at this moment."""

    path: str
    was: State
    now: State
    entry: Dict[str, Any]


class UnitWork(NamedTuple):
    """A unit to be put back: verbs before its files are, and verbs after that."""

    name: str
    first: Sequence[str]
    then: Sequence[str]


class Restoration:
    """What differs from the state before a run.

    refused: what was changed since.  stays: what can't be put back, and why.
    """

    def __init__(self, host: "System", kept: Kept, began: str) -> None:
        self.host = host
        self.kept = kept
        self.refused: List[str] = []
        self.stays: List[str] = []
        now = kept.now(host.units)
        left = kept.left() or now
        self.places = list(self._places(now["paths"], left["paths"]))
        self.lines = list(self._lines())
        self.units = list(self._units(left["units"], began))

    def changes(self) -> List[Change]:
        """All that would be put back."""
        found = list(self._path_changes())
        for line in self.lines:
            words = ["" if line[which] is None else which for which in ("now", "was")]
            words = [{"now": "as it is", "was": "as it was"}.get(word, "") for word in words]
            found.append(Change("%s in %s" % (line["name"], line["file"]), *words))
        return found + [Change("unit %s" % u.name, "", ", ".join([*u.first, *u.then])) for u in self.units]

    def apply(self) -> None:
        """Put it back: units out of the way, what is new goes, what was there comes, units as they were."""
        host = self.host
        for unit in self.units:
            for verb in unit.first:
                host.units.do(verb, unit.name)
        for place in sorted(self.places, key=lambda p: -p.path.count("/")):
            if place.now["kind"] not in ("absent", place.was["kind"]):
                self._remove(place)
        order = {"dir": 0, "file": 1, "link": 2}
        coming = [place for place in self.places if place.was["kind"] in order]
        for place in sorted(coming, key=lambda p: (order[p.was["kind"]], p.path)):
            self._put(place)
        self._put_lines()
        host.files.sync()
        if any("/systemd/" in place.path for place in self.places):
            host.units.file_changed()
            host.units.settle()
        for unit in self.units:
            for verb in unit.then:
                host.units.do(verb, unit.name)
        for name, entry in self.kept.fed.items():
            host.ledger.set_unit(name, entry)

    # -- paths

    def _places(self, now: Dict[str, State], left: Dict[str, State]) -> Iterator[Place]:
        going: Set[str] = set()
        # what is inside comes before its folder
        for path in sorted(now, key=lambda p: (-p.count("/"), p)):
            entry = self.kept.paths[path]
            was, is_now, then = entry["was"], now[path], left.get(path, now[path])
            if same(was, then) or same(was, is_now):
                continue
            if not same(is_now, then) or is_now["kind"] == "hidden":
                # a copy that programs keep for themselves is not worth a refusal
                self.refused += [] if entry.get("spare") else [path]
            elif self._can(path, entry, is_now, then, going):
                going.add(path)
                yield Place(path, was, {**is_now, "names": then.get("names", [])}, entry)

    def _can(self, path: str, entry: Dict[str, Any], now: State, then: State, going: Set[str]) -> bool:
        """Whether there is what it takes to put a path back; if not, it is said why."""
        if "lost" in entry:
            self.stays.append("%s (%s)" % (path, entry["lost"]))
            return False
        if "copy" in entry:
            copy = look(self.kept.copy_of(entry))
            if copy.get("sha256") != entry["was"]["sha256"]:
                self.stays.append("%s (what was kept of it is damaged)" % path)
                return False
        if now["kind"] == "dir" and entry["was"]["kind"] != "dir":
            names = set(then.get("names", ()))
            others = [
                name
                for name in self.host.files.list(path)
                if name not in names and "%s/%s" % (path, name) not in going
            ]
            if others:
                self.stays.append("%s (not empty)" % path)
                return False
        return True

    def _path_changes(self) -> Iterator[Change]:
        """In the order of their paths; what comes back with its folder is counted there."""
        inside: Dict[str, int] = {}
        shown: List[Place] = []
        for place in sorted(self.places, key=lambda p: p.path):
            if (
                shown
                and inside.get(shown[-1].path) is not None
                and place.path.startswith(shown[-1].path + "/")
            ):
                inside[shown[-1].path] += 1
                continue
            shown.append(place)
            if place.was["kind"] == "dir" and place.now["kind"] == "absent":
                inside[place.path] = 0
        for place in shown:
            change = self._path_change(place)
            count = inside.get(place.path)
            yield change._replace(after="%s with %d inside" % (change.after, count)) if count else change

    def _path_change(self, place: Place) -> Change:
        now, was = place.now, place.was
        both = now["kind"] == was["kind"] == "file" and now["sha256"] != was["sha256"]
        if both and now["mode"] & was["mode"] & FOR_ALL and max(now["size"], was["size"]) <= DIFF_LIMIT:
            self._refuse_other(place)
            read = self.host.files.read
            return text_change(place.path, read(place.path), read(self.kept.copy_of(place.entry)), place.path)
        before, after = described(now), described(was)
        return Change(place.path, before, after if after != before else "as it was")

    def _remove(self, place: Place) -> None:
        """Remove what the run has made; of a folder what the run has put there, and itself if nothing else is in it."""
        files = self.host.files
        names = set(place.now["names"])
        if place.now["kind"] == "dir" and set(names_below(place.path)) - names:
            # not by the run alone, or the parts have been kept one by one
            for name in sorted(names, key=lambda n: -n.count("/")):
                inner = "%s/%s" % (place.path, name)
                found = files.stat(inner)
                if found is not None and (found.kind != "dir" or not files.list(inner)):
                    files.remove(inner)
            if files.list(place.path):
                return
        files.remove(place.path)

    def _put(self, place: Place) -> None:
        files, path, was = self.host.files, place.path, place.was
        now = place.now if place.now["kind"] == was["kind"] else None
        uid, gid, mode = was["uid"], was["gid"], was["mode"]
        if was["kind"] == "link":
            files.link(path, was["target"])
            if (uid, gid) != (os.geteuid(), os.getegid()):
                files.set_owner(path, uid, gid)
            return
        if was["kind"] == "dir" and now is None:
            files.mkdir(path, mode, uid, gid)
        elif was["kind"] == "file" and (now is None or now["sha256"] != was["sha256"]):
            files.copy(self.kept.copy_of(place.entry), path, mode, uid, gid)
        else:
            self._refuse_other(place)
            files.set_owner(path, uid, gid)
            files.set_mode(path, mode)
        wanted, has = attributes_of(was), attributes_of(now or {})
        for name in sorted({*wanted, *has}):
            if name in (ACL, DEFAULT_ACL):
                files.set_acl(path, wanted.get(name, b""), mode, name == DEFAULT_ACL)
            elif name in wanted:
                files.set_attribute(path, name, wanted[name])

    def _refuse_other(self, place: Place) -> None:
        """Raise StepError if something else is at a path than was judged. From now on it has to be this."""
        now = self.host.files.stat(place.path)
        was = (place.now["kind"], place.now.get("uid"), place.now.get("mode"))
        if now is None or (now.kind, now.uid, now.mode) != was:
            raise StepError("%s was exchanged for something else while it was put back" % place.path)

    # -- users and groups

    def _lines(self) -> Iterator[Dict[str, Any]]:
        for (path, name), line in self.kept.accounts.items():
            now = by_name(self._text(path)).get(name)
            if now in (line["was"],) or line["was"] == line["now"]:
                continue
            if now != line["now"]:
                self.refused.append("%s in %s" % (name, path))
            else:
                yield line

    def _text(self, path: str) -> str:
        files = self.host.files
        return files.read(path).decode("utf-8", "surrogateescape") if files.exists(path) else ""

    def _put_lines(self) -> None:
        with accounts_locked(self.host):
            for path in dict.fromkeys(line["file"] for line in self.lines):
                text = self._text(path)
                for line in self.lines:
                    if line["file"] == path:
                        text = with_line(text, line["name"], line["was"], line["after"])
                now = self.host.files.stat(path)
                assert now is not None  # its lines have been read
                data = text.encode("utf-8", "surrogateescape")
                self.host.files.write(path, data, now.mode, now.uid, now.gid)

    # -- units

    def _units(self, left: Dict[str, str], began: str) -> Iterator[UnitWork]:
        restored = {place.path for place in self.places}
        self.host.units.expect(self.kept.units)
        for name, entry in self.kept.units.items():
            then, now = left.get(name, ""), self.host.units.state(name).enabled
            if now in MASKED and then not in (*MASKED, "") and entry["was"]["enabled"] not in MASKED:
                # somebody does not want it to run
                self.refused.append("unit %s (%s)" % (name, now))
                continue
            work = self._work(name, entry, restored)
            if work.first or work.then:
                yield work
        for name in self._fed_since(restored, began):
            if name not in self.kept.units and self.host.units.state(name).running:
                yield UnitWork(name, (), ("reload-or-restart",))

    def _work(self, name: str, entry: Dict[str, Any], restored: Set[str]) -> UnitWork:
        was, did, state = entry["was"], entry["did"], self.host.units.state(name)
        ran = was["active"] in ("active", "activating", "reloading")
        first, then = [], []
        if state.load == "masked" and was["load"] != "masked":
            first.append("unmask")
        if state.enabled in ENABLED and was["enabled"] not in ENABLED:
            first.append("disable")
        if state.running and not ran:
            first.append("stop")
        if was["load"] == "masked" and state.load != "masked":
            then.append("mask")
        if was["enabled"] in ENABLED and state.enabled not in ENABLED:
            then.append("enable")
        if ran and not state.running:
            then.append("start")
        elif ran and restored and set(TOLD) & set(did):
            own = state.fragment in restored or any("/%s.d/" % name in path for path in restored)
            anew = own or "restart" in did or {"stop", "start"} <= set(did)
            then.append("restart" if anew else "reload-or-restart")
        return UnitWork(name, first, then)

    def _fed_since(self, restored: Set[str], began: str) -> Iterator[str]:
        """Units that were told since the run of something that is put back now."""
        for name, entry in self.host.ledger.data["units"].items():
            subjects = [label.split(" ")[-1] for label in entry.get("inputs", {})]
            read = any(path == s or path.startswith(s + "/") for s in subjects for path in restored)
            if read and entry.get("at", "") >= began and "." in name and " " not in name:
                yield name


def same(one: State, other: State) -> bool:
    """Whether two states are equal, but for what is in a folder."""
    return all(one.get(key) == other.get(key) for key in {*one, *other} - {"names"})


@contextlib.contextmanager
def accounts_locked(host: "System") -> Iterator[None]:
    """Keep the tools for accounts away meanwhile (lckpwdf(3))."""
    if host.planned or not os.path.exists(PASSWD_LOCK):
        yield
        return
    with open(PASSWD_LOCK, "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        yield
