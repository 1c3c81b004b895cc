"""The journal of a run that changes something: its steps and the former states, recorded as it runs. Shipped.

The former state of a thing is kept before its first change, so a run can be undone even if it was killed.
A full disk does not stop the run from changing the host; the run then reports that it can't be undone.
"""

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, Set

from provision.errors import StepError
from provision.system.descriptors import reopen
from provision.system.identity import as_root
from provision.system.memory.former_states import ACCOUNTS, FormerStates, account_changes, account_texts
from provision.system.memory.past_runs import INCOMPLETE, Runs
from provision.system.paths import NoWay, open_named, way
from provision.system.source import CHUNK
from provision.system.states import ABSENT, State, below, look_in, state_of

if TYPE_CHECKING:
    from provision.system.unit_state import UnitState
    from provision.system.units import Units

#: maximum kept of one file (bytes), of a removed folder (bytes and files), and of a whole run (bytes)
LARGEST_FILE = 32 * 1024 * 1024
LARGEST_FOLDER, MOST_FILES = 16 * 1024 * 1024, 1000
LARGEST_RUN = 128 * 1024 * 1024


class Journal:
    """The journal of one run.

    home: the ledger's folder.  about: who, commit, began.  whole: called with folders that a step has filled
    when it made them.  resumed: the run's number, if it continues after a reboot of the host.  made: whether
    prov has put something at a path.

    id: its number; 0 if there was no room for it.  trouble: why not everything could be kept.
    """

    def __init__(
        self,
        home: str,
        about: Dict[str, Any],
        whole: Callable[[str], None],
        resumed: int = 0,
        made: Callable[[str], bool] = lambda path: True,
    ) -> None:
        self._runs = Runs(home)
        self._tell_whole = whole
        self._made = made
        self.id = resumed
        self.trouble = ""
        self.about = {"ended": "", "changed": [], "failed": [], "stepwise": True, **about}
        self._seen: Set[str] = set()
        #: things that the running step has made: anything it puts below such a folder belongs to the folder
        self._fresh: Set[str] = set()
        self._units: Set[str] = set()
        self._whole: Set[str] = set()
        self._room = LARGEST_RUN
        self._copies = 0
        with self._trying():
            if resumed:
                self._go_on()
            else:
                self.id = self._runs.begin()
                self._runs.write(self.id, self.about)

    def _go_on(self) -> None:
        self.about.update(self._runs.read(self.id))
        former = FormerStates(self._runs, self.id)
        self._seen, self._whole = set(former.paths), set(former.paths)
        self._copies = len(former.paths)

    @contextlib.contextmanager
    def _trying(self) -> Iterator[None]:
        """Act as root in the block, whatever user the step acts as.

        The first error ends the keeping and is shown at the end.
        """
        with as_root():
            try:
                yield
            except (OSError, StepError) as error:
                self.trouble = self.trouble or str(getattr(error, "strerror", "") or error)
                with contextlib.suppress(OSError):
                    os.replace(self._runs.at(self.id, "kept.jsonl"), self._runs.at(self.id, INCOMPLETE))

    def _write(self, entry: Dict[str, Any], durable: bool = True, name: str = "kept.jsonl") -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        fd = os.open(self._runs.at(self.id, name), flags, 0o600)
        try:
            data = json.dumps(entry).encode() + b"\n"
            if os.write(fd, data) < len(data):
                raise OSError(28, os.strerror(28))
            if durable:
                os.fdatasync(fd)
        finally:
            os.close(fd)

    # -- steps

    def step_begins(self, label: str) -> None:
        """Note that a step is about to change something.

        This comes first: if the run is killed, only started steps are in doubt.
        """
        self._fresh = set()
        with self._trying():
            self._write({"begins": label}, durable=False, name="steps.jsonl")

    def step(self, entry: Dict[str, Any]) -> None:
        """Record a step that has changed something, or failed: role, label, state, diff, why."""
        with self._trying():
            self._write(entry, durable=False, name="steps.jsonl")

    # -- former states

    def keep(self, fd: int, name: str, path: str, *, whole: bool = False, durable: bool = True) -> bool:
        """Keep the state of a path before it changes; return whether the path is new in the journal.

        fd, name: the open folder of path, and its last name.  whole: what is made there is made with all of
        its contents.
        """
        above = path.rsplit("/", 1)[0]
        while above:
            if above in self._fresh:
                self._is_whole(above)
                return False
            above = above.rsplit("/", 1)[0]
        if path in self._seen:
            return False
        self._seen.add(path)
        with self._trying():
            entry = self._look(fd, name, durable)
            new = bool(entry["was"]["kind"] == "absent")
            if new:
                self._fresh.add(path)
            if not self.trouble:
                self._write({"path": path, **entry}, durable)
                if whole and new:
                    self._is_whole(path)
            return new
        return False

    def keep_path(self, path: str, whole: bool = False) -> None:
        """Keep the state of a path that a program is about to change."""
        with contextlib.suppress(NoWay), way(path) as at:
            self.keep(at.fd, at.name, at.path, whole=whole)

    def keep_tree(self, path: str) -> None:
        """Keep the state of a path, with all of its contents, before a program removes it."""
        with contextlib.suppress(NoWay), way(path) as at:
            self.keep_folder(at.fd, at.name, at.path)

    def keep_folder(self, fd: int, name: str, path: str) -> None:
        """Keep the state of a path, with all contents of a folder, before it is removed; see keep."""
        inner, size, lost = 0, 0, ""
        with self._trying(), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            try:
                for each in below(fd, name):
                    inner, size = inner + 1, size + each.size
            except StepError as error:
                lost = "%s: too deep to keep" % error.message
        if inner > MOST_FILES or size > LARGEST_FOLDER:
            lost = "%d files, %.0f MB: too large to keep" % (inner, size / 1e6)
        if lost:
            with self._trying():
                self._seen.add(path)
                self._write({"path": path, "was": look_in(fd, name), "lost": lost})
            return
        self.keep(fd, name, path, durable=not inner)
        if inner:
            with self._trying():
                for each in below(fd, name):
                    self.keep(each.folder, each.name, "%s/%s" % (path, each.path), durable=False)

    def keep_spares(self) -> None:
        """Keep the copies that account tools make: /etc/passwd- and the like."""
        for path in (name + "-" for name in ACCOUNTS):
            if path not in self._seen and not self.trouble:
                self._seen.add(path)
                with self._trying(), way(path) as at:
                    self._write({"path": path, "spare": True, **self._look(at.fd, at.name)}, False)

    def _is_whole(self, path: str) -> None:
        if path not in self._whole and not self.trouble:
            self._whole.add(path)
            self._tell_whole(path)
            with self._trying():
                self._write({"whole": path}, durable=False)

    def _look(self, folder: int, name: str, durable: bool = True) -> Dict[str, Any]:
        """Return state and contents of the same thing, even if its name changes hands in between."""
        try:
            fd = open_named(name, folder)
        except FileNotFoundError:
            return {"was": dict(ABSENT)}
        try:
            was = state_of(fd)
            if was["kind"] == "link" and not os.access(name, os.F_OK, dir_fd=folder):
                return {"was": was, "broken": True}
            return {"was": was, **self._contents(fd, was, durable)}
        finally:
            os.close(fd)

    def _contents(self, fd: int, was: State, durable: bool) -> Dict[str, str]:
        """Copy the contents, if it is a file."""
        if was["kind"] == "other":
            return {"lost": "no file, folder or link"}
        if was["kind"] != "file":
            return {}
        if was["size"] > LARGEST_FILE or was["size"] > self._room:
            return {"lost": "%.0f MB: too large to keep" % (was["size"] / 1e6)}
        self._room -= was["size"]
        self._copies += 1
        os.makedirs(self._runs.at(self.id, "kept"), mode=0o700, exist_ok=True)
        at = self._runs.at(self.id, "kept", str(self._copies))
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(at, flags, 0o600), "wb") as copy, reopen(fd, at) as f:
            for chunk in iter(lambda: f.read(CHUNK), b""):
                copy.write(chunk)
            copy.flush()
            if durable:
                os.fsync(copy.fileno())
        return {"copy": str(self._copies)}

    def unit(self, verb: str, name: str, state: "UnitState") -> None:
        """Keep the state of a unit before `systemctl VERB`."""
        if self.trouble or "%s %s" % (verb, name) in self._units:
            return
        self._units.add("%s %s" % (verb, name))
        was = {"load": state.load, "active": state.active, "enabled": state.enabled}
        with self._trying():
            self._write({"unit": name, "was": was, "did": verb})

    def unit_entry(self, unit: str, was: Optional[Dict[str, Any]]) -> None:
        """Keep the ledger's entry of a unit before it changes."""
        if not self.trouble:
            with self._trying():
                self._write({"fed": unit, "was": was}, durable=False)

    def remembers(self, part: str, name: str, entry: Optional[Dict[str, Any]]) -> None:
        """Record a new entry of the ledger for a unit or a thing (None removes it).

        The ledger is saved at the end of the run, which a killed run does not reach.
        """
        if not self.trouble:
            with self._trying():
                self._write({part: name, "entry": entry}, name="made.jsonl")

    def inside(self, folder: str, name: str) -> None:
        """Note that something is put into a folder that is a whole."""
        if not self.trouble:
            with self._trying():
                self._write({"inside": folder, "name": name}, durable=False, name="made.jsonl")

    def filling(self, folder: str) -> None:
        """Note that a command is about to fill a folder."""
        if not self.trouble:
            with self._trying():
                self._write({"filling": folder}, name="made.jsonl")

    @contextlib.contextmanager
    def accounts(self) -> Iterator[None]:
        """Keep the lines of users and groups that change in the block."""
        before: Dict[str, str] = {}
        self.keep_spares()
        with self._trying():
            before = account_texts()
            if not self.trouble:
                self._write({"texts": before})
        try:
            yield
        finally:
            with self._trying():
                if not self.trouble:
                    self._write({"accounts": account_changes(before, account_texts())})

    # -- the end

    def seal_others(self, units: "Units") -> None:
        """Record the current state as the one that the previous run left, in case it was killed."""
        earlier = [id for id in self._runs.ids() if id != self.id]
        if earlier and self.id:
            # a damaged record, or one of a newer prov, does not stop this run: its undo reports that
            with contextlib.suppress(OSError, StepError):
                FormerStates(self._runs, earlier[-1]).seal(units, self._made)

    def end(self, units: Optional["Units"], **how: Any) -> None:
        """Record the end of the run. how: for run.json."""
        before, begun = [], []
        with contextlib.suppress(StepError):
            before = [entry["step"] for entry in self._runs.steps(self.id) if entry["state"] == "changed"]
            begun = self._runs.begun(self.id)
        changed = list(dict.fromkeys([*before, *how["changed"]]))
        self.about.update(how, changed=changed, begun=sorted(set(begun) - set(changed)))
        if not self.id:
            return
        with self._trying():
            if units is not None and not self.trouble:
                FormerStates(self._runs, self.id).seal(units, self._made)
            self._runs.write(self.id, self.about)
            self._runs.discard_old()
