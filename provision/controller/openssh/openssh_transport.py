"""The OpenSSH transport: reaches a host with this machine's ssh client, one process for each command."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from provision.controller.channel import Channel
from provision.controller.openssh.arguments import (
    NO_MASTER,
    keeping_words,
    one,
    plain_words,
    socket_path,
    target_words,
)
from provision.controller.openssh.askpass import AskPerson, Questions, listener
from provision.controller.openssh.client import Client
from provision.controller.openssh.client_folders import run_folder
from provision.controller.openssh.client_settings import Settings, settings_of
from provision.controller.openssh.log import Log
from provision.controller.openssh.process import OpenSshChannel, Started
from provision.controller.openssh.reasons import LoginFailure
from provision.controller.transport import Target
from provision.errors import UnreachableError

#: logins at once through a jump host: sshd drops connections at random above MaxStartups (sshd_config(5))
AT_ONCE = 8
#: ssh processes that one channel may try
TRIES = 5
#: seconds for the master of a kept connection to exit
EXIT_TIMEOUT = 2.0

#: StrictHostKeyChecking values that accept any key
NOT_CHECKED = ("no", "off", "false")

#: the host for which the warning was shown; it is shown once
_warned: list[str] = []
_logs = itertools.count(1)
_limits: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(AT_ONCE))


class OpenSshTransport:
    """Logs in to one host. within: seconds to connect; None for the default.

    multiplexed: whether to use a kept connection, and to keep this one.
    """

    instead = ""

    def __init__(
        self, client: Client, target: Target, *, within: int | None = None, multiplexed: bool = True
    ) -> None:
        self._client = client
        self._target = target
        self._within = within
        self._multiplexed = multiplexed
        self._person: AskPerson | None = None
        self._asked_whom = False
        self._open: list[Questions] = []
        self._begun: tuple[str, OpenSshChannel] | None = None

    # -- ssh's configuration

    @cached_property
    def words(self) -> list[str]:
        """The inventory's words for ssh."""
        return target_words(self._target)

    @cached_property
    def settings(self) -> Settings:
        """ssh's settings for the host. Raises UnreachableError."""
        return settings_of(self._client, self.words, self._target.address)

    @property
    def address(self) -> str:
        return one(self.settings, "hostname") or self._target.address

    @property
    def user(self) -> str:
        return self._target.user or one(self.settings, "user")

    @property
    def port(self) -> int:
        return self._target.port or int(one(self.settings, "port"))

    @property
    def socket(self) -> Path | None:
        """The socket of the kept connection; None if prov does not keep it."""
        if not self._multiplexed:
            return None
        return socket_path(self._client, self.words, self._target, self.settings)

    # -- logins

    def may_ask(self, person: AskPerson | None) -> None:
        """Set who asks the user for passwords; None if no one can."""
        self._person, self._asked_whom = person, True
        for questions in self._open:
            questions.may_ask(person)

    def open(self) -> None:
        """Read ssh's configuration; the login follows with the first channel. Raises UnreachableError."""
        key = self._target.key
        if key is not None and not os.access(key, os.R_OK):
            there = "may not be read" if key.exists() else "is not there"
            raise UnreachableError(
                f"the private key {key} {there}", hint="Check ansible_ssh_private_key_file."
            )
        _ = self.settings

    def reopen(self) -> None:
        # the first channel shows whether the host is up
        self.forget_master()

    def forget_master(self) -> None:
        """End the kept connection, if one exists."""
        path = self.socket
        if path is None or not path.exists():
            return
        argv = [self._client.path, *keeping_words(path, 0), "-O", "exit", "--", self._target.address]
        with suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=EXIT_TIMEOUT,
                check=False,
            )
        path.unlink(missing_ok=True)

    def new_login(self, within: int) -> OpenSshTransport:
        found = OpenSshTransport(self._client, self._target, within=within, multiplexed=False)
        found.may_ask(self._person)
        return found

    def begin(self, command: str) -> None:
        self.open()
        self._begun = command, Attempts(self, command).channel()

    def channel(self, command: str) -> Channel:
        begun, self._begun = self._begun, None
        if begun is not None and begun[0] == command:
            return begun[1]
        if begun is not None:
            begun[1].close()
        return Attempts(self, command).channel()

    def warnings(self) -> list[str]:
        checking = one(self.settings, "stricthostkeychecking")
        if checking not in NOT_CHECKED or _warned:
            return []
        _warned.append(self._target.address)
        return [
            f"ssh's configuration has StrictHostKeyChecking {checking}: any machine that answers passes for the host"
        ]

    def close(self) -> None:
        if self._begun is not None:
            self._begun[1].close()
            self._begun = None
        for questions in self._open:
            listener().forget(questions)
        self._open.clear()

    # -- for commands

    def argv(self, own: Sequence[str]) -> list[str]:
        """Return ssh's command line, without a command. own: options that come first."""
        master: list[str] = []
        if not self._multiplexed:
            master = list(NO_MASTER)
        elif path := self.socket:
            master = keeping_words(path, self._target.persist)
        return [self._client.path, *own, *master, *self.words, "--", self._target.address]

    def new_questions(self) -> Questions:
        """Return the object that answers the questions of one process."""
        questions = Questions(self.user, self.address, self._target.password)
        if self._asked_whom:
            questions.may_ask(self._person)
        self._open.append(questions)
        return questions

    def environment(self, questions: Questions) -> dict[str, str]:
        """Return ssh's environment, which sends its questions to prov."""
        return {**os.environ, **listener().environment(questions)}

    def new_log(self) -> Path:
        """Return a file for the log of one process."""
        return run_folder() / f"log-{next(_logs)}"

    def failure(self, log: Log, said: str, questions: Sequence[str] = ()) -> LoginFailure:
        """Return why a process has not logged in. See LoginFailure."""
        return LoginFailure(self._target, self.settings, log, said, questions)

    @property
    def target(self) -> Target:
        """Where and how to log in."""
        return self._target

    def plain_words(self, log: Path) -> list[str]:
        """Return the options for an agent's stream. log: the file for ssh's log."""
        words = plain_words(self._client, self.settings, self._within)
        return ["-T", "-oRequestTTY=no", "-oClearAllForwardings=yes", *words, "-E", str(log)]

    def role_words(self, log: Path, *, pty: bool) -> list[str]:
        """Return the options for commands of a role. pty: whether they run on a terminal."""
        words = plain_words(self._client, self.settings, self._within)
        return ["-tt" if pty else "-T", *words, "-E", str(log)]


