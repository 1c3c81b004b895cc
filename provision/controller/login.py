"""How a login becomes the agent's process: sudo, its password, python3; and why that failed."""

from __future__ import annotations

import time
from collections.abc import Callable

from provision.controller.agent_program import AgentProgram, program_for
from provision.controller.bootstrap import MODES, SAYS, SUDO_PROMPT, command, said_by_sh
from provision.controller.channel import START_TIMEOUT, Channel
from provision.controller.login_refusals import (
    EXPIRED,
    WANTS_PASSWORD,
    WRONG_PASSWORD,
    reads_input,
    refusal,
)
from provision.controller.run_options import RunOptions
from provision.errors import ProvError, StepError, UnreachableError
from provision.secrets import Secret
from provision.values import dataclass

#: bytes that may arrive before the agent speaks, on each stream: banners, and the installation of python3
MOST_WORDS = 1024 * 1024
#: seconds for a login, not counting the time that the user takes to answer
LOGIN_TIMEOUT = 60.0
#: seconds until the agent speaks if python3 must be installed first, perhaps behind another program's lock
INSTALL_TIMEOUT = 3600.0
#: seconds until a login shell that has not started the script is probed, and seconds for the probe
PROBE_AFTER, PROBE_TIMEOUT = 3.0, 2.0
STOPPED = "stopped before prov's agent had started"
#: seconds between checks whether to give up a start
LOOK = 0.5
#: what is shown during a slow login
SLOW = (
    f"the login shell has not begun prov's script within {PROBE_AFTER + PROBE_TIMEOUT:.0f} s; its start files"
    f" (~/.bashrc, ~/.profile) get {START_TIMEOUT:.0f} s"
)
#: bytes of a stream that are searched for the newest line, and characters of a line that are shown
TAIL, SHOWN = 4096, 200


@dataclass(frozen=True)
class Login:
    """How the login becomes root's python3.

    sudo: the login user is not root and must become it.  password: for sudo, if known.
    ask: asks the user for it, once; None without a terminal.  interpreter: tried before the host's python3.
    ledger: the ledger's folder on the host; "" for the agent's own.
    host: identifies the host in notes on the program that it has kept; "" keeps no notes.
    """

    sudo: bool = False
    password: Secret | None = None
    ask: Callable[[], Secret] | None = None
    interpreter: str = ""
    ledger: str = ""
    host: str = ""

    def start(
        self, open_channel: Callable[[str], Channel], options: RunOptions, note: Callable[[str], None]
    ) -> Starter:
        """Start the agent; return as soon as its program is on the way, or after sudo's password.

        options: of the run.  note: called with what users should know while they wait.
        """
        starter = Starter(self, open_channel, options, note)
        starter.run(prompted=self.prompted)
        return starter

    @property
    def prompted(self) -> bool:
        """Return whether sudo gets its password in the first attempt."""
        return self.sudo and self.password is not None

    def program(self, *, plan: bool) -> AgentProgram:
        """Return the program that starts the agent. plan: whether it only predicts."""
        return program_for(self.host, plan=plan, ledger=self.ledger)

    def command(self, *, prompted: bool) -> str:
        """Return what the login shell runs. prompted: sudo may ask for a password."""
        return command(interpreter=self.interpreter, sudo=self.sudo, password=prompted)


class NoPython(ProvError):
    """The host has no python3, and a plan may not install it. manager: the package manager to install it."""

    def __init__(self, manager: str) -> None:
        super().__init__("the host has no python3", hint="A deploy installs it first.")
        self.manager = manager


