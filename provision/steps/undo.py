"""Undo a run: everything it changed is as it was before. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Any, Dict, List

from provision.errors import StepError
from provision.steps.base import Diff, Step, listed, step, wanted
from provision.steps.support import server_settings
from provision.steps.support.restore import Restoration
from provision.steps.support.restoring import Restoring
from provision.steps.support.served_releases import in_words, turned
from provision.system.memory.former_states import FormerStates
from provision.system.memory.past_runs import Runs

if TYPE_CHECKING:
    from provision.system.host import System

#: in place of a run's number: the last run that can be undone, and the one in progress
LAST, THIS = 0, -1
#: how many runs a hint names
SHOWN = 10


@wanted()
class Undo(Step):
    """Restore what a run changed: files, links, folders, users with the place and the owners of their homes,
    units with what they run, checkouts of git, answers to debconf, and of the kernel's state the host name,
    mounts, settings, modules, swap files and nftables tables.

    run: its number; 0 is the last run that has not been undone, -1 the one in progress. Runs that only lifted a
    hold or restarted processes are passed over: they leave nothing to go back to.
    Packages stay, and so do the effects of commands; the step names both. A value that a mount got by its
    options (size=) stays as long as it is mounted. A folder is removed if it is then empty. If something was
    changed since the run, or is in use, the step names it and fails before it changes anything. An undo that
    fails half-way continues when it is called again.
    """

    run: int = LAST

    DEADLINE = 600.0

    def label(self) -> str:
        return {LAST: "undo the last run", THIS: "undo this run"}.get(self.run, "undo run %d" % self.run)

    def validate(self) -> None:
        if not isinstance(self.run, int) or isinstance(self.run, bool) or self.run < THIS:
            raise ValueError("run must be the number of a run, not %r" % (self.run,))

    def check(self, host: "System") -> Diff:
        runs = Runs(host.ledger.home)
        id = self._id(host, runs)
        if not id:
            return Diff.none("it has changed nothing")
        work = self._work(host, runs, id)
        if work.refused:
            raise StepError(
                "changed since run %d: %s" % (id, listed(work.refused, most=50)),
                hint="Nothing has been touched. Undo what came later first, or put these back by hand.",
            )
        if work.gone:
            raise StepError(
                "run %d can't be undone, as what would run again is gone: %s"
                % (id, listed(work.gone, most=20)),
                hint="Nothing has been touched. Check out the earlier state of your project and run prov deploy.",
            )
        stays = "; ".join(self._stays(runs, id, work))
        found = work.changes()
        if not found:
            return Diff.none("; ".join(filter(None, ["all is as it was before run %d" % id, stays])))
        turns = in_words(turned([{"step": "", "state": "changed", "diff": found}]))
        return Diff(found, "; ".join(filter(None, ["run %d" % id if self.run == LAST else "", turns, stays])))

    def apply(self, host: "System", diff: Diff) -> None:
        runs = Runs(host.ledger.home)
        id = self._id(host, runs)
        if self.run == THIS:
            # a copy of what is put back exists already
            host.files.record = host.units.record = host.accounts.record = host.remembered.record = None
        work = self._work(host, runs, id)
        if not host.planned:
            self._mark_begun(host, runs, id)
        Restoring(work).apply()
        if not host.planned:
            self._mark(host, runs, id)

    def _work(self, host: "System", runs: Runs, id: int) -> Restoration:
        about = runs.read(id)
        if "damaged" in about:
            raise StepError("run %d can't be undone: %s" % (id, about["damaged"]))
        former = FormerStates(runs, id)
        if former.incomplete:
            raise StepError(
                "run %d can't be undone: not all that was there before could be kept" % id,
                hint="Most likely the disk was full. What it changed: prov history HOST %d" % id,
            )
        since = [run["id"] for run in runs.all() if run["id"] > id and "undone" not in run]
        passed = [FormerStates(runs, later) for later in since if passes(runs, later)]
        return Restoration(host, former, about["began"], runs.steps(id), passed)

    def _id(self, host: "System", runs: Runs) -> int:
        """Return the number of the run to undo. Raises StepError if there is none."""
        record = host.ledger.record
        this = record.id if record is not None else 0
        if self.run == THIS:
            return this
        others = [run for run in runs.all() if run["id"] != this]
        if self.run == LAST:
            for about in reversed(others):
                if not {"undone", "undoes", "damaged"} & set(about) and not passes(runs, about["id"]):
                    return int(about["id"])
            raise StepError("there is no run to be undone on this host")
        if self.run not in [run["id"] for run in others]:
            known = ", ".join(map(summary, reversed(others[-SHOWN:])))
            raise StepError(
                "there is no run %d on this host" % self.run, hint="There are: %s" % (known or "none")
            )
        return self.run

    def _stays(self, runs: Runs, id: int, work: Restoration) -> List[str]:
        """Return what is not undone."""
        steps = runs.steps(id)
        packages = [
            change[0].split(" ", 1)[1]
            for past in steps
            for change in past.get("diff", ())
            if change[0].startswith("package ")
        ]
        settings = server_settings.about((past["step"] for past in steps), work.former.paths)
        back = [*settings, *work.kernel.labels(), *work.users.labels()]
        back += [*work.checkouts.labels(), *work.answers.labels(), *work.homes.labels()]
        ran = [past["step"] for past in steps if past.get("ran") and past["step"] not in back]
        found = []
        if packages:
            found.append("packages stay as they are: %s" % listed(packages, most=20))
        if ran:
            found.append("what these did by commands stays: %s" % listed(ran, most=20))
        if work.stays:
            found.append("can't be put back: %s" % listed(work.stays, most=20))
        return found

    def _mark_begun(self, host: "System", runs: Runs, id: int) -> None:
        """Record which run is undone: if this fails half-way, the next undo continues with that run."""
        record = host.ledger.record
        if record is not None and record.id != id:
            record.about["undoes"] = id
            runs.write(record.id, record.about)

    def _mark(self, host: "System", runs: Runs, id: int) -> None:
        """Record that the run is undone; if it was itself an undo, the run it undid is in force again."""
        record = host.ledger.record
        assert record is not None  # something has been changed
        if record.id == id:
            record.about["undone"] = id
            return
        about = runs.read(id)
        record.about["undoes"] = id
        runs.write(id, {**about, "undone": record.id})
        before = about.get("undoes")
        if before in runs.ids():
            redone = runs.read(before)
            redone.pop("undone", None)
            runs.write(before, redone)


def passes(runs: Runs, id: int) -> bool:
    """Return whether a run only lifted a hold (prov resume) or restarted processes (prov restart)."""
    try:
        steps = runs.steps(id)
    except StepError:
        # damaged: what it changed is unknown
        return False
    changes = [past.get("diff") or [[""]] for past in steps if not past.get("role")]
    return len(changes) == len(steps) > 0 and all(
        change[0] == "hold" or change[2:3] == ["restarted"] for step in changes for change in step
    )


def summary(run: Dict[str, Any]) -> str:
    """Return a run in a few words: "12 (2026-11-21T14:02:07Z, done)"."""
    return "%d (%s, %s)" % (
        run["id"],
        run["began"] or "?",
        run.get("state") or run.get("damaged") or "cut off",
    )


undo = step(Undo)
