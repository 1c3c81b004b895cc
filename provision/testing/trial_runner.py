"""Run trials in parallel, from booting the hosts to removing them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from provision import lab
from provision.controller.event_queue import EventQueue
from provision.errors import Exit, ProvError, UsageError
from provision.run.mistakes import as_error
from provision.testing import results
from provision.testing.results import Event, Finished, StageDone, StageStarted, TrialDone
from provision.testing.trial_stages import Stages, TrialOptions, timed
from provision.testing.trials import Trial


class Trials:
    """Runs trials. Iterating over it yields their events, until all have ended and their hosts are removed.

    Trials whose hosts have the same names, as those of a TARGET on several images, run one after another.
    kind: what they do, stage by stage.
    """

    def __init__(self, trials: Sequence[Trial], options: TrialOptions, kind: type[Stages] = Stages) -> None:
        self.finished = Finished()
        self._options = options
        self._queue: EventQueue[Event] = EventQueue()
        self._stages = [kind(trial, options) for trial in trials]
        self._stopped = False

    def __iter__(self) -> Iterator[Event]:
        chains: dict[tuple[str, ...], list[Stages]] = {}
        for stages in self._stages:
            chains.setdefault(tuple(stages.trial.hosts), []).append(stages)
        left = len(self._stages)
        pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="trial")
        try:
            for chain in chains.values():
                pool.submit(self._try, chain)
            while left:
                event = self._queue.get()
                left -= isinstance(event, TrialDone)
                self.finished.take(event)
                yield event
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def stop(self) -> None:
        """Let every trial end after its present work, and remove its hosts.

        Iterating continues until they have.
        """
        self._stopped = True
        for stages in self._stages:
            stages.stop()

    def there(self) -> list[str]:
        """Return the names of hosts that still exist."""
        return [name for stages in self._stages for name in self._hosts(stages)]

    def exit_status(self) -> Exit:
        """Return Exit.DONE if all trials have passed, else Exit.FAILED."""
        return Exit.DONE if all(trial.passed for trial in self.finished.trials) else Exit.FAILED

    def _try(self, chain: Sequence[Stages]) -> None:
        for stages in chain:
            began = time.monotonic()
            passed = False
            bug: ProvError | None = None
            try:
                passed = self._all_stages(stages)
            except Exception as error:
                # a bug in prov: the other trials continue
                bug = as_error(error)
            self._end(stages, passed, began, bug)

    def _all_stages(self, stages: Stages) -> bool:
        """Run the stages; return whether none has failed."""
        failed: list[str] = []
        for name, work in stages.work().items():
            if self._stopped:
                return False
            if why := self._left_out(name, failed):
                self._queue.put(StageDone(stages.trial, name, "skipped", why=why))
                continue
            self._queue.put(StageStarted(stages.trial, name))
            done = timed(work)
            self._queue.put(done)
            if done.state == "failed":
                failed.append(name)
        return not failed

    def _left_out(self, stage: str, failed: Sequence[str]) -> str:
        """Return why a stage is skipped: failed stages make it meaningless, or it is not wanted.

        Returns "" to run it.
        """
        if fatal := next((each for each in failed if each in results.FATAL), ""):
            return f"{fatal} failed"
        if stage in (results.REBOOT, results.AFTERWARDS) and not self._options.reboot:
            return "left out by --no-reboot"
        if stage == results.UNDO and results.AGAIN in failed:
            # undoing the first deploy does not undo later changes
            return f"{results.AGAIN} failed"
        return ""

    def _hosts(self, stages: Stages) -> list[str]:
        """Return the hosts that a trial has booted and that still exist."""
        return [name for name in stages.trial.hosts if stages.booted and lab.find(name)]

    def _end(self, stages: Stages, passed: bool, began: float, error: ProvError | None) -> None:
        """Remove the hosts, unless the user wants to keep them."""
        there = self._hosts(stages)
        hosts_left = there if self._options.keep else []
        try:
            if there and not hosts_left:
                lab.down(there)
        except ProvError as problem:
            error = error or problem
        done = TrialDone(stages.trial, passed and error is None, time.monotonic() - began, hosts_left, error)
        self._queue.put(done)


def check_free(trials: Sequence[Trial], *, keep: bool = False) -> None:
    """Raise UsageError if a host with one of these names already exists, because prov must not change it.

    keep: also raise it for a host that an earlier one of these trials would leave.
    """
    names = [name for trial in trials for name in trial.hosts]
    if twice := [name for name in dict.fromkeys(names) if keep and names.count(name) > 1]:
        raise UsageError(
            f"--keep would leave {twice[0]} where the next test needs the name",
            hint="Test one image, or one target, at a time.",
        )
    for name in dict.fromkeys(names):
        if lab.find(name):
            raise UsageError(
                f"the lab has a host {name} already, and a test begins with a bare one",
                hint=f"If it was kept by an earlier test, or may go:  prov lab down {name}",
            )
