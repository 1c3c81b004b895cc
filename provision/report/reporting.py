"""The interface of reports, and the style that options choose."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from provision.controller.events import Event, HostDone, Notice, StepDone, Summary
from provision.values import dataclass

#: the order in which the summary names the states
STATES = ("ok", "changed", "maybe", "failed", "skipped", "unreachable")


class Report(Protocol):
    """Reads the events of one run, then its summary. Only reports print."""

    def take(self, event: Event) -> None:
        """Show an event, if this report shows its kind."""

    def finish(self, summary: Summary) -> None:
        """Show how the run ended; nothing follows."""

    def paused(self) -> AbstractContextManager[object]:
        """Leave the terminal free for a question; may be called from any thread."""
        return nullcontext()

    def close(self) -> None:
        """Restore the terminal, also after an error; may be called twice."""
        return


@dataclass(frozen=True)
class Style:
    """How much is shown, and in which words.

    plan: nothing has been changed, so steps "would change".  verbose: unchanged steps too, with their
    reasons.
    fleet: there are several hosts; what they share is shown once, at the end: all of a plan, the diffs of a
    deploy.
    builtin: names of the roles that come with prov, whose own words are shown in brief.
    answering: unchanged steps too, as a step is the whole run.
    stepping: each step is shown as it ends, as the user is asked before it.
    diff_lines: largest number of lines of one diff; 0 shows no diffs, None shows them whole.
    """

    plan: bool = False
    verbose: bool = False
    diff_lines: int | None = None
    fleet: bool = False
    builtin: frozenset[str] = frozenset()
    stepping: bool = False
    answering: bool = False

    @property
    def by_application(self) -> bool:
        """Whether the steps of an application are shown as one block."""
        return not (self.verbose or self.stepping)

    def word(self, state: str) -> str:
        """Return a state in words: a plan says "would change"."""
        if self.plan and state == "changed":
            return "would change"
        return "may change" if state == "maybe" else state

    def gathers(self, step: StepDone) -> bool:
        """Return whether a step is shown at the end, with those that several hosts share. Failures are shown
        at once."""
        if not self.fleet or step.state == "failed":
            return False
        return self.shows(step.state) if self.plan else bool(step.diff) and self.diff_lines != 0

    def holds(self, step: StepDone) -> bool:
        """Return whether a step is shown after the applications of its host, as all of a plan is."""
        return self.plan and not self.verbose and step.state != "failed"

    def tells(self, note: Notice) -> bool:
        """Return whether a note is shown."""
        return self.verbose or not note.detail

    def shows(self, state: str) -> bool:
        """Return whether a step with this state gets a line."""
        return self.verbose or self.answering or state in ("changed", "failed", "maybe")


class Ends:
    """How the runs of hosts ended: "done", "failed" or "unreachable"."""

    def __init__(self) -> None:
        self._failed: set[str] = set()

    def take(self, event: Event) -> None:
        """Note a step that failed."""
        if isinstance(event, StepDone) and event.state == "failed" and not event.ignored:
            self._failed.add(event.host)

    def state(self, event: HostDone) -> str:
        """Return the word for a host that has ended."""
        if event.unreachable:
            return "unreachable"
        failed = event.host in self._failed and not event.recovered
        return "failed" if failed or event.error is not None else "done"


def outcome(summary: Summary, style: Style) -> str:
    """Return the last line: "12 steps changed on 2 of 3 hosts, 1 host failed, 4.2 s"."""
    tallies = list(summary.hosts.values())
    changed, maybe = sum(t.changed for t in tallies), sum(t.maybe for t in tallies)
    parts = []
    if changed:
        parts.append(f"{counted(changed, 'step')} {style.word('changed')}")
    if maybe:
        parts.append(f"{maybe if changed else counted(maybe, 'step')} {style.word('maybe')}")
    if parts and len(tallies) > 1:
        parts[-1] += (
            f" on {sum(1 for t in tallies if t.changed or t.maybe)} of {counted(len(tallies), 'host')}"
        )
    if failed := sum(1 for t in tallies if t.failed):
        parts.append(f"{counted(failed, 'host')} failed")
    if unreachable := sum(1 for t in tallies if t.unreachable):
        parts.append(f"{counted(unreachable, 'host')} unreachable")
    if summary.interrupted:
        parts.append("interrupted")
    if not parts:
        parts.append("nothing to change")
    return f"{', '.join(parts)}, {summary.seconds:.1f} s"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 host", "2 hosts"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
