"""What the host remembers of prov's runs, under /var/lib/prov (design D6). Shipped.

Written atomically and only when something in it changed. A host without a ledger, or with a damaged one,
still converges: a damaged file is moved aside and said so.
"""

import contextlib
import fcntl
import json
import os
import time
from typing import Any, Dict, Optional, Set

from provision.errors import StepError

VERSION = 1
HOME = "/var/lib/prov"
KEEP_RUNS = 50


class Ledger:
    """home: the folder of the ledger, root's alone (0700)."""

    def __init__(self, home: str = HOME) -> None:
        self.home = home
        self.path = os.path.join(home, "ledger.json")
        self._lock: Optional[int] = None
        self._who = ""
        self._begun = False
        self._told: Set[str] = set()
        self._read()

    def _read(self) -> None:
        self.note = ""
        self.data = self._load()
        self._saved = json.dumps(self.data, sort_keys=True)

    def lock(self) -> None:
        """Let nobody else deploy to this host while this process lives. Raises StepError.

        flock(2) goes with the process, so a dead run leaves no lock behind.
        """
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        path = os.path.join(self.home, "lock")
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            with open(path) as f:
                holder = f.read().strip() or "somebody"
            raise StepError(
                "another run is at work on this host: %s" % holder,
                hint="Wait until it ends, then run again. Its lock goes with it, even if it dies.",
            ) from None
        os.ftruncate(self._lock, 0)
        # the run before this one may have ended, and saved, since the ledger was read
        self._read()

    def unlock(self) -> None:
        """Let others deploy to this host."""
        assert self._lock is not None
        os.close(self._lock)
        self._lock = None

    def sign_lock(self, who: str) -> None:
        """Say in the lock file who holds it."""
        assert self._lock is not None
        self._who = who
        # a courtesy: it must not keep a run from making room on a full disk
        with contextlib.suppress(OSError):
            os.pwrite(self._lock, ("%s, since %s\n" % (who, now())).encode(), 0)

    def unit(self, name: str) -> Dict[str, Any]:
        """What is remembered of a unit: "inputs" and "at" of its last start or reload by prov."""
        found: Dict[str, Any] = self.data["units"].get(name, {})
        return found

    def remember_unit(self, name: str, inputs: Dict[str, str]) -> None:
        """The unit now runs with these inputs: label of a step -> fingerprint."""
        if self.unit(name).get("inputs") != inputs:
            self.data["units"][name] = {"inputs": inputs, "at": now()}
            self._told.add(name)

    def since(self, name: str) -> str:
        """When a unit was last told, in words that a plan and its deploy share: a run has no time of its own."""
        return "this run" if name in self._told else str(self.unit(name).get("at", ""))

    def forget_unit(self, name: str) -> None:
        """The unit is gone."""
        self.data["units"].pop(name, None)

    def known(self, name: str, state: str) -> Optional[Dict[str, str]]:
        """What was found out about something, if it is still in the state that it was in then."""
        found = self.data.get("known", {}).get(name, {})
        return found["values"] if found.get("state") == state else None

    def remember_known(self, name: str, state: str, values: Dict[str, str]) -> None:
        """Something that takes long to find out, and holds as long as the state (a hash) is the same."""
        self.data.setdefault("known", {})[name] = {"state": state, "values": values}

    def begin(self) -> None:
        """This run is about to change something. Said on disk first: if it dies, the next one knows."""
        if not self._begun:
            self.remember_run({"who": self._who, "began": now(), "ended": "", "changed": [], "failed": []})
            self._begun = True
            # a full disk must not keep a step from making room; the end of the run tells of it
            with contextlib.suppress(OSError):
                self.save()

    def remember_run(self, run: Dict[str, Any]) -> None:
        """Add a run to the last ones, or say what came of the one that has begun."""
        before = self.data["runs"][:-1] if self._begun else self.data["runs"]
        self.data["runs"] = [*before, run][-KEEP_RUNS:]

    def may_have_changed(self, label: str) -> bool:
        """Whether an earlier run changed what the step of that label is about, or died and so may have."""
        before = self.data["runs"][:-1] if self._begun else self.data["runs"]
        return any(not run.get("ended") or label in run.get("changed", ()) for run in before)

    def save(self) -> None:
        """Write the ledger if it changed since it was read. Raises OSError."""
        text = json.dumps(self.data, sort_keys=True)
        if text == self._saved:
            return
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        temporary = self.path + ".new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.rename(temporary, self.path)
        self._saved = text

    def _load(self) -> Dict[str, Any]:
        empty: Dict[str, Any] = {"version": VERSION, "units": {}, "runs": []}
        try:
            with open(self.path, encoding="utf-8") as f:
                data = json.load(f)
            if data["version"] > VERSION:
                raise StepError(
                    "the ledger of this host was written by a newer prov (version %d)" % data["version"],
                    hint="Upgrade prov on this machine.",
                )
            if not (isinstance(data["units"], dict) and isinstance(data["runs"], list)):
                raise ValueError("units or runs missing")
            if not all(isinstance(entry, dict) for entry in [*data["units"].values(), *data["runs"]]):
                raise ValueError("a unit or run that is none")
        except (FileNotFoundError, PermissionError):
            # a user other than root has no ledger and can't read root's
            return empty
        except (ValueError, KeyError, TypeError, RecursionError):
            self.note = "the ledger was damaged; it is kept as %s.damaged" % self.path
            return empty
        found: Dict[str, Any] = data
        return found

    def keep_damaged(self) -> None:
        """Move a damaged ledger aside (not in a plan)."""
        if self.note:
            os.replace(self.path, self.path + ".damaged")


def now() -> str:
    """The host's time, UTC, as 2026-11-21T14:02:07Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
