"""Runs some work on hosts and shows its events: what every command with a session ends in."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from provision.cli.interrupts import Interrupts
from provision.controller.events import Summary
from provision.errors import Exit
from provision.report.reporting import Report
from provision.report.screen import say

if TYPE_CHECKING:
    from provision.controller.run_options import RunOptions
    from provision.report.formats import Format
    from provision.roles.project import Assignment
    from provision.roles.reach import PendingConnection
    from provision.run.on_hosts import Run
    from provision.run.work import Work


def can_ask(out: Format) -> bool:
    """Whether a person is there who can be asked for a password."""
    return sys.stdin.isatty() and not out.FOR_PROGRAMS


class Prompt:
    """Pauses a report while someone is asked a question. open: whether that is the case."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.open = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self.report.paused():
            self.open = True
            try:
                yield
            finally:
                self.open = False


def run_shown(
    assignments: Sequence[Assignment],
    options: RunOptions,
    prompt: Prompt,
    out: Format,
    work: Work | None = None,
    pending: PendingConnection | None = None,
) -> Exit:
    """Run some work on hosts, their roles by default, and show it; returns the exit status.

    options: without `ask`, a person is asked for sudo's password if the format and the terminal allow it.
    prompt: of the report that shows the run.  pending: see Run.
    """
    from provision.cli.sudo_password import AskOnce
    from provision.run.on_hosts import Run
    from provision.run.work import run_roles

    if options.ask is None and can_ask(out):
        options = replace(options, ask=AskOnce(prompt))
    return watch(Run(assignments, options, work or run_roles, pending), prompt)


def watch(run: Run, prompt: Prompt) -> Exit:
    """Show the events of a run until it ends; returns the exit status."""
    report = prompt.report
    left = False
    with Interrupts(run.stop, at_once=lambda: prompt.open) as interrupts:
        try:
            for event in run:
                report.take(event)
        except KeyboardInterrupt:
            left = True
        finally:
            report.close()
        report.finish(Summary(run.tallies, time.monotonic() - run.began, interrupts.came > 0))
    if left:
        leave(interrupts)
    if interrupts.came:
        say("prov: stopped before the end; run again, and prov continues from there", err=True)
        return Exit.INTERRUPTED
    return run.exit_status()


def leave(interrupts: Interrupts) -> NoReturn:
    """End the process without waiting for the hosts' threads, as Python would."""
    interrupts.restore_terminal()
    say("prov: interrupted; hosts end after the step that they are at", err=True)
    sys.stdout.flush()
    os._exit(Exit.INTERRUPTED)
