"""What the host remembers of prov's runs, under /var/lib/prov (decision D6). Shipped.

ledger.json has what is known of units and what prov made; each run that changes something has a folder besides
(runs.py, journal.py). Written atomically and only when something in it changed. A host without a ledger, or with
a damaged one, still converges: a damaged file is moved aside and said so.
"""

import contextlib
import fcntl
import itertools
import json
import os
import time
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence, Set

from provision.errors import StepError
from provision.system.memory import records
from provision.system.memory.folder_contents import FolderContents, names_in
from provision.system.memory.made import Made, put

if TYPE_CHECKING:
    from provision.system.memory.run_journal import Journal
    from provision.system.ref import Ref

HOME = "/var/lib/prov"


class Ledger(Made):
    """home: the folder of the ledger, root's alone (0700)."""

    def __init__(self, home: str = HOME) -> None:
        self.home = home
        self.path = os.path.join(home, "ledger.json")
        self._lock: Optional[int] = None
        self._who = ""
        self._commit = ""
        #: role and label of the running step
        self.maker = ("", "")
        #: of this run, once it changes something; and its number, if it goes on here after a reboot
        self.record: "Optional[Journal]" = None
        self.resumed = 0
        self._notified: Dict[str, Set[int]] = {}
        self.contents = FolderContents(home)
        self._read()

    def _read(self) -> None:
        self.note = ""
        self.data = self._load()
        self._saved = json.dumps(self.data, sort_keys=True)
        self._recover()

    def lock(self) -> None:
        """Let no one else deploy to this host while this process lives. Raises StepError.

        flock(2) goes with the process and the commands that it has started, so a dead run leaves no lock behind.
        """
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        path = os.path.join(self.home, "lock")
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if not self._locked():
            with open(path) as f:
                holder = f.read().strip() or "another process"
            raise StepError(
                "another run is at work on this host: %s" % holder,
                hint="Wait until it ends, then run again. Its lock goes with it, even if it dies: with the last"
                " command that it has started.",
            )
        os.ftruncate(self._lock, 0)
        # the run before this one may have ended, and saved, since the ledger was read
        self._read()

    def _locked(self) -> bool:
        """Take the lock that is open. Tried for as long as someone may be asking whether it is taken: see busy()."""
        assert self._lock is not None
        for seconds in (0.01, 0.05, 0.2, 0.0):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                time.sleep(seconds)
        return False

    def busy(self) -> bool:
        """Whether a run is at work on this host now."""
        # not by proc_locks(5), which leaves out, in a container, a lock whose first holder has died
        try:
            fd = os.open(os.path.join(self.home, "lock"), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # a run that starts now waits for this moment: lock() tries again
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except OSError:
            return True
        finally:
            os.close(fd)

    def unlock(self) -> None:
        """Let others deploy to this host."""
        assert self._lock is not None
        # taken off for good, whatever a command has left running in the background with it
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)
        self._lock = None

    @property
    def held(self) -> Sequence[int]:
        """The lock's descriptor, if this process has it. Commands inherit it, and with it the lock (flock(2)): if this
        process is killed, no one begins beside what it has left at work."""
        return () if self._lock is None else (self._lock,)

    def sign(self, who: str, commit: str) -> None:
        """Say in the lock file who holds it. commit: of the project that they deploy."""
        assert self._lock is not None
        self._who, self._commit = who, commit
        # a courtesy: it must not keep a run from making room on a full disk
        with contextlib.suppress(OSError):
            os.pwrite(self._lock, ("%s, since %s\n" % (who, now())).encode(), 0)

    # -- units

    def unit(self, name: str) -> Dict[str, Any]:
        """What is remembered of a unit: "inputs", "at" and "run" (its number) of its last start or reload by prov."""
        found: Dict[str, Any] = self.data["units"].get(name, {})
        return found

    def remember_unit(
        self, name: str, inputs: Dict[str, str], notified: "Sequence[Ref]" = (), renews: bool = False
    ) -> None:
        """The unit now runs with these inputs: label of a step -> fingerprint. notified: those steps, if it has just
        read them.  renews: new processes take over when it is reloaded."""
        before = self.unit(name)
        if (
            notified
            or before.get("inputs") != inputs
            or before.get("renews", False) != renews
            or "owes" in before
        ):
            about = {"renews": True} if renews else {}
            self.set_unit(name, {"inputs": inputs, "at": now(), "run": self._last_run(), **about})
            self._notified[name] = {ref.id for ref in notified}

    def owe(self, name: str, what: str) -> None:
        """What a unit runs with is about to go: until it is reloaded, it is owed that (decision D5). what: in words."""
        self.set_unit(name, {**self.unit(name), "owes": what})

    def paid(self, name: str) -> None:
        """The unit was reloaded, and owes nothing for what has gone."""
        self.set_unit(name, {what: value for what, value in self.unit(name).items() if what != "owes"})

    def owes_reload(self, name: str, ref: "Ref") -> bool:
        """Whether a step has changed something since the unit was told, if only back to what the unit has:
        an edit by hand may have been followed by a reload."""
        if ref.changed and ref.id not in self._notified.get(name, ()):
            return True
        return self.may_have_changed(ref.label, since=self.unit(name).get("run", self._last_run()))

    def seen(self, name: str) -> None:
        """Nothing is owed to the unit by the runs before this one, which need not be looked at again."""
        if name in self.data["units"] and self.record is None:
            self.data["units"][name]["run"] = self._last_run()

    def since(self, name: str) -> str:
        """When a unit was last told, in words that a plan and its deploy share: a run has no time of its own."""
        return "this run" if name in self._notified else str(self.unit(name).get("at", ""))

    def forget_unit(self, name: str) -> None:
        """The unit is gone."""
        self.set_unit(name, None)

    def set_unit(self, name: str, entry: Optional[Dict[str, Any]]) -> None:
        """Remember that of a unit, or nothing; what was remembered is kept for an undo."""
        before = self.data["units"].pop(name, None)
        if self.record is not None and before != entry:
            self.record.unit_entry(name, before)
        if self.record is not None:
            self.record.remembers("unit", name, entry)
        self._put_unit(name, entry)

    def _put_unit(self, name: str, entry: Optional[Dict[str, Any]]) -> None:
        if entry is None:
            self.data["units"].pop(name, None)
            return
        self.data["units"][name] = entry
        for thing in self.data["made"].values():
            if thing.get("step") in entry.get("inputs", ()) and name not in thing.setdefault("feeds", []):
                thing["feeds"].append(name)

    def _recover(self) -> None:
        """Take in what the last runs have made and told units, if they died before they could save the ledger."""
        last = self._last_run()
        # most have not, and nothing is compiled for them
        if not last or self._saved_by(last):
            return
        from provision.system.memory.past_runs import Runs, lines  # shipped

        runs = Runs(self.home)
        lost = list(itertools.takewhile(lambda id: not self._saved_by(id), reversed(runs.ids())))
        for id in reversed(lost):
            with contextlib.suppress(StepError):
                for entry in lines(runs.at(id, "made.jsonl"), records.remembered):
                    if "inside" in entry:
                        self.contents.add(entry["inside"], entry["name"])
                    elif "filling" in entry:
                        # whatever is in it: no one has come to look what the command has put there
                        self.contents.add(entry["filling"], *names_in(entry["filling"]))
                    elif "unit" in entry:
                        self._put_unit(entry["unit"], entry["entry"])
                    else:
                        if entry["entry"] is None and entry["thing"].startswith("path "):
                            self._forget_inside(entry["thing"][len("path ") :])
                        put(self.data["made"], entry["thing"], entry["entry"])

    def _saved_by(self, id: int) -> bool:
        """Whether a run has ended, and has saved the ledger."""
        try:
            about = records.load(os.path.join(self.home, "runs", str(id), "run.json"), records.RUN)
            return bool(about.get("ended") and about.get("saved", True))
        except (OSError, records.Damaged):
            return False

    # -- answers that take long to find out

    def known(self, name: str, state: str) -> Optional[Dict[str, str]]:
        """What was found out about something, if it is still in the state that it was in then."""
        found = self.data.get("known", {}).get(name, {})
        return found["values"] if found.get("state") == state else None

    def remember_known(self, name: str, state: str, values: Dict[str, str]) -> None:
        """Something that takes long to find out, and holds as long as the state (a hash) is the same."""
        self.data.setdefault("known", {})[name] = {"state": state, "values": values}

    # -- runs

    def begin(self) -> "Journal":
        """This run is about to change something. Said on disk first: if it dies, the next one knows."""
        if self.record is None:
            # most runs change nothing, and do not compile it
            from provision.system.memory.run_journal import Journal  # shipped

            about = {"who": self._who, "commit": self._commit, "began": now()}
            self.record = Journal(self.home, about, self.whole, self.resumed, self.has_made)
        return self.record

    def _last_run(self) -> int:
        """The number of this run, or of the last one that changed something."""
        if self.record is not None:
            return self.record.id
        try:
            names = os.listdir(os.path.join(self.home, "runs"))
        except OSError:
            return 0
        return max((int(name) for name in names if records.is_number(name)), default=0)

    def may_have_changed(self, label: str, since: int = 0) -> bool:
        """Whether an earlier run changed what the step of that label is about, or died in it and so may have.

        since: the number of a run; only later ones count.
        """
        if self._last_run() <= since:
            return False
        from provision.system.memory.past_runs import Runs  # shipped

        this, runs = self.record.id if self.record is not None else self.resumed, Runs(self.home)
        before = [id for id in runs.ids() if id != this and id > since]
        return any(runs.may_have_changed(id, label) for id in before)

    def save(self) -> None:
        """Write the ledger if it changed since it was read. Raises OSError."""
        self.contents.save()
        text = json.dumps(self.data, sort_keys=True)
        if text != self._saved:
            from provision.system.memory.past_runs import write_whole  # shipped

            os.makedirs(self.home, mode=0o700, exist_ok=True)
            write_whole(self.path, text)
            self._saved = text

    def _load(self) -> Dict[str, Any]:
        empty: Dict[str, Any] = {"version": records.LEDGER_VERSION, "units": {}, "made": {}}
        try:
            data: Dict[str, Any] = records.load(self.path, records.LEDGER)
            if data["version"] > records.LEDGER_VERSION:
                raise StepError(
                    "the ledger of this host was written by a newer prov (version %d)" % data["version"],
                    hint="Upgrade prov on this machine.",
                )
            if data["version"] < records.LEDGER_VERSION:
                # its runs were a list here, without what was there before
                data = {**data, "version": records.LEDGER_VERSION, "made": {}}
                data.pop("runs", None)
            if "made" not in data:
                raise records.Damaged("made is missing")
            return data
        except (FileNotFoundError, PermissionError):
            # a user other than root has no ledger and can't read root's
            return empty
        except (OSError, records.Damaged):
            self.note = "the ledger was damaged; it is kept as %s.damaged" % self.path
            return empty

    def keep_damaged(self) -> None:
        """Move a damaged ledger aside (not in a plan)."""
        if self.note:
            aside = self.path + ".damaged"
            try:
                os.replace(self.path, aside)
            except OSError:
                # something that can't be replaced is there, such as a folder
                os.rename(self.path, "%s.%d" % (aside, time.time()))


def now() -> str:
    """The host's time, UTC, as 2026-11-21T14:02:07Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
