"""Restores the states from before a run, from the inside out and back, under traffic. Shipped for undo."""

import contextlib
import fcntl
import os
import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Sequence, Set, Tuple

from provision.steps.support import server_settings
from provision.steps.support.process_ends import await_ends
from provision.steps.support.restore import (
    ENABLING,
    MASKING,
    STARTING,
    Place,
    Restoration,
    UnitWork,
    refuse_other,
)
from provision.steps.support.ufw_rules import load_again
from provision.system.account_lines import with_line
from provision.system.descriptors import DEFAULT_ACL
from provision.system.front_reload import DRAIN, await_quiet, renew
from provision.system.memory.ledger import now
from provision.system.paths import ACL, trusted
from provision.system.states import CAPABILITY, attributes_of, names_below
from provision.system.units import TRIGGERS

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.memory.ledger import Ledger

PASSWD_LOCK = "/etc/.pwd.lock"
#: files that systemd reads on a daemon-reload; journald.conf.d and the like are not among them
UNIT_FILES = re.compile(r"/systemd/(system|user)/")
#: where a unit records how to check its application's health (roles/app)
HEALTH = re.compile(r"(?m)^X-Prov-Health=(https?)://([^/\s]+)(/\S*)$")

#: seconds that it has to answer
WITHIN = 30.0


