"""The options of a run: created once, and passed unchanged to its hosts and their sessions."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from typing import Any

from provision.agent.protocol import Submission
from provision.controller.events import Event
from provision.controller.outcome import Outcome
from provision.controller.shared_work import SharedWork
from provision.secrets import Secret
from provision.values import dataclass

#: takes host, outcome, message, and whether a role has read a result; returns the message to send
OnSend = Callable[[str, Outcome, Submission, bool], Submission]
#: takes a question; without one, it asks for sudo's password
Ask = Callable[..., Secret]
#: takes host and outcome; returns whether to run the step
Confirm = Callable[[str, Outcome], bool]

#: opening of runs that only look, or act on processes: they leave no record, and other runs need not wait for them
ASIDE: Mapping[str, Any] = {"aside": "free"}


def who() -> str:
    """Return the user and machine that start a run, for locks and the ledger."""
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


def drop_event(_: Event) -> None:
    """Ignore an event, for runs that show nothing."""


@dataclass(frozen=True)
class RunOptions:
    """The options for all hosts of a run.

    plan: predict only.  forks: hosts at a time.  emit: takes events, from the hosts' threads.
    ask: asks the user for a password, sudo's if no question is given; None without a terminal.
    confirm: called before each step is sent, one host at a time; a step that it declines is skipped.
    on_send: called with each step by the hosts' threads; returns the message to send for it.
    opening: further fields for the agents' start message.  who: shown to other runs while a host is locked.
    shared_work: coordinates hosts of the run that wait for each other.
    stopped: whether the user has ended the run.
    maybe_counts: whether "may change" steps alone make a plan exit with 3.
    force: deploy code that is older than its database.  dry_build: make releases, and leave what is in service alone.
    group_done: applications whose work for all their hosts an earlier run has done.
    waves: how many hosts each wave has; one wave of all by default.  max_failures: how many hosts may fail before the
    later waves are left out.
    """

    plan: bool = False
    forks: int = 20
    emit: Callable[[Event], None] = drop_event
    ask: Ask | None = None
    confirm: Confirm | None = None
    on_send: OnSend | None = None
    opening: Mapping[str, Any] = field(default_factory=dict)
    who: str = field(default_factory=who)
    shared_work: SharedWork = field(default_factory=SharedWork)
    stopped: Callable[[], bool] = lambda: False
    maybe_counts: bool = True
    force: bool = False
    dry_build: bool = False
    group_done: Collection[str] = ()
    waves: Sequence[int] = ()
    max_failures: int = 0
