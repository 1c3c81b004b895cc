"""How a run goes: made once, and handed down to its hosts and their sessions as it is."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from provision.agent.protocol import Submission
from provision.controller.events import Event
from provision.controller.outcome import Outcome
from provision.controller.shared_work import SharedWork
from provision.secrets import Secret
from provision.values import dataclass

#: host, step, its message, whether the session has learnt; returns the message that is sent
OnSend = Callable[[str, Outcome, Submission, bool], Submission]
#: takes a question; sudo's password is asked for without one
Ask = Callable[..., Secret]
#: host, step; returns whether to run it
Confirm = Callable[[str, Outcome], bool]


def who() -> str:
    """Return the person and machine that a run comes from, for locks and the ledger."""
    return f"{getpass.getuser()}@{socket.gethostname()} (pid {os.getpid()})"


def drop_event(_: Event) -> None:
    """Take an event of a run that nothing is shown of."""


@dataclass(frozen=True)
class RunOptions:
    """What holds for all hosts of a run.

    plan: predict only.  forks: hosts at a time.  emit: takes events, from the hosts' threads.
    ask: asks a person for a password, sudo's if no question is given; None if there is no terminal to ask on.
    confirm: asked about each step before it is sent, one host at a time; a step that it refuses is left out.
    on_send: called with each step by the hosts' threads, and may send another message for it.
    opening: what else agents are told with their start.  who: shown to other runs while a host is locked.
    shared_work: what the hosts of the run wait for.
    stopped: whether a person has ended the run.
    maybe_counts: whether "may change" steps alone make a plan exit with 3.
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
