"""The program git on this machine, kept from running anything in a repository, and from asking questions.

The user's own configuration applies (ssh, proxies, credential helpers). Hooks, filters and settings of a
repository do not: its files are never git's configuration here, and nothing is checked out.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from provision.errors import ProvError
from provision.secrets import MASK
from provision.sources.urls import TRANSPORTS, Remote

#: seconds for one git command, such as the clone of a large repository
GIT_TIMEOUT = 600
#: largest output in bytes that is kept in memory, and largest error output
MOST, MOST_WORDS = 64 * 1024 * 1024, 64 * 1024
#: git's variables that select the repository to work on (git-rev-parse(1), "--local-env-vars")
ELSEWHERE = {
    *(
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
    ),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_PREFIX"),
    *("GIT_REPLACE_REF_BASE", "GIT_IMPLICIT_WORK_TREE", "GIT_CEILING_DIRECTORIES", "GIT_TEMPLATE_DIR"),
}
SETTINGS = (
    *(
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.useReplaceRefs=false",
        "protocol.ext.allow=never",
    ),
    *("submodule.recurse=false", "fetch.recurseSubmodules=false", "fetch.writeCommitGraph=false"),
    # ends git if the server goes silent: a killed run cannot end its git
    *("http.lowSpeedLimit=1000", "http.lowSpeedTime=60"),
    *("gc.autoDetach=false", "maintenance.autoDetach=false", "color.ui=false", "advice.detachedHead=false"),
)
#: lines of ssh and git that are not the reason
BOILERPLATE = ("Please make sure you have", "and the repository exists", "Cloning into", "warning:", "hint:")


def run(
    arguments: Sequence[str], remote: Remote, *, mirror: Path | None = None, hold: int = -1, most: int = MOST
) -> bytes:
    """Run git and return what it prints. Raises ProvError.

    remote: named in errors, and the source of the login.  mirror: the bare repository to work on.
    hold: a file that stays open while it runs, such as a lock.  most: largest output in bytes.
    """
    with process(arguments, remote, mirror=mirror, hold=hold) as (answers, _):
        found = answers.read(most + 1)
        if len(found) > most:
            raise ProvError(f"git {arguments[0]} printed more than {most >> 20} MB", where=remote.url)
    return found


@contextlib.contextmanager
def process(
    arguments: Sequence[str], remote: Remote, *, mirror: Path | None = None, hold: int = -1
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A running git: its output and its input. If the block raises an error, git is ended. Raises
    ProvError."""
    argv = ["git", *(word for setting in SETTINGS for word in ("-c", setting)), *remote.options]
    argv += [f"--git-dir={mirror}"] if mirror else []
    try:
        git = subprocess.Popen(
            [*argv, *arguments],
            cwd="/",
            env=environment(remote),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # no terminal, so that neither git nor ssh can ask; in a session of their own, to end them together
            start_new_session=True,
            umask=0o077,
            pass_fds=[hold] if hold >= 0 else [],
        )
    except FileNotFoundError:
        raise ProvError("git is not installed on this machine", hint="apt-get install git") from None
    assert git.stdin is not None and git.stdout is not None and git.stderr is not None
    late = threading.Event()

    def give_up() -> None:
        late.set()
        end(git)

    timer = threading.Timer(GIT_TIMEOUT, give_up)
    timer.daemon = True
    words = Words(git.stderr)
    timer.start()
    try:
        yield git.stdout, git.stdin
        with contextlib.suppress(BrokenPipeError):
            git.stdin.close()
        git.wait()
    except BaseException as error:
        end(git)
        if late.is_set() and isinstance(error, ProvError):
            raise too_late(remote) from None
        raise
    finally:
        timer.cancel()
        git.wait()
        words.join(timeout=5)
        git.stdout.close()
    if late.is_set():
        raise too_late(remote)
    if git.returncode:
        raise failure(words.said, git.returncode, remote)


def too_late(remote: Remote) -> ProvError:
    """Return the error for a command that takes too long."""
    return ProvError(f"git did not end within {GIT_TIMEOUT} s", where=remote.url)


def end(git: subprocess.Popen[bytes]) -> None:
    """End git and all processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(git.pid, signal.SIGKILL)


class Words(threading.Thread):
    """Reads a process's output and keeps the beginning, so that the process never blocks on it."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.said = b""
        self.start()

    def run(self) -> None:
        with self._stream as f:
            for chunk in iter(lambda: os.read(f.fileno(), 4096), b""):
                self.said = (self.said + chunk)[:MOST_WORDS]


def environment(remote: Remote) -> dict[str, str]:
    """Return the environment for git."""
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environment.update(
        GIT_TERMINAL_PROMPT="0",
        GIT_ALLOW_PROTOCOL=":".join(TRANSPORTS),
        GIT_NO_LAZY_FETCH="1",
        GIT_OPTIONAL_LOCKS="0",
        GIT_NO_REPLACE_OBJECTS="1",
        LC_ALL="C.UTF-8",
    )
    return {**environment, **remote.login}


def failure(said: bytes, status: int, remote: Remote) -> ProvError:
    """Return git's output as an error, without the login, which a server may send back."""
    text = said.decode("utf-8", "replace")
    # a token may be the user name, with any password; short words are names
    for secret in (value for value in remote.login.values() if len(value) > 5):
        text = text.replace(secret, MASK)
    lines = ["".join(c if c.isprintable() else "?" for c in line) for line in text.splitlines()]
    reasons = [line for line in lines if line.strip() and not line.strip().startswith(BOILERPLATE)]
    named = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
    words = "; ".join(line.removeprefix("fatal: ") for line in reasons[:3]) or named
    return ProvError(f"git: {words[:600]}", where=remote.url, hint=hint_for(text))


def hint_for(said: str) -> str:
    """Return the hint for an error."""
    if "dubious ownership" in said:
        return "The repository belongs to another user; if you trust it, add it to safe.directory (git-config(1))."
    if "Permission denied (publickey" in said:
        return "prov answers no prompts: load the key into ssh-agent, or name it in ~/.ssh/config."
    if "Host key verification failed" in said:
        return "Check the server's key and accept it once: ssh-keyscan, or a login by hand."
    if (
        "could not read Username" in said
        or "could not read Password" in said
        or "Authentication failed" in said
    ):
        return "prov answers no prompts: set up a git credential helper, or an ssh key and an ssh URL."
    return "Can you clone it by hand from this machine?"