class Starter:
    """Starts one agent. channel: the one that it runs on.  program: what starts it."""

    channel: Channel
    program: AgentProgram

    def __init__(
        self,
        login: Login,
        open_channel: Callable[[str], Channel],
        options: RunOptions,
        note: Callable[[str], None],
    ) -> None:
        self._login = login
        self._note = note
        self._open = open_channel
        self._plan = options.plan
        self._stopped = options.stopped
        self.program = login.program(plan=options.plan)
        self._password = login.password
        self._prompted = False
        self._installing = False
        self._began = self._heard = time.monotonic()
        self._arrived = 0
        self._probed = self._there = False

    def run(self, *, prompted: bool) -> None:
        """Open the channel and send the program. prompted: sudo may ask for a password; wait for that.
        Raises UnreachableError."""
        login, self._prompted, self._began = self._login, prompted, time.monotonic()
        self._heard = self._began
        self.channel = self._open(login.command(prompted=prompted))
        if prompted:
            self._answer_sudo()
        # a plan installs nothing, not even python3
        self.channel.send(MODES["keep" if self._plan else "install"] + self.program.first_input())

    def _answer_sudo(self) -> None:
        """Wait for sudo's prompt, or for prov's shell if sudo does not ask.

        A second prompt means a wrong password.
        """
        channel, prompt, given = self.channel, SUDO_PROMPT.encode(), False
        while not said(self._said(), "shell"):
            if prompt in channel.err:
                if given:
                    raise self._give_up(WRONG_PASSWORD.error())
                channel.err.clear()
                # sudo asks, so the login runs its command; checking a password may take longer than a probe waits
                self._probed = True
                channel.send(self._known_password().reveal().encode() + b"\n")
                given = True
            elif EXPIRED.search(self._said()):
                # sudo asks again, so the password was wrong
                raise self._give_up(self.explain(bytes(channel.out)))
            elif channel.eof:
                raise self._give_up(self.explain(bytes(channel.out)))
            else:
                channel.wait(LOOK)
            if self._stopped():
                raise self._give_up(UnreachableError(STOPPED))
            self.check_patience(bytes(channel.out))

    def _known_password(self) -> Secret:
        if self._password is None:
            if self._login.ask is None:
                raise self._give_up(WANTS_PASSWORD.error())
            self._password = self._login.ask()
            self._began = time.monotonic()
        return self._password

    def _give_up(self, error: ProvError) -> ProvError:
        self.channel.close()
        return error

    def retry(self) -> bool:
        """Try again after a channel ended without an agent.

        The host may have lost its program, or sudo may want a password. sudo's messages alone are not proof:
        they may be in another language, or come from a replacement of sudo.
        """
        if self.channel.failure is not None:
            return False
        if self.program.digest and said(self._said(), "lacks"):
            self.program = self.program.whole()
            self.channel.close()
            self.run(prompted=self._prompted)
            return True
        if not self._login.sudo or self._prompted or said(self._said(), "shell"):
            return False
        known = refusal(self._said())
        if known is not None and (known is not WANTS_PASSWORD or self._login.ask is None):
            return False
        self.channel.close()
        self.run(prompted=True)
        return True

    def check_patience(self, out: bytes) -> None:
        """Raise UnreachableError after too much output or time without the agent's first message.

        out: what arrived on stdout.
        """
        arrived, now = len(out) + len(self.channel.err), time.monotonic()
        if not self._there:
            self._check_login(now)
        if max(len(out), len(self.channel.err)) > MOST_WORDS:
            raise self._give_up(endless(out or bytes(self.channel.err)))
        if arrived != self._arrived:
            self._arrived, self._heard = arrived, now
        if not self._there:
            return
        if not self._probed and now - self._began > PROBE_AFTER and not said(self._said(), "shell"):
            self._probed = True
            self._probe()
        limit = INSTALL_TIMEOUT if self.installing() else START_TIMEOUT
        if now - self._began > limit:
            raise self._give_up(self._never_began(limit, out, now - self._heard))

    def _check_login(self, now: float) -> None:
        """Note that the login has worked; raise UnreachableError if it takes too long."""
        self._there = self.channel.logged_in()
        if self._there or self.channel.asking():
            self._began = self._heard = now
        elif now - self._began > LOGIN_TIMEOUT:
            raise self._give_up(
                UnreachableError(
                    f"the login did not end within {LOGIN_TIMEOUT:.0f} s",
                    hint="Try `prov ssh HOST`, which shows the same login.",
                )
            )

    def _probe(self) -> None:
        """Probe the login with a command and no input.

        A shell that has replaced it (`exec fish`) reads input instead of the command. A slow login answers
        late, and prov waits for it.
        """
        channel = self._open(said_by_sh("probe"))
        try:
            channel.end_input()
            end = time.monotonic() + PROBE_TIMEOUT
            while not channel.eof and time.monotonic() < end and len(channel.err) < MOST_WORDS:
                channel.wait(LOOK)
                channel.out.clear()
            if channel.eof and not said(channel.err.decode(errors="replace"), "probe"):
                raise self._give_up(
                    UnreachableError(
                        "the login shell does not run the command that it is given",
                        hint="Look for another shell that its start files put in its place (`exec fish` in ~/.bashrc),"
                        " and let them do that where a person is only: case $- in *i*) exec fish;; esac",
                    )
                )
            if not channel.eof:
                self._note(SLOW)
            elif self._prompted and not self._has_said_login():
                # nothing is sent before sudo asks: a shell that has not spoken by now waits for input
                raise self._give_up(reads_input())
        finally:
            channel.close()

    def _has_said_login(self) -> bool:
        """Return whether the login's command has started, after a short extra wait."""
        self.channel.wait(LOOK)
        return said(self._said(), "login")

    def _never_began(self, seconds: float, out: bytes, quiet: float) -> UnreachableError:
        """Return the error for a login that worked without starting the agent.

        quiet: seconds since the last output.
        """
        begun = said(self._said(), "shell")
        if begun and quiet > seconds / 2:
            return silent(seconds)
        what = (
            "python3 has not begun prov's agent" if begun else "the login shell has not begun prov's script"
        )
        words = first_lines(out or self.channel.err)
        return UnreachableError(
            f"{what} within {seconds:.0f} s" + (f"; it says: {words}" if words else ""),
            hint="Try `prov ssh HOST -- true`: the command must end. Start files of the login"
            " (~/.bashrc, ~/.profile) may wait for input, or start something that does not end.",
        )

    def installing(self) -> str:
        """Return the last line of python3's installation while it runs, else ""."""
        text = self.channel.err[-TAIL:].decode(errors="replace")
        self._installing = self._installing or said(text, "installing")
        if not self._installing:
            return ""
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(SAYS)]
        return lines[-1].strip()[:SHOWN] if lines else "starting"

    def installed(self) -> bool:
        """Return whether python3 was missing and has been installed."""
        return said(self._said(), "installed")

    def explain(self, out: bytes) -> ProvError:
        """Return why the agent did not start. out: what arrived on stdout instead."""
        if self.channel.failure is not None:
            return self.channel.failure
        output = self._said()
        words = {line[0]: line[1:] for line in (each.split() for each in sayings(output)) if line}
        text = "\n".join(line for line in output.splitlines() if not line.startswith(SAYS))
        if "no-python" in words:
            return NoPython(" ".join(words["no-python"]))
        if "no-package-manager" in words:
            return StepError(
                "the host has no python3 (3.8 or newer), and neither apt-get, dnf nor yum to install it",
                hint="Install python3 by hand, or name one with ansible_python_interpreter.",
            )
        if "not-root" in words:
            return StepError(
                "the host has no python3, and only root can install it",
                hint="Let prov use sudo: ansible_become: true.",
            )
        if "install-failed" in words:
            return StepError("python3 could not be installed", stderr=_last(text))
        if "eaten" in words:
            return reads_input()
        if self._login.sudo and "shell" not in words:
            known = refusal(text)
            if known is not None:
                return known.error()
        shown = _last(text) or _last(out.decode(errors="replace"))
        return UnreachableError(
            "the login works, but the agent did not start" + (f": {shown}" if shown else ""),
            hint="Try `prov ssh` and run `python3 -V` there."
            if "shell" in words
            else "Try `prov ssh HOST -- sh -c true`: the login shell has to run it, and its start files (~/.bashrc,"
            " ~/.profile) must not start another shell.",
        )

    def _said(self) -> str:
        return self.channel.err.decode(errors="replace")


