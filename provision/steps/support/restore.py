"""Restoring the states from before a run: compared, refused, described. Shipped for undo."""

import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Sequence, Set, Tuple

from provision.errors import StepError
from provision.steps.base import Change
from provision.steps.support import server_settings
from provision.steps.support.afterwards import Afterwards
from provision.steps.support.file_changes import DIFF_LIMIT, text_change
from provision.steps.support.former_answers import FormerAnswers
from provision.steps.support.former_checkouts import Checkouts
from provision.steps.support.former_homes import FormerHomes
from provision.steps.support.kernel_states import Kernel, mounts_below
from provision.steps.support.services_of_users import UserServices
from provision.system.account_lines import by_name
from provision.system.memory.former_states import FormerStates
from provision.system.processes import of_user
from provision.system.states import ABSENT, State, described, look
from provision.system.unit_state import ENABLED

if TYPE_CHECKING:
    from provision.system.host import System

ENABLING = ("enable", "enable --runtime")
MASKING = ("mask", "mask --runtime")
MASKED = ("masked", "masked-runtime")
#: verbs by which a unit applies changes
STARTING = ("start", "restart", "reload-or-restart")
#: how many paths of a release a refusal names
FEW = 5
#: only contents that others may read are shown: the rest can hold secrets
FOR_ALL = 0o004


class Place(NamedTuple):
    """A path to restore. now: its current state."""

    path: str
    was: State
    now: State
    entry: Dict[str, Any]


class UnitWork(NamedTuple):
    """A unit to restore: verbs before its files are restored, and verbs after."""

    name: str
    first: Sequence[str]
    then: Sequence[str]