class Restoring:
    """work: the differences, none of them refused."""

    def __init__(self, work: Restoration) -> None:
        self.work = work
        self.host = work.host
        self._done: Set[Tuple[str, str]] = set()

    def apply(self) -> None:
        """Restore without clients noticing: first what existed before comes back and runs; then the fronts'
        files are restored, and the fronts reloaded; then what is new ends, and is removed. Raises
        StepError."""
        self._tell(self.work.units, "unmask")
        starting = [unit for unit in self.work.units if "start" in unit.then]
        if any("@" not in unit.name for unit in starting):
            # it may need the port of a unit that ends; instances of a template do not
            self._end([unit for unit in self.work.units if "@" not in unit.name])
        self.work.users.end()
        self.work.checkouts.put_back()
        self._make_way()
        turning = [place for place in self.work.places if self._is_read(place)]
        self._put_homes([place for place in self.work.places if place not in turning])
        self._put_lines([line for line in self.work.lines if line["was"] is not None])
        self._settle()
        server_settings.reload(self.host, [place.path for place in self.work.places])
        self._tell(starting, *MASKING, *ENABLING, "start")
        self._ask_health(starting)
        self._put_all(turning)
        self._remove_all(turning)
        self._tell(self.work.units, *MASKING, *ENABLING, *STARTING)
        self.work.users.begin(ending=True)
        self._end(self.work.units)
        mounts = tuple(path + "/" for path in self.work.kernel.unmounted())
        self._remove_all([place for place in self.work.places if place.path.startswith(mounts)])
        self.work.kernel.unmount()
        self.work.kernel.swap_off()
        self._remove_all(self.work.places)
        self.work.users.begin()
        self.work.users.linger()
        self._await_ends()
        self._put_lines([line for line in self.work.lines if line["was"] is None])
        self._settle()
        self.work.answers.put_back()
        load_again(self.host, [place.path for place in self.work.places])
        self.work.kernel.turn()
        started = {name for name, verb in self._done if verb in STARTING}
        for name, entry in self.work.former.unit_entries.items():
            self.host.ledger.set_unit(name, paid(self.host.ledger, entry) if name in started else entry)

    def _put_homes(self, places: Sequence[Place]) -> None:
        """Restore paths, and move homes back in between."""
        homes = self.work.homes
        self._put_all([place for place in places if not homes.comes_back(place.path)])
        self._remove_all([place for place in self.work.places if homes.goes(place.path)])
        homes.put_back()
        self._put_all([place for place in places if homes.comes_back(place.path)])

    def _make_way(self) -> None:
        """Remove what has changed its kind, such as a folder in the place of a file."""
        others = [p for p in self.work.places if "absent" not in (p.now["kind"], p.was["kind"])]
        others = [place for place in others if place.now["kind"] != place.was["kind"]]
        inside = tuple(place.path + "/" for place in others)
        self._remove_all([place for place in self.work.places if place.path.startswith(inside)])
        for place in sorted(others, key=lambda p: -p.path.count("/")):
            # git may have removed it already
            if self.host.files.stat(place.path) is not None:
                self._remove(place)

    def _tell(self, units: Sequence[UnitWork], *verbs: str) -> None:
        """Reload or restart the units that need it, each once."""
        for unit in sorted(units, key=lambda each: not each.name.endswith(TRIGGERS)):
            for verb in (*unit.first, *unit.then):
                if verb not in verbs or (unit.name, verb) in self._done:
                    continue
                self._done.add((unit.name, verb))
                if verb == "reload-or-restart" and self.host.ledger.unit(unit.name).get("renews"):
                    renew(self.host.units, unit.name, planned=self.host.planned)
                else:
                    self.host.units.do(verb, unit.name)

    def _end(self, units: Sequence[UnitWork]) -> None:
        """Disable and stop what did not run before: fronts first, and what starts units before those."""
        going = sorted(units, key=lambda each: ("@" in each.name, not each.name.endswith(TRIGGERS)))
        paths = [path for unit in going if "stop" in unit.first for path in self._listens(unit.name)]
        if paths and not self.host.planned:
            await_quiet(paths, DRAIN)
        self._tell(going, "disable")
        for unit in going:
            self._tell([unit], "stop")

    def _listens(self, name: str) -> Sequence[str]:
        return self.host.units.state(name).listens if name.endswith(".socket") else ()

    def _settle(self) -> None:
        """Sync files to disk, and have systemd read its own."""
        self.host.files.sync()
        if any(UNIT_FILES.search(place.path) for place in self.work.places):
            self.host.units.file_changed()
            self.host.units.settle()

    def _put_all(self, places: Sequence[Place]) -> None:
        order = {"dir": 0, "file": 1, "link": 2}
        coming = [place for place in places if place.was["kind"] in order]
        # after their contents: in another user's folder, a file with several hard links is refused
        given = [place for place in coming if is_given(place)]
        for place in sorted(coming, key=lambda p: (order[p.was["kind"]], p.path)):
            if place not in given:
                self._put(place)
        for place in sorted(given, key=lambda p: -p.path.count("/")):
            self._put(place)

    def _remove_all(self, places: Sequence[Place]) -> None:
        """Remove what did not exist before, and still exists."""
        for place in sorted(places, key=lambda p: -p.path.count("/")):
            new = place.was["kind"] == "absent" and place.now["kind"] != "absent"
            if new and self.host.files.stat(place.path) is not None:
                self._remove(place)

    def _is_read(self, place: Place) -> bool:
        """Return whether a unit that is reloaded or restarted reads it (ledger, "feeds")."""
        started = {unit.name for unit in self.work.units if set(STARTING[1:]) & set(unit.then)}
        made = self.host.ledger.data["made"].get("path %s" % place.path, {})
        return bool(started & set(made.get("feeds", ())))

    def _ask_health(self, units: Sequence[UnitWork]) -> None:
        """Check the health of started applications before any traffic reaches them. Raises StepError."""
        for unit in units if not self.host.planned else ():
            socket = unit.name[: -len(".service")] + ".socket"
            state = self.host.units.state(unit.name)
            if not unit.name.endswith(".service") or not self.host.files.exists(state.fragment):
                continue
            asked = HEALTH.search(self.host.files.read(state.fragment).decode(errors="replace"))
            listens = self.host.units.state(socket).listens if asked else ()
            if asked and listens:
                from provision.steps.waiting import Url  # shipped

                scheme, host, path = (each.replace("%%", "%") for each in asked.groups())
                url, headers = "http://%s%s" % (host, path), {"Host": host, "X-Forwarded-Proto": scheme}
                asking = Url(url, socket=listens[0], headers=headers, service=unit.name, within=WITHIN)
                asking.check(self.host)

    def _await_ends(self) -> None:
        """Remove users who did not exist before, once none of their processes run. Raises StepError."""
        for name, uid in self.work.leaving() if not self.host.planned else ():
            await_ends(self.host, name, uid)

    def _remove(self, place: Place) -> None:
        """Remove what the run made; of a folder its own contents, and the folder if it is then empty."""
        files = self.host.files
        names = set(place.now["names"])
        if place.now["kind"] == "dir" and set(names_below(place.path)) - names:
            # not made by the run alone, or its parts were recorded one by one
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
        wanted, has = attributes_of(was), attributes_of(now or {})
        lists = [name for name in (ACL, DEFAULT_ACL) if name in {*wanted, *has}]
        if was["kind"] == "dir" and now is None:
            # git may have left it
            if files.stat(path) is None:
                files.mkdir(path, mode, uid, gid)
        elif was["kind"] == "file" and (now is None or now["sha256"] != was["sha256"]):
            files.copy(self.work.former.copy_of(place.entry), path, mode, uid, gid)
            # those of a user's file are not taken over by one of root's
            has = {}
        else:
            refuse_other(self.host, place)
            # before the owner: a file with hard links is refused if its folder belongs to another user
            for name in lists:
                files.set_acl(path, wanted.get(name, b""), mode, name == DEFAULT_ACL)
            files.set_owner(path, uid, gid, mode)
            # chown(2) removes it
            has.pop(CAPABILITY, None)
            lists = []
        for name in lists:
            files.set_acl(path, wanted.get(name, b""), mode, name == DEFAULT_ACL)
        for name in sorted({*wanted} - {ACL, DEFAULT_ACL}):
            if wanted[name] != has.get(name):
                files.set_attribute(path, name, wanted[name])

    def _put_lines(self, lines: Sequence[Dict[str, Any]]) -> None:
        with accounts_locked(self.host):
            for path in dict.fromkeys(line["file"] for line in lines):
                text = self.work.text(path)
                for line in lines:
                    if line["file"] == path:
                        text = with_line(text, line["name"], line["was"], line["after"])
                now = self.host.files.stat(path)
                assert now is not None  # its lines have been read
                data = text.encode("utf-8", "surrogateescape")
                self.host.files.write(path, data, now.mode, now.uid, now.gid)


def is_given(place: Place) -> bool:
    """Return whether a directory is given back to a user other than root."""
    both = place.was["kind"] == place.now["kind"] == "dir"
    return both and place.was["uid"] != place.now["uid"] and not trusted(place.was["uid"])


@contextlib.contextmanager
def accounts_locked(host: "System") -> Iterator[None]:
    """Lock the account files against other tools (lckpwdf(3))."""
    if host.planned or not os.path.exists(PASSWD_LOCK):
        yield
        return
    with open(PASSWD_LOCK, "r+b") as f:
        fcntl.lockf(f, fcntl.LOCK_EX)
        yield


def paid(ledger: "Ledger", entry: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """Return a unit's former entry for one that has just read what was put back: nothing is due."""
    if entry is None:
        return None
    without = {what: value for what, value in entry.items() if what != "owes"}
    return {**without, "at": now(), "run": ledger.last_run()}