def sayings(text: str) -> list[str]:
    """Return the complete lines that the script has printed. sudo repeats the script when it refuses it."""
    return [line[len(SAYS) :] for line in text.splitlines() if line.startswith(SAYS)]


def said(text: str, word: str) -> bool:
    """Return whether prov's script has printed this word."""
    return f"{SAYS}{word}" in text and any(line.split()[:1] == [word] for line in sayings(text))


def silent(seconds: float) -> UnreachableError:
    """Return the error for a connection that was silent for too long."""
    return UnreachableError(
        f"the connection has been silent for {seconds:.0f} s",
        hint="The host may have gone down or lost its network. Run again: prov continues where it was.",
    )


def endless(words: bytes) -> UnreachableError:
    """Return the error for a program that prints endlessly."""
    return UnreachableError(
        f"the login shell prints more than {MOST_WORDS >> 20} MB before prov's agent starts; it begins with:"
        f" {first_lines(words)}",
        hint="Look for what prints without end in the login's start files (~/.bashrc, ~/.profile, /etc/profile.d).",
    )


def first_lines(words: bytes | bytearray) -> str:
    """Return the beginning of some output, on one line."""
    lines = bytes(words[:TAIL]).decode(errors="replace").splitlines()
    shown = [line.strip() for line in lines if line.strip() and not line.startswith(SAYS)]
    return " / ".join(shown[:3])[:SHOWN]


def _last(text: str, count: int = 5) -> str:
    return "\n".join(text.strip().splitlines()[-count:])[-TAIL:]
