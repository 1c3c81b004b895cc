"""The runs that a host remembers, a folder each: /var/lib/prov/runs/12 (decision D6). Shipped.

In each: run.json (who, when, how it ended), steps.jsonl (what changed), made.jsonl (what prov made, should it die),
kept.jsonl and kept/ (what was there before, journal.py), left.json (what was there when it ended). Runs are numbered,
as clocks run backwards now and then.
"""

import json
import os
import shutil
from typing import Any, Dict, Iterator, List

from provision.errors import StepError
from provision.system.memory import records
from provision.system.shapes import Check

#: name of the index of former states (kept.jsonl) of a run that could not keep everything
INCOMPLETE = "kept.incomplete"
#: as many runs are remembered, as long as all of them together take no more bytes
KEEP_RUNS = 50
KEEP_BYTES = 512 * 1024 * 1024


class Runs:
    """home: the ledger's folder."""

    def __init__(self, home: str) -> None:
        self.folder = os.path.join(home, "runs")

    def ids(self) -> List[int]:
        """Their numbers, oldest first."""
        try:
            names = os.listdir(self.folder)
        except (FileNotFoundError, PermissionError):
            # a user other than root can't read root's
            return []
        return sorted(int(name) for name in names if records.is_number(name))

    def at(self, id: int, *names: str) -> str:
        """The folder of a run, or something in it."""
        return os.path.join(self.folder, str(id), *names)

    def begin(self) -> int:
        """Make the next run's folder, and return its number. Raises OSError."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        id = max(self.ids(), default=0) + 1
        os.mkdir(self.at(id), 0o700)
        return id

    def read(self, id: int) -> Dict[str, Any]:
        """run.json; of a damaged one only "id" and "damaged", why."""
        said = "its record is damaged"
        try:
            found: Dict[str, Any] = records.load(self.at(id, "run.json"), records.RUN)
            if found["version"] <= records.RUN_VERSION:
                return {**found, "id": id}
            said = "it was written by a newer prov"
        except (OSError, records.Damaged):
            # told by its absence of everything else
            pass
        return {"id": id, "damaged": said, "began": "", "changed": []}

    def write(self, id: int, run: Dict[str, Any]) -> None:
        """Replace run.json. Raises OSError."""
        write_whole(self.at(id, "run.json"), json.dumps({"version": records.RUN_VERSION, "id": id, **run}))

    def steps(self, id: int) -> List[Dict[str, Any]]:
        """The steps that changed something or failed, in their order."""
        return [entry for entry in self._entries(id) if "begins" not in entry]

    def begun(self, id: int) -> List[str]:
        """Labels of the steps that have begun to change something."""
        return [entry["begins"] for entry in self._entries(id) if "begins" in entry]

    def may_have_changed(self, id: int, label: str) -> bool:
        """Whether a run has changed what a step is about, or has died or failed in that step."""
        run = self.read(id)
        if label in run["changed"] or label in run.get("begun", ()):
            return True
        if run.get("ended"):
            return False
        if os.path.exists(self.at(id, INCOMPLETE)):
            return True
        try:
            # an earlier prov did not write down what it had begun
            return label in self.begun(id) or not run.get("stepwise", "damaged" in run)
        except StepError:
            return True

    def _entries(self, id: int) -> List[Dict[str, Any]]:
        return list(lines(self.at(id, "steps.jsonl"), records.step))

    def all(self) -> Iterator[Dict[str, Any]]:
        """All of them, oldest first."""
        return (self.read(id) for id in self.ids())

    def discard_old(self) -> None:
        """Remove those that are too many, or too much, oldest first; the newest stays."""
        ids = self.ids()
        sizes = {id: size_of(self.at(id)) for id in ids}
        while len(ids) > 1 and (len(ids) > KEEP_RUNS or sum(sizes[id] for id in ids) > KEEP_BYTES):
            shutil.rmtree(self.at(ids.pop(0)), ignore_errors=True)


def lines(path: str, check: Check) -> Iterator[Dict[str, Any]]:
    """The objects of a file of JSON lines. A last line that is not whole was being written when all ended.

    check: what each must look like.  Raises StepError if any other line makes no sense.
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
    """Replace a file of root's alone, whole and on disk or not at all. Raises OSError."""
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
    """Bytes of all files in a folder."""
    return sum(
        os.lstat(os.path.join(here, name)).st_size for here, _, names in os.walk(folder) for name in names
    )