class Attempts:
    """The ssh processes of one channel, one after another."""

    def __init__(self, transport: OpenSshTransport, command: str) -> None:
        self._transport = transport
        self._command = command
        self._more: list[str] = []
        self._replaced_master = False
        self._limit: threading.Semaphore | None = None
        self._questions: Questions | None = None

    def channel(self) -> OpenSshChannel:
        """Start the first one. Raises UnreachableError if ssh can't be started."""
        jump = one(self._transport.settings, "proxyjump") or one(self._transport.settings, "proxycommand")
        if jump:
            self._limit = _limits[jump]
            self._limit.acquire()
        try:
            return OpenSshChannel(self._start(), self._again, self._logged_in, self._asking)
        except BaseException:
            self._logged_in()
            raise

    def _start(self) -> Started:
        log = self._transport.new_log()
        own = [*self._more, *self._transport.plain_words(log)]
        self._questions = self._transport.new_questions()
        environment = {**self._transport.environment(self._questions), "LC_ALL": "C"}
        try:
            return Started([*self._transport.argv(own), self._command], environment, Log(log))
        except OSError as error:
            raise UnreachableError(f"ssh can't be started: {error}") from None

    def _logged_in(self) -> None:
        if self._limit is not None:
            self._limit.release()
            self._limit = None

    def _asking(self) -> bool:
        return self._questions is not None and self._questions.asking

    def _again(self, ended: Started, said: str, tries: int) -> Started | UnreachableError:
        """Return a new process if that may help, else why the login failed."""
        log = ended.log
        log.read()
        asked = self._questions.asked if self._questions else []
        failure = self._transport.failure(log, said, asked)
        pause = 0.0
        if log.used_master() and not self._replaced_master:
            # it did not accept the command: the host, or the network, is gone. The user's own master stays
            self._replaced_master = True
            self._transport.forget_master()
            if self._transport.socket is None:
                self._more += NO_MASTER
        elif failure.hides_a_proxys_words() and NO_MASTER[0] not in self._more:
            # with ControlPersist, a jump host's ssh loses its messages (ssh_proxy_connect in sshconnect.c)
            self._more += NO_MASTER
        elif tries >= TRIES:
            return failure.error()
        elif failure.was_dropped():
            pause = random.uniform(0.1, 0.4) * 2**tries
        elif failure.was_refused():
            # an sshd that reloads re-executes itself, and does not listen for a moment (sshd(8), SIGHUP)
            pause = 0.1 * tries
        elif failure.had_too_many_keys() and (fewer := self._fewer_keys()):
            self._more += fewer
        else:
            return failure.error()
        time.sleep(pause)
        return self._start()

    def _fewer_keys(self) -> list[str]:
        """Return options that make ssh offer only the named key of an agent, or the password."""
        target = self._transport.target
        if target.key is not None and "-oIdentitiesOnly=yes" not in self._more:
            return ["-oIdentitiesOnly=yes"]
        if target.password is not None and "-oPubkeyAuthentication=no" not in self._more:
            return ["-oPubkeyAuthentication=no"]
        return []
