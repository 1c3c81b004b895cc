"""Runs some work on hosts and shows its events: what every command with a session ends in."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from provision.cli.interrupts import Interrupts
from provision.events import Summary
from provision.report.base import Report, Style

if TYPE_CHECKING:
    from provision.run import Run

INTERRUPTED = 130


def report_for(style: Style, *, as_json: bool) -> Report:
    """The report that suits where stdout goes: scripts, a terminal, or a log."""
    if hasattr(sys.stdout, "reconfigure"):
        # what a host prints may hold characters that this terminal's encoding has not
        sys.stdout.reconfigure(errors="backslashreplace")
    if as_json:
        from provision.report.jsonl import JsonLines

        return JsonLines(sys.stdout)
    from provision.report.plain import Plain

    return Plain(sys.stdout, style)


def can_ask(as_json: bool) -> bool:
    """Whether a person is there who can be asked for a password."""
    return sys.stdin.isatty() and not as_json


def watch(run: Run, report: Report) -> int:
    """Show the events of a run until it ends; returns the exit status."""
    began = time.monotonic()
    left = False
    with Interrupts(run.stop) as interrupts:
        try:
            for event in run:
                report.take(event)
        except KeyboardInterrupt:
            left = True
        finally:
            report.close()
        report.finish(Summary(run.tallies, time.monotonic() - began))
    if left:
        interrupts.restore_terminal()
        sys.stdout.flush()
        # Python would wait for the hosts' threads; their agents end their running step alone
        os._exit(INTERRUPTED)
    return INTERRUPTED if interrupts.came else run.exit_status()
