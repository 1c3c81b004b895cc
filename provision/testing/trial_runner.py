"""Trials in parallel, from hosts that are booted to hosts that are gone."""

from __future__ import annotations

import os
import queue
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from provision import lab
from provision.errors import Exit, ProvError, UsageError
from provision.testing import results
from provision.testing.results import Event, Finished, StageDone, StageStarted, TrialDone
from provision.testing.trial_stages import Stages, TrialOptions, timed
from provision.testing.trials import Trial


class Trials:
    """Iterate over them for their events; that ends when all have ended and their hosts are gone.

    Trials whose hosts have the same names, as those of a TARGET on several images, come one after the other.
    """

    def __init__(self, trials: Sequence[Trial], options: TrialOptions) -> None:
        self.finished = Finished()
        self._options = options
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stages = [Stages(trial, options) for trial in trials]
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
        """Let every trial end after what it is doing, and remove its hosts. Iterating goes on until they have."""
        self._stopped = True
        for stages in self._stages:
            stages.stop()

    def there(self) -> list[str]:
        """Names of hosts that have not been removed, or not yet."""
        return [name for stages in self._stages for name in self._hosts(stages)]

    def exit_status(self) -> Exit:
        """Whether all have passed."""
        return Exit.DONE if all(trial.passed for trial in self.finished.trials) else Exit.FAILED

    def _try(self, chain: Sequence[Stages]) -> None:
        for stages in chain:
            began = time.monotonic()
            passed = False
            bug: ProvError | None = None
            try:
                passed = self._all_stages(stages)
            except Exception as error:
                # a mistake of ours: the others go on
                shown = "".join(traceback.format_exception(error)[-3:])
                bug = ProvError(f"{type(error).__name__}: {error}", hint=shown)
            self._end(stages, passed, began, bug)

    def _all_stages(self, stages: Stages) -> bool:
        """Whether none has failed."""
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
        """Why a stage would say nothing after those that have failed, or is not wanted; "" if it is."""
        if fatal := next((each for each in failed if each in results.FATAL), ""):
            return f"{fatal} failed"
        if stage in (results.REBOOT, results.AFTERWARDS) and not self._options.reboot:
            return "left out by --no-reboot"
        if stage == results.UNDO and results.AGAIN in failed:
            # what came later is not undone by undoing the first
            return f"{results.AGAIN} failed"
        return ""

    def _hosts(self, stages: Stages) -> list[str]:
        """The hosts that a trial has booted and that are still there."""
        return [name for name in stages.trial.hosts if stages.booted and lab.find(name)]

    def _end(self, stages: Stages, passed: bool, began: float, error: ProvError | None) -> None:
        """Remove the hosts, unless they are to be kept."""
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
    """Raise UsageError if a host of one of these names exists already: it is not ours to change.

    keep: nor is one that an earlier trial of these would leave.
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
