"""Run work on hosts and show its events, for every command that opens sessions."""

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
    from provision.cli.sudo_password import AskOnce
    from provision.controller.run_options import RunOptions
    from provision.report.formats import Format
    from provision.roles.project import Assignment
    from provision.roles.reach import PendingConnection
    from provision.run.on_hosts import Run
    from provision.run.work import Work


def can_ask(out: Format) -> bool:
    """Return whether prov can ask for a password on a terminal."""
    return sys.stdin.isatty() and not out.FOR_PROGRAMS


def asker(out: Format) -> AskOnce | None:
    """Return what asks for passwords, once for several runs; None if prov can't ask."""
    from provision.cli.sudo_password import AskOnce

    return AskOnce() if can_ask(out) else None


class Prompt:
    """Pauses a report during a question. open: whether a question is open."""

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
    """Run work on hosts, their roles by default, and show it; return the exit status.

    options: without `ask`, prov asks for sudo's password if the format and the terminal allow it.
    prompt: the report's own. pending: see Run.
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
    """End the process without waiting for the hosts' threads, unlike Python's own exit."""
    interrupts.restore_terminal()
    say("prov: interrupted; each host finishes its current step", err=True)
    sys.stdout.flush()
    os._exit(Exit.INTERRUPTED)
