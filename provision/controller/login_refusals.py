"""Why a working login does not become root: sudo's refusals, by its messages, and start files."""

from __future__ import annotations

import re
from typing import NamedTuple

from provision.errors import UnreachableError


class Refusal(NamedTuple):
    """A reason. words: the text that identifies it.  message, hint: what it means, and what to do."""

    words: re.Pattern[str]
    message: str
    hint: str

    def error(self) -> UnreachableError:
        """Return it as an error."""
        return UnreachableError(self.message, hint=self.hint)


EXPIRED = re.compile(
    r"password (is |has )?expired|expired, reset your password|required to change your password"
)
WANTS_PASSWORD = Refusal(
    re.compile(r"password is required|authentication is required"),
    "sudo wants a password",
    "Set ansible_become_password, or run prov on a terminal to be asked for it.",
)
WRONG_PASSWORD = Refusal(
    re.compile(r"incorrect password|Authentication failed|incorrect authentication"),
    "sudo does not take this password",
    "Set ansible_become_password, or leave it out to be asked.",
)
#: messages of sudo (sudo 1.8 to 1.9, sudo-rs 0.2; locale C)
SUDO_REFUSALS = (
    WANTS_PASSWORD,
    WRONG_PASSWORD,
    Refusal(
        re.compile(r"not in the sudoers file|may not run sudo|I'm sorry .*I'm afraid I can't do that"),
        "this user may not use sudo",
        "Log in as another user (ansible_user), or add this one to sudoers.",
    ),
    Refusal(
        re.compile(r"is not allowed to (execute|run)"),
        "this user may not run everything by sudo",
        "prov needs all of it, as steps do all kinds of things: name a user with (ALL) ALL (ansible_user).",
    ),
    Refusal(
        re.compile(r"sudo\W*: (command )?not found|sudo\W*: No such file"),
        "the host has no sudo",
        "Log in as root (ansible_user: root), or install sudo.",
    ),
    Refusal(
        re.compile(r"must have a tty"),
        "sudo on this host insists on a terminal (requiretty)",
        "Remove `Defaults requiretty` from its sudoers, or log in as root.",
    ),
    Refusal(
        EXPIRED,
        "the user's password has expired, and sudo refuses it",
        "Log in by hand and set another one (passwd), or have it never expire: chage -M -1 USER.",
    ),
)


def reads_input() -> UnreachableError:
    """Return the error for start files that read what is meant for prov's script."""
    return UnreachableError(
        "something in the login's start files reads standard input, which prov's program comes on",
        hint="Let ~/.bashrc and ~/.profile end early in shells that are not interactive: begin them with"
        "  case $- in *i*) ;; *) return;; esac",
    )


def refusal(text: str) -> Refusal | None:
    """Return the reason behind a message of sudo; None if it is unknown."""
    return next((known for known in SUDO_REFUSALS if known.words.search(text)), None)
