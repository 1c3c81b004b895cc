"""The ledger: the host's record of prov's runs, under /var/lib/prov (decision D6). Shipped.

ledger.json has what prov knows about units and what it made. Each run that changes something also has a
folder (past_runs.py, run_journal.py). The ledger is written atomically, and only if it has changed. A host
without a ledger, or with a damaged one, still converges: a damaged file is moved aside, and prov says so.
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
    """The ledger of this host. home: its folder, accessible to root only (0700)."""

    def __init__(self, home: str = HOME) -> None:
        self.home = home
        self.path = os.path.join(home, "ledger.json")
        self._lock: Optional[int] = None
        self._who = ""
        self._commit = ""
        #: role and label of the running step
        self.maker = ("", "")
        #: the record of this run, once it changes something; and its number, if it continues after a reboot
        self.record: "Optional[Journal]" = None
        self.resumed = 0
        self._notified: Dict[str, Set[int]] = {}
        self._asked: Dict[str, Dict[str, str]] = {}
        self.contents = FolderContents(home)
        self._read()

    def _read(self) -> None:
        self.note = ""
        self.data = self._load()
        self._saved = json.dumps(self.data, sort_keys=True)
        self._recover()

    def lock(self) -> None:
        """Lock the host for this process, so that no one else deploys to it. Raises StepError.

        flock(2) ends with the process and the commands that it has started, so a killed run leaves no lock.
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
        said = self.operator_lock()
        if said:
            raise StepError(said, hint="To lift it:  prov unlock HOST")
        os.ftruncate(self._lock, 0)
        # the previous run may have saved the ledger since it was read
        self._read()

    def operator_lock(self) -> str:
        """Return who has locked the host with `prov lock`, since when and why; "" if no one has."""
        try:
            with open(os.path.join(self.home, "locked"), errors="replace") as f:
                return f.read().strip() or "the host is locked"
        except OSError:
            return ""

    def _locked(self) -> bool:
        """Take the open lock file's lock, with retries in case another process is checking it: see busy()."""
        assert self._lock is not None
        for seconds in (0.01, 0.05, 0.2, 0.0):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                time.sleep(seconds)
        return False

    def busy(self) -> bool:
        """Return whether a run is active on this host."""
        # not by proc_locks(5), which in a container omits a lock whose first holder has exited
        try:
            fd = os.open(os.path.join(self.home, "lock"), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # a run that starts at this moment retries: see lock()
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except OSError:
            return True
        finally:
            os.close(fd)

    def unlock(self) -> None:
        """Release the lock, so that others can deploy to this host."""
        assert self._lock is not None
        # explicitly, because background commands may still hold the descriptor
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        os.close(self._lock)
        self._lock = None

    @property
    def held(self) -> Sequence[int]:
        """The lock's descriptor, if this process has the lock.

        Commands inherit it, and so the lock (flock(2)): if this process is killed, no other run starts while
        they are active.
        """
        return () if self._lock is None else (self._lock,)

    def sign(self, who: str, commit: str) -> None:
        """Write into the lock file who holds it. commit: of their project."""
        assert self._lock is not None
        self._who, self._commit = who, commit
        # informative only: it must not prevent a run that frees space on a full disk
        with contextlib.suppress(OSError):
            os.pwrite(self._lock, ("%s, since %s\n" % (who, now())).encode(), 0)

    # -- units

    def unit(self, name: str) -> Dict[str, Any]:
        """Return a unit's entry: "inputs", "at" and "run" (number) of its last start or reload by prov."""
        found: Dict[str, Any] = self.data["units"].get(name, {})
        return found

    def asked(self, name: str, inputs: Dict[str, str]) -> None:
        """Note the inputs that a step of this run has for a unit. Several roles may have steps for the same one."""
        self._asked.setdefault(name, {}).update(inputs)

    def remember_unit(
        self, name: str, inputs: Dict[str, str], notified: "Sequence[Ref]" = (), renews: bool = False
    ) -> None:
        """Record the inputs that a unit now runs with: label of a step -> fingerprint.

        What other steps of this run have asked about the unit stays: it has read that too.
        notified: those steps, if the unit has just read them.  renews: a reload replaces its processes.
        """
        before = self.unit(name)
        inputs = {**self._asked.get(name, {}), **inputs}
        if (
            notified
            or before.get("inputs") != inputs
            or before.get("renews", False) != renews
            or "owes" in before
        ):
            about = {"renews": True} if renews else {}
            self.set_unit(name, {"inputs": inputs, "at": now(), "run": self.last_run(), **about})
            self._notified.setdefault(name, set()).update(ref.id for ref in notified)

    def owe(self, name: str, what: str) -> None:
        """Note that an input of a unit is about to go, which requires a reload (decision D5).

        what: a description.
        """
        self.set_unit(name, {**self.unit(name), "owes": what})

    def paid(self, name: str) -> None:
        """Note that a unit was reloaded, so that nothing is due."""
        self.set_unit(name, {what: value for what, value in self.unit(name).items() if what != "owes"})

    def owes_reload(self, name: str, ref: "Ref") -> bool:
        """Return whether a step has changed something since the unit's last reload.

        A change back to what the unit has counts too, because a reload may have followed an edit by hand.
        """
        if ref.changed and ref.id not in self._notified.get(name, ()):
            return True
        return self.may_have_changed(ref.label, since=self.unit(name).get("run", self.last_run()))

    def seen(self, name: str) -> None:
        """Note that earlier runs require no reload of the unit, so that they need not be checked again."""
        if name in self.data["units"] and self.record is None:
            self.data["units"][name]["run"] = self.last_run()

    def since(self, name: str) -> str:
        """Return when a unit was last started or reloaded, as a text that a plan and its deploy share."""
        return "this run" if name in self._notified else str(self.unit(name).get("at", ""))

    def forget_unit(self, name: str) -> None:
        """Remove the entry of a unit that is gone."""
        self.set_unit(name, None)

    def set_unit(self, name: str, entry: Optional[Dict[str, Any]]) -> None:
        """Set or remove the entry of a unit; the former entry is kept for an undo."""
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
        """Take in what the last runs made and which units they reloaded, if they were killed unsaved."""
        last = self.last_run()
        # most runs were not killed, and this spares compiling the modules
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
                        # all contents count: the killed run did not check what its command had put there
                        self.contents.add(entry["filling"], *names_in(entry["filling"]))
                    elif "unit" in entry:
                        self._put_unit(entry["unit"], entry["entry"])
                    else:
                        if entry["entry"] is None and entry["thing"].startswith("path "):
                            self._forget_inside(entry["thing"][len("path ") :])
                        put(self.data["made"], entry["thing"], entry["entry"])

    def _saved_by(self, id: int) -> bool:
        """Return whether a run has ended and saved the ledger."""
        try:
            about = records.load(os.path.join(self.home, "runs", str(id), "run.json"), records.RUN)
            return bool(about.get("ended") and about.get("saved", True))
        except (OSError, records.Damaged):
            return False

    # -- cached facts

    def known(self, name: str, state: str) -> Optional[Dict[str, str]]:
        """Return cached facts about something, if its state is unchanged."""
        found = self.data.get("known", {}).get(name, {})
        return found["values"] if found.get("state") == state else None

    def remember_known(self, name: str, state: str, values: Dict[str, str]) -> None:
        """Cache facts that are slow to obtain; they hold while the state (a hash) is the same."""
        self.data.setdefault("known", {})[name] = {"state": state, "values": values}

    # -- runs

    def begin(self) -> "Journal":
        """Record on disk that this run is about to change something: if it is killed, the next one knows."""
        if self.record is None:
            # most runs change nothing and need not compile it
            from provision.system.memory.run_journal import Journal  # shipped

            about = {"who": self._who, "commit": self._commit, "began": now()}
            self.record = Journal(self.home, about, self.whole, self.resumed, self.has_made)
        return self.record

    def last_run(self) -> int:
        """Return the number of this run, or of the last one that changed something."""
        if self.record is not None:
            return self.record.id
        try:
            names = os.listdir(os.path.join(self.home, "runs"))
        except OSError:
            return 0
        return max((int(name) for name in names if records.is_number(name)), default=0)

    def may_have_changed(self, label: str, since: int = 0) -> bool:
        """Return whether an earlier run has changed what a step is about, or was killed in that step.

        since: the number of a run; only later ones count.
        """
        if self.last_run() <= since:
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
                # this version kept its runs in a list, without former states
                data = {**data, "version": records.LEDGER_VERSION, "made": {}}
                data.pop("runs", None)
            if "made" not in data:
                raise records.Damaged("made is missing")
            return data
        except (FileNotFoundError, PermissionError):
            # users other than root have no ledger and can't read root's
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
                # the target can't be replaced, for example because it is a folder
                os.rename(self.path, "%s.%d" % (aside, time.time()))


def now() -> str:
    """Return the host's time, UTC, as 2026-11-21T14:02:07Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
