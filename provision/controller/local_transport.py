"""The transport to this machine itself: a shell of its own instead of a login, for ansible_connection: local.

The shell gets the environment of a login and not prov's: what is installed for prov (its virtual environment, its
variables) is none of the host's business.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

from provision.controller.channel import Channel
from provision.controller.openssh.log import Log
from provision.controller.openssh.process import OpenSshChannel, Started
from provision.errors import UnreachableError
from provision.secrets import Secret

#: of a login without settings of its own (login.defs(5), ENV_SUPATH)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOCALE = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ")
SHELL = "/bin/sh"
#: a login begins in the home folder, if there is one
AT_HOME = "cd 2>/dev/null"


class NoLogin(Log):
    """Takes the place of ssh's log: a process on this machine has logged in when it starts."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"))

    def logged_in(self) -> bool:
        """Return True."""
        return True


class LocalTransport:
    """The way to this machine."""

    instead = ""
    address = "localhost"
    port = 0

    @property
    def user(self) -> str:
        """The user that prov runs as."""
        return pwd.getpwuid(os.geteuid()).pw_name

    def open(self) -> None:
        """Do nothing: each command is a process."""

    def begin(self, command: str) -> None:
        """Do nothing: a process starts at once."""

    def reopen(self) -> None:
        """Refuse: a reboot of this machine ends prov, too. Raises UnreachableError."""
        raise UnreachableError(
            "this machine would have to come back while prov runs on it", hint="Run the same command again."
        )

    def may_ask(self, person: Callable[[str], Secret] | None) -> None:
        """Do nothing: there is no login that asks for a password."""

    def channel(self, command: str) -> Channel:
        """Run a command."""
        started = Started([SHELL, "-c", f"{AT_HOME}; {command}"], login_environment(), NoLogin())
        return OpenSshChannel(
            started, lambda *_: UnreachableError("it has ended"), lambda: None, lambda: False
        )

    def new_login(self, within: int) -> LocalTransport:
        """Return another one: a change can't lock out who is on the machine. within: seconds, which it needs not."""
        return LocalTransport()

    def warnings(self) -> list[str]:
        """Return nothing: there is nothing to warn of."""
        return []

    def close(self) -> None:
        """Do nothing: processes end with their channels."""


def login_environment() -> dict[str, str]:
    """Return the environment of a login of the user that prov runs as."""
    entry = pwd.getpwuid(os.geteuid())
    own = {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name, "SHELL": entry.pw_shell}
    locale = {name: os.environ[name] for name in LOCALE if name in os.environ}
    return {**own, "PATH": PATH, **locale}


def local_argv(words: list[str]) -> list[str]:
    """Return the command line of a shell, or of a command, with the environment of a login."""
    pairs = [f"{name}={value}" for name, value in login_environment().items()]
    return ["env", "-i", *pairs, *(words or [login_environment()["SHELL"] or SHELL, "-l"])]