class Restoration:
    """The differences from the state before a run.

    steps: their records (Runs.steps).  passed: later runs that left nothing to go back to: what they found as the
    run had left it counts as left so by the run.
    refused: what was changed since, or is in use.  stays: what cannot be restored, and why.  gone: what units
    or links would need, and no longer exists.
    """

    def __init__(
        self,
        host: "System",
        former: FormerStates,
        began: str,
        steps: Sequence[Dict[str, Any]],
        passed: Sequence[FormerStates] = (),
    ) -> None:
        self.host = host
        self.former = former
        self.refused: List[str] = []
        self.stays: List[str] = []
        now = former.now(host.units)
        left = former.left() or now
        for later in passed:
            after = (later.left() or later.now(host.units))["paths"]
            for path, entry in later.paths.items():
                if path in left["paths"] and same(left["paths"][path], entry["was"]):
                    left["paths"][path] = after[path]
        self.kernel = Kernel(host, steps)
        self.checkouts = Checkouts(host, steps)
        self.answers = FormerAnswers(host, steps)
        self.users = UserServices(host, steps, former.units)
        self.homes = FormerHomes(host, former.folder)
        self.places = list(self._places(now["paths"], left["paths"]))
        self.lines = list(self._lines())
        self.users.expect([place.path for place in self.places])
        self.units = list(self._units(left["units"], began))
        self.gone = list(self._gone())
        self.stays += [*self.checkouts.stays, *self.answers.stays, *self.users.stays()]
        ending = [unit.name for unit in self.units if "stop" in unit.first]
        self.refused += [*self.kernel.refused, *self.kernel.busy(ending), *self._running(ending)]
        self.refused += [*self.checkouts.refused, *self.homes.refused, *self.homes.busy(ending)]

    def changes(self) -> List[Change]:
        """Return everything that would be restored."""
        found = list(self._path_changes())
        for line in self.lines:
            words = ["" if line[which] is None else which for which in ("now", "was")]
            words = [{"now": "as it is", "was": "as it was"}.get(word, "") for word in words]
            found.append(Change("%s in %s" % (line["name"], line["file"]), *words))
        found += [each.change() for each in self.checkouts.work]
        found += [each.change() for each in self.answers.work]
        found += [*self.homes.changes(), *(each.change() for each in self.kernel.work)]
        found += self.users.changes()
        return found + [Change("unit %s" % u.name, "", ", ".join([*u.first, *u.then])) for u in self.units]

    # -- what no longer exists

    def _gone(self) -> Iterator[str]:
        """Return what units to start, and links, need and would not find."""
        after = Afterwards({place.path: place.was for place in self.places})
        for place in self.places:
            target = place.was.get("target", "/")
            if target.startswith("/") or "broken" in place.entry:
                continue
            if not after.exists(place.path):
                yield "%s -> %s" % (place.path, target)
            else:
                # a release that was never complete, or no longer is
                leads_to = os.path.normpath(os.path.join(os.path.dirname(place.path), target))
                made = self.host.ledger.data["made"].get("path %s" % leads_to, {})
                names = sorted(self.host.ledger.contents.of(leads_to)) if made.get("whole") else []
                lost = ["%s/%s" % (leads_to, name) for name in names]
                yield from [path for path in lost if not after.exists(path)][:FEW]
        coming = {os.path.basename(place.path): place for place in self.places if "copy" in place.entry}
        for unit in self.units:
            own = coming.get(unit.name)
            at = self.former.copy_of(own.entry) if own else self.host.units.state(unit.name).fragment
            if "start" in unit.then and at and self.host.files.exists(at):
                text = self.host.files.read(at).decode(errors="replace")
                instance = unit.name.rpartition(".")[0].partition("@")[2]
                for path in after.missing(text, instance):
                    yield "%s of %s" % (path, unit.name)

    # -- paths

    def _places(self, now: Dict[str, State], left: Dict[str, State]) -> Iterator[Place]:
        going: Set[str] = set()
        # the contents come before their folder
        for path in sorted(now, key=lambda p: (-p.count("/"), p)):
            entry = self.former.paths[path]
            was, is_now, then = entry["was"], now[path], left.get(path, now[path])
            if self.checkouts.removes(path):
                continue
            if same(was, then) or same(was, is_now):
                if was["kind"] != "absent" and self.checkouts.takes(path):
                    yield Place(path, was, {**ABSENT, "names": []}, entry)
                continue
            if not same(is_now, then) or is_now["kind"] == "hidden":
                # a copy that programs keep for themselves is not worth a refusal
                self.refused += [] if entry.get("spare") else [path]
            elif self._can(path, entry, is_now, then, going):
                going.add(path)
                yield Place(path, was, {**is_now, "names": then.get("names", [])}, entry)

    def _can(self, path: str, entry: Dict[str, Any], now: State, then: State, going: Set[str]) -> bool:
        """Return whether a path can be restored; if not, record why."""
        if "lost" in entry:
            self.stays.append("%s (%s)" % (path, entry["lost"]))
            return False
        if "copy" in entry:
            copy = look(self.former.copy_of(entry))
            if copy.get("sha256") != entry["was"]["sha256"]:
                self.stays.append("%s (what was kept of it is damaged)" % path)
                return False
        unmounted = self.kernel.unmounted()
        mounted = [at for at in mounts_below(self.host, path) if at not in unmounted]
        if mounted and entry["was"]["kind"] == "absent":
            self.refused += ["%s (something is mounted at %s)" % (path, at) for at in mounted]
            return False
        empty = path in unmounted or self.checkouts.empties(path)
        if now["kind"] == "dir" and entry["was"]["kind"] != "dir" and not empty:
            names = set(then.get("names", ()))
            others = [
                name
                for name in self.host.files.list(path)
                if name not in names
                and "%s/%s" % (path, name) not in going
                and not self.users.removes("%s/%s" % (path, name))
            ]
            if others:
                self.stays.append("%s (not empty)" % path)
                return False
        return True

    def _path_changes(self) -> Iterator[Change]:
        """Return changes in the order of their paths; contents that return with their folder count there."""
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
            refuse_other(self.host, place)
            read = self.host.files.read
            return text_change(
                place.path, read(place.path), read(self.former.copy_of(place.entry)), place.path
            )
        before, after = described(now), described(was)
        return Change(place.path, before, after if after != before else "as it was")

    # -- users and groups

    def _lines(self) -> Iterator[Dict[str, Any]]:
        for (path, name), line in self.former.accounts.items():
            now = by_name(self.text(path)).get(name)
            if now in (line["was"],) or line["was"] == line["now"]:
                continue
            if now != line["now"]:
                self.refused.append("%s in %s" % (name, path))
            else:
                yield line

    def leaving(self) -> List[Tuple[str, int]]:
        """Return users who did not exist before, with their ids."""
        lines = [line for line in self.lines if line["file"] == "/etc/passwd" and line["was"] is None]
        return [(line["name"], int(line["now"].split(":")[2])) for line in lines]

    def _running(self, ending: Sequence[str]) -> Iterator[str]:
        """Return processes of such users, except those of units that will have been stopped by then."""
        for name, uid in self.leaving():
            for each in of_user(uid):
                if each.unit not in ending:
                    yield "the user %s (who runs %s)" % (name, each)

    def text(self, path: str) -> str:
        """Return the text of an accounts file; "" if it does not exist."""
        files = self.host.files
        return files.read(path).decode("utf-8", "surrogateescape") if files.exists(path) else ""

    # -- units

    def _units(self, left: Dict[str, str], began: str) -> Iterator[UnitWork]:
        restored = {place.path for place in self.places}
        self.host.units.expect(self.former.units)
        for name, entry in self.former.units.items():
            then, now = left.get(name, ""), self.host.units.state(name).enabled
            if now in MASKED and then not in (*MASKED, "") and entry["was"]["enabled"] not in MASKED:
                # it was stopped on purpose
                self.refused.append("unit %s (%s)" % (name, now))
                continue
            work = self._work(name, entry, restored)
            if work.first or work.then:
                yield work
        for name, verb in self._notified_since(restored, began):
            if name not in self.former.units and self.host.units.state(name).running:
                yield UnitWork(name, (), (verb,))

    def _work(self, name: str, entry: Dict[str, Any], restored: Set[str]) -> UnitWork:
        was, did, state = entry["was"], entry["did"], self.host.units.state(name)
        ran = was["active"] in ("active", "activating", "reloading")
        first, then = [], []
        # until the next boot, not at each one
        less, lighter = ((state.enabled, was["enabled"]) == both for both in (ENABLED, MASKED))
        if lighter or (state.load == "masked" and was["load"] != "masked"):
            first.append("unmask")
        if less or (state.enabled in ENABLED and was["enabled"] not in ENABLED):
            first.append("disable")
        if was["enabled"] == state.enabled == "generated":
            # an init script's: systemd's state of it stays the same
            switched = [verb for verb in did if verb in ("enable", "disable")]
            if switched and switched[0] == switched[-1]:
                first += ["disable"] if switched[0] == "enable" else []
                then += ["enable"] if switched[0] == "disable" else []
        if state.running and not ran:
            first.append("stop")
        if lighter or (was["load"] == "masked" and state.load != "masked"):
            then.append("mask --runtime" if was["enabled"] == "masked-runtime" else "mask")
        if less or (was["enabled"] in ENABLED and state.enabled not in ENABLED):
            then.append("enable --runtime" if was["enabled"] == "enabled-runtime" else "enable")
        if ran and not state.running:
            then.append("start")
        elif ran and restored and set(STARTING) & set(did):
            own = state.fragment in restored or any("/%s.d/" % name in path for path in restored)
            restarts = own or "restart" in did or {"stop", "start"} <= set(did)
            then.append("restart" if restarts else "reload-or-restart")
        return UnitWork(name, first, then)

    def _notified_since(self, restored: Set[str], began: str) -> Iterator[Tuple[str, str]]:
        """Return units that have read, since the run, something that is now restored, and the verb for each."""
        for name, entry in self.host.ledger.data["units"].items():
            inputs = entry.get("inputs", {})
            subjects = [label.split(" ")[-1] for label in inputs]
            read = any(path == s or path.startswith(s + "/") for s in subjects for path in restored)
            restarts = bool(server_settings.about(inputs, restored))
            if (read or restarts) and entry.get("at", "") >= began and "." in name and " " not in name:
                yield name, "restart" if restarts else "reload-or-restart"


def same(one: State, other: State) -> bool:
    """Return whether two states are equal, apart from a folder's contents."""
    return all(one.get(key) == other.get(key) for key in {*one, *other} - {"names"})


def refuse_other(host: "System", place: Place) -> None:
    """Raise StepError if the path changed since it was judged. From now on it must stay as it is."""
    now = host.files.stat(place.path)
    was = (place.now["kind"], place.now.get("uid"), place.now.get("mode"))
    if now is None or (now.kind, now.uid, now.mode) != was:
        raise StepError("%s was exchanged for something else while it was put back" % place.path)
