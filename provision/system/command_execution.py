"""Run commands on the host: as argument lists, with both streams read and a deadline. Shipped."""

import os
import pwd
import selectors
import signal
import subprocess
import time
from typing import Callable, Dict, NamedTuple, Optional, Sequence

from provision.errors import StepError
from provision.system.identity import as_ids
from provision.system.paths import NoWay, reached, way
from provision.system.proxies import proxies

#: the base environment of a command, besides the host's proxies; locale C keeps output the same everywhere
BASE_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}
#: bytes of output kept per stream; the middle of longer output is dropped
KEEP = 4 * 1024 * 1024
#: seconds between checks whether a process with open streams has ended; and limit for the streams after that
LOOK = 0.2
LINGER = 1.0


class Result(NamedTuple):
    """The result of a command: exit status (negative: the signal that ended it) and both streams."""

    argv: Sequence[str]
    status: int
    stdout: str
    stderr: str

    def require(self, doing: str, hint: str = "") -> "Result":
        """Return the result if the status is 0.

        Raises StepError with what failed and the streams' last lines.
        """
        if self.status == 0:
            return self
        raise failure("%s failed" % doing, self, hint)


def failure(message: str, result: Result, hint: str = "") -> StepError:
    """Return a StepError that shows a command: argv, status and the last lines of both streams."""
    return StepError(
        message,
        hint=hint,
        argv=result.argv,
        status=result.status,
        stdout=last_lines(result.stdout),
        stderr=last_lines(result.stderr),
    )


def last_lines(text: str, count: int = 10) -> str:
    """Return the last lines of a text, without trailing blank ones."""
    return "\n".join(text.rstrip().splitlines()[-count:])


def execute(
    argv: Sequence[str],
    *,
    timeout: float,
    user: str = "",
    cwd: str = "/",
    environment: Optional[Dict[str, str]] = None,
    stdin: bytes = b"",
    on_line: Optional[Callable[[str], None]] = None,
    held: Sequence[int] = (),
    prepare: Optional[Callable[[], None]] = None,
) -> Result:
    """Run argv to its end and return its result.

    timeout: seconds, after which the whole process group is killed and StepError raised.
    user: run as that user, with their groups.  on_line: called with each line of output as it arrives.
    held: descriptors that the command keeps open (Ledger.held); commands of another user do not get them.
    prepare: called in its process, before it becomes the user.
    """
    try:
        folder = open_folder(cwd, user)
    except (FileNotFoundError, NotADirectoryError, NoWay):
        return Result(argv, 127, "", "%s: not found" % cwd)
    except PermissionError:
        return Result(argv, 126, "", "%s: permission denied" % cwd)
    env = {**BASE_ENVIRONMENT, **proxies()}
    become = prepare
    if user:
        entry = account(user)
        env.update(HOME=entry.pw_dir, USER=user, LOGNAME=user)

        def become() -> None:
            # a step that acts as another user (identity.acting_as) has kept root's real id
            os.seteuid(os.getuid())
            if prepare:
                prepare()
            os.initgroups(user, entry.pw_gid)
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)

    env.update(environment or {})
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=reached(folder),
            env=env,
            preexec_fn=become,
            start_new_session=True,
            pass_fds=() if user else held,
        )
    except FileNotFoundError:
        return Result(argv, 127, "", "%s: not found" % argv[0])
    except PermissionError:
        return Result(argv, 126, "", "%s: not executable" % argv[0])
    except subprocess.SubprocessError:
        return Result(argv, 126, "", "%s: not prepared, which needs root" % argv[0])
    finally:
        os.close(folder)
    return communicate(process, argv, stdin, timeout, on_line)


def open_folder(path: str, user: str) -> int:
    """Open the folder for a command: with its user's access rights, or as root by paths.way.

    Raises StepError.
    """
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    if not user:
        with way(path, follow=True) as at:
            return os.open(at.name, flags | os.O_NOFOLLOW, dir_fd=at.fd)
    entry = account(user)
    with as_ids(entry.pw_uid, entry.pw_gid, os.getgrouplist(user, entry.pw_gid)):
        return os.open(path, flags)


def account(user: str) -> pwd.struct_passwd:
    """Return the account with a name. Raises StepError."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise StepError(
            "there is no user %r on this host" % user, hint="Add a users.user step first."
        ) from None


def communicate(
    process: "subprocess.Popen[bytes]",
    argv: Sequence[str],
    stdin: bytes,
    timeout: float,
    on_line: Optional[Callable[[str], None]],
) -> Result:
    """Feed and read a process until it ends. Both streams are read as data arrives, so neither can block it.

    stdin: the input, for a process whose stdin is one of prov's pipes.

    A background child that keeps the streams open is neither waited for nor killed.
    """
    assert process.stdout and process.stderr
    end = time.monotonic() + timeout
    ended = 0.0
    collected = {"out": bytearray(), "err": bytearray()}
    with selectors.DefaultSelector() as selector:
        for stream, name in ((process.stdout, "out"), (process.stderr, "err")):
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, name)
        todo = memoryview(stdin)
        if todo and process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "in")
        elif process.stdin:
            process.stdin.close()
        while selector.get_map():
            now = time.monotonic()
            if process.poll() is not None:
                ended = ended or now
            elif now >= end:
                raise too_late(process, argv, timeout, collected)
            ready = selector.select(min(LOOK, max(0.0, end - now)))
            if ended and (not ready or now > ended + LINGER):
                break
            for key, _ in ready:
                if key.data == "in" and process.stdin:
                    todo = _feed(process, todo)
                    if not todo:
                        selector.unregister(key.fileobj)
                        process.stdin.close()
                    continue
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                    continue
                _keep(collected[key.data], chunk)
                if on_line:
                    _say_last_line(chunk, on_line)
    try:
        status = process.wait(max(0.1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise too_late(process, argv, timeout, collected) from None
    finally:
        close(process)
    return Result(argv, status, _text(collected["out"]), _text(collected["err"]))


def too_late(
    process: "subprocess.Popen[bytes]", argv: Sequence[str], timeout: float, collected: Dict[str, bytearray]
) -> StepError:
    """Kill a process that has exceeded its timeout."""
    kill_group(process)
    close(process)
    return failure(
        "the command did not end within %.3g s" % timeout,
        Result(argv, -signal.SIGKILL, _text(collected["out"]), _text(collected["err"])),
        "Give the step a longer timeout if this is to be expected.",
    )


def close(process: "subprocess.Popen[bytes]") -> None:
    """Close prov's ends of a process's streams."""
    for stream in filter(None, (process.stdin, process.stdout, process.stderr)):
        stream.close()


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that prov started, and its children."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _feed(process: "subprocess.Popen[bytes]", todo: memoryview) -> memoryview:
    assert process.stdin
    try:
        return todo[os.write(process.stdin.fileno(), todo[:65536]) :]
    except BrokenPipeError:
        # it closed its input early, as `head` does; its exit status tells whether that was right
        return todo[:0]


def _keep(collected: bytearray, chunk: bytes) -> None:
    collected += chunk
    if len(collected) > 2 * KEEP:
        collected[KEEP // 2 : -KEEP // 2] = b"\n[...]\n"


def _say_last_line(chunk: bytes, on_line: Callable[[str], None]) -> None:
    lines = [line.strip() for line in chunk.decode(errors="replace").replace("\r", "\n").split("\n")]
    for line in reversed(lines):
        if line:
            on_line(line[:200])
            return


def _text(collected: bytearray) -> str:
    return collected.decode(errors="replace")
