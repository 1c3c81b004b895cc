"""The runs that a host remembers, each in a folder: /var/lib/prov/runs/12 (decision D6). Shipped.

Each has run.json (who, when, how it ended), steps.jsonl (what changed), made.jsonl (what prov made, in case
it is killed), kept.jsonl and kept/ (former states, run_journal.py), left.json (the state at its end). Runs
are numbered, because clocks can run backwards.
"""

import json
import os
import shutil
from typing import Any, Dict, Iterator, List

from provision.errors import StepError
from provision.system.memory import records
from provision.system.shapes import Check

#: name of the index of former states (kept.jsonl) if the run could not keep all of them
INCOMPLETE = "kept.incomplete"
#: maximum number of runs, and maximum bytes of all of them
KEEP_RUNS = 50
KEEP_BYTES = 512 * 1024 * 1024


class Runs:
    """Past runs of this host. home: the ledger's folder."""

    def __init__(self, home: str) -> None:
        self.folder = os.path.join(home, "runs")

    def ids(self) -> List[int]:
        """Return the run numbers, oldest first."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, PermissionError):
            # users other than root can't read root's
            return []
        return sorted(int(name) for name in names if records.is_number(name))

    def at(self, id: int, *names: str) -> str:
        """Return the folder of a run, or a path in it."""
        return os.path.join(self.folder, str(id), *names)

    def begin(self) -> int:
        """Make the next run's folder and return its number. Raises OSError."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        id = max(self.ids(), default=0) + 1
        os.mkdir(self.at(id), 0o700)
        return id

    def read(self, id: int) -> Dict[str, Any]:
        """Return run.json; for a damaged one, "id" and "damaged", which says why."""
        said = "its record is damaged"
        try:
            found: Dict[str, Any] = records.load(self.at(id, "run.json"), records.RUN)
            if found["version"] <= records.RUN_VERSION:
                return {**found, "id": id}
            said = "it was written by a newer prov"
        except (OSError, records.Damaged):
            # all other fields are missing, which is enough
            pass
        return {"id": id, "damaged": said, "began": "", "changed": []}

    def write(self, id: int, run: Dict[str, Any]) -> None:
        """Replace run.json. Raises OSError."""
        write_whole(self.at(id, "run.json"), json.dumps({"version": records.RUN_VERSION, "id": id, **run}))

    def steps(self, id: int) -> List[Dict[str, Any]]:
        """Return the steps that changed something or failed, in order."""
        return [entry for entry in self._entries(id) if "begins" not in entry]

    def begun(self, id: int) -> List[str]:
        """Return the labels of steps that started to change something."""
        return [entry["begins"] for entry in self._entries(id) if "begins" in entry]

    def may_have_changed(self, id: int, label: str) -> bool:
        """Return whether a run has changed what a step is about, or was killed or failed in that step."""
        run = self.read(id)
        if label in run["changed"] or label in run.get("begun", ()):
            return True
        if run.get("ended"):
            return False
        if os.path.exists(self.at(id, INCOMPLETE)):
            return True
        try:
            # an older prov did not record started steps
            return label in self.begun(id) or not run.get("stepwise", "damaged" in run)
        except StepError:
            return True

    def _entries(self, id: int) -> List[Dict[str, Any]]:
        return list(lines(self.at(id, "steps.jsonl"), records.step))

    def all(self) -> Iterator[Dict[str, Any]]:
        """Return all runs, oldest first."""
        return (self.read(id) for id in self.ids())

    def discard_old(self) -> None:
        """Remove the oldest runs beyond the limits; the newest stays."""
        ids = self.ids()
        sizes = {id: size_of(self.at(id)) for id in ids}
        while len(ids) > 1 and (len(ids) > KEEP_RUNS or sum(sizes[id] for id in ids) > KEEP_BYTES):
            shutil.rmtree(self.at(ids.pop(0)), ignore_errors=True)


def lines(path: str, check: Check) -> Iterator[Dict[str, Any]]:
    """Return the objects of a file of JSON lines.

    An incomplete last line is ignored: the run was killed while writing it.
    check: the check of each object.  Raises StepError if any other line is invalid.
    """
    try:
        texts = records.content(path).split(b"\n")
    except FileNotFoundError:
        return
    except (OSError, records.Damaged):
        raise StepError("%s is damaged" % path) from None
    for number, text in enumerate(texts):
        try:
            if text:
                yield records.understood(text, check)
        except records.Damaged:
            if number < len(texts) - 1:
                raise StepError("%s is damaged at line %d" % (path, number + 1)) from None


def write_whole(path: str, text: str) -> None:
    """Replace a file of root's atomically and durably. Raises OSError."""
    temporary = path + ".new"
    if os.path.lexists(temporary):
        os.unlink(temporary)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.rename(temporary, path)


def size_of(folder: str) -> int:
    """Return the bytes of all files in a folder."""
    return sum(
        os.lstat(os.path.join(here, name)).st_size for here, _, names in os.walk(folder) for name in names
    )
