"""A sandbox that builds untrusted code as its own user, who sees and writes only what the build needs.

If systemd is init, each command runs in a transient service with the limits of applications' units. Elsewhere
(a container) it runs as the same unprivileged user, which can gain no privileges but sees the host. Shipped
with steps.
"""

import contextlib
import os
import re
import subprocess
import time
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.system.builds.build_user import NAME, Own, end_processes, free_id, held_id, own_folder, put
from provision.system.builds.handover import Left, copy, give, take
from provision.system.builds.view import RESOLVERS, hidden, refuse_closed, shown
from provision.system.command_execution import BASE_ENVIRONMENT, Result, communicate
from provision.system.descriptors import remove_at
from provision.system.paths import way
from provision.system.proxies import proxies
from provision.system.writers import systemd_environment, systemd_property

if TYPE_CHECKING:
    from provision.system.host import System

#: systemd.exec(5); limits that compilers and installers could not work with are left out
LIMITS = (
    "NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "PrivateDevices=yes",
    "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes", "ProtectControlGroups=yes",
    "ProtectClock=yes", "ProtectHostname=yes", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes",
    "RemoveIPC=yes", "SystemCallFilter=@system-service", "SystemCallErrorNumber=EPERM",
    "SystemCallArchitectures=native", "UMask=0022", "TasksMax=4096", "KillSignal=SIGKILL",
    # for setpriv, which drops them before the build starts
    "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP",
    "InaccessiblePaths=-/etc/prov", "TemporaryFileSystem=/dev/shm:mode=1777",
)  # fmt: skip
#: limits that systemd has only since a version
NEWER_LIMITS = {247: "ProtectProc=invisible"}
#: arguments that drop all privileges for good (setpriv(1)); they follow the ids
DROPPED = ("--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--")
#: waitid(2): the process has exited, not been killed
CLD_EXITED = 1


class Build:
    """Runs the commands that fill one folder.

    This class runs them as the step's user, Sandbox as a separate one.
    """

    def __init__(self, host: "System") -> None:
        self.host = host

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", environment: Optional[Dict[str, str]] = None
    ) -> Result:
        """Run a command to its end. It can also open its stdin as /dev/stdin."""
        return self.host.run(argv, stdin=stdin, environment=environment)

    def copy(self, folder: str, leave: str) -> str:
        """Return the path of a copy of a source folder, for builds that write into it.

        leave: what not to copy.
        """
        return folder


@contextlib.contextmanager
def building(
    host: "System",
    folder: str,
    mark: str,
    shows: Sequence[str] = (),
    leads_to: Sequence[str] = (),
    cache: str = "",
) -> Iterator[Build]:
    """Let commands in the block fill one of root's folders, and write to nothing else.

    mark: name of the file in it that tells root later that the folder is complete; the commands can't create
    it.  shows: paths that the commands need to see.  leads_to: files outside that links in the folder may
    lead to.  cache: name of the cache shared by builds that trust each other; "" keeps none. A step that acts
    as a user (as_user), and a login other than root, have no privileges to drop.
    """
    if host.planned or host.user or os.geteuid() != 0:
        yield Build(host)
        return
    host.ran = True
    real = os.path.realpath(host.files.follow(folder))
    uid = free_id(cache or folder)
    with held_id(uid, host.deadline), own_folder(uid, cache) as own:
        end_processes(uid)
        left = give(real, uid)
        try:
            yield Sandbox(host, uid, own, (real, folder), shows)
        except BaseException:
            # the original error is reported; the next run makes the folder again, whatever is in it
            with contextlib.suppress(StepError, OSError):
                _finish(uid, real, left, leads_to, mark)
            raise
        _finish(uid, real, left, leads_to, mark)


def _finish(uid: int, folder: str, left: Left, leads_to: Sequence[str], mark: str) -> None:
    """End all of the user's processes, and hand the folder over to root."""
    end_processes(uid)
    with way("%s/%s" % (folder, mark)) as at, contextlib.suppress(FileNotFoundError):
        # before the handover: a mark that belongs to root is trusted
        remove_at(at.fd, at.name, at.path)
    take(folder, uid, left, leads_to)


class Sandbox(Build):
    """Runs commands as a separate user.

    uid: of that user.  own: its private folders.  target: the folder to fill, and the path at which commands
    see it.  shows: further paths that they see.
    """

    def __init__(
        self, host: "System", uid: int, own: Own, target: Tuple[str, str], shows: Sequence[str]
    ) -> None:
        super().__init__(host)
        self._ids = str(uid)
        self._own = own
        self._target = target
        self._shows = shows
        self._copies = 0
        self._by_systemd = host.facts["init"] == "systemd"
        if not self._by_systemd:
            refuse_closed(target[0])

    def run(
        self, argv: Sequence[str], stdin: bytes = b"", environment: Optional[Dict[str, str]] = None
    ) -> Result:
        source = "%s/stdin" % self._own.folder
        put(source, stdin, int(self._ids))
        dropped = ("setpriv", "--reuid=" + self._ids, "--regid=" + self._ids, *DROPPED, *argv)
        settings = {
            **BASE_ENVIRONMENT, **proxies(), "HOME": self._own.home, "USER": NAME, "LOGNAME": NAME,
            **self._caches(), **(environment or {}),
        }  # fmt: skip
        seconds = max(1.0, self.host.deadline - time.monotonic())
        if self._by_systemd:
            return self._in_service(argv, dropped, source, settings, seconds)
        with open(source, "rb") as f:
            process = started(dropped, settings, stdin=f, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return communicate(process, argv, b"", seconds, self.host.controller.progress)

    def copy(self, folder: str, leave: str) -> str:
        self._copies += 1
        copied = "%s/source-%d" % (self._own.home, self._copies)
        copy(folder, copied, int(self._ids), leave)
        return copied

    def _caches(self) -> Dict[str, str]:
        if not self._own.cache:
            return {"PIP_NO_CACHE_DIR": "1", "UV_NO_CACHE": "1"}
        return {"PIP_CACHE_DIR": self._own.cache + "/pip", "UV_CACHE_DIR": self._own.cache + "/uv"}

    # -- by systemd

    def _in_service(
        self,
        argv: Sequence[str],
        dropped: Sequence[str],
        source: str,
        settings: Dict[str, str],
        seconds: float,
    ) -> Result:
        # a oneshot service: systemd-run then waits for its end without D-Bus, which minimal images lack. Its
        # streams use named pipes, and its environment a file, because any user can query a unit's settings
        unit = "%s-%s.service" % (NAME, token_hex(6))
        streams = ["%s/%s" % (self._own.folder, name) for name in ("out", "err")]
        variables = self._own.folder + "/environment"
        put(
            variables,
            "".join("%s=%s\n" % (n, systemd_environment(v)) for n, v in settings.items()).encode(),
            0,
        )
        properties = [
            *self._properties(),
            "StandardInput=file:" + source,
            "StandardOutput=file:" + streams[0],
            "StandardError=file:" + streams[1],
            "EnvironmentFile=" + variables,
            "TimeoutStartSec=%d" % (seconds + 5),
        ]
        words = [word for each in properties for word in ("--property", each)]
        # instead of the command, which would appear in the journal
        described = "--description=prov builds %s" % self._target[1]
        # systemd.service(5), "COMMAND LINES": a dollar sign would start a variable
        command = [word.replace("$", "$$") for word in dropped]
        start = [
            "systemd-run",
            "--quiet",
            "--unit=" + unit,
            "--service-type=oneshot",
            described,
            *words,
            "--",
            *command,
        ]
        with named_pipes(streams) as (reading, writing):
            held = self.host.ledger.held
            process = started(
                start,
                BASE_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=writing[0],
                stderr=writing[1],
                pass_fds=held,
            )
            process.stdout, process.stderr = (os.fdopen(os.dup(fd), "rb", 0) for fd in reading)
        try:
            result = communicate(process, argv, b"", seconds, self.host.controller.progress)
        except BaseException:
            self.host.ask(("systemctl", "stop", "--", unit))
            self.host.ask(("systemctl", "reset-failed", "--", NAME + "-*"))
            raise
        return result if result.status == 0 else self._failed(unit, result)

    def _failed(self, unit: str, result: Result) -> Result:
        """Return the result of a command whose service failed. Raises StepError if it did not start."""
        words = ("ExecMainCode", "ExecMainStatus")
        said = self.host.ask(("systemctl", "show", "--property", ",".join(words), "--", unit)).stdout
        code, status = (
            int(dict(line.split("=", 1) for line in said.splitlines()).get(w) or 0) for w in words
        )
        journal = self.host.units.journal(unit)
        self.host.ask(("systemctl", "reset-failed", "--", unit))
        if code == 0 or 200 <= status <= 245:
            # systemd.exec(5), "PROCESS EXIT CODES"
            raise StepError(
                "systemd could not start a build in its sandbox (%s)" % (status or "not started"),
                argv=result.argv,
                stderr="\n".join(filter(None, [result.stderr.strip(), journal])),
                hint="A container must let systemd make mount namespaces, as units of applications need that too.",
            )
        return result._replace(status=status if code == CLD_EXITED else -status)

    def _properties(self) -> Iterator[str]:
        version = int((re.findall(r"\d+", self.host.ask(("systemd-run", "--version")).stdout) or ["0"])[0])
        yield from LIMITS
        for since, limit in NEWER_LIMITS.items():
            if version >= since:
                yield limit
        covers = hidden()
        yield from ("TemporaryFileSystem=%s:ro" % path for path in covers)
        for path in [*RESOLVERS, *self._shows]:
            yield from ("BindReadOnlyPaths=%s" % systemd_property("-" + each) for each in shown(path, covers))
        yield "BindPaths=%s:%s" % (systemd_property(self._target[0]), systemd_property(self._target[1]))
        for path in filter(None, [self._own.folder, self._own.cache]):
            yield "BindPaths=%s" % systemd_property(path)


def started(argv: Sequence[str], env: Dict[str, str], **options: Any) -> "subprocess.Popen[bytes]":
    """Start a process. Raises StepError if its program does not exist."""
    try:
        return subprocess.Popen(list(argv), cwd="/", env=env, start_new_session=True, **options)
    except FileNotFoundError:
        raise StepError("%s is not on this host, and builds need it" % argv[0]) from None


@contextlib.contextmanager
def named_pipes(paths: Sequence[str]) -> Iterator[Tuple[List[int], List[int]]]:
    """Make pipes at these paths; return the ends to read from, and the ends to write to."""
    ends: Tuple[List[int], List[int]] = ([], [])
    try:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            os.mkfifo(path, 0o600)
            ends[0].append(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            ends[1].append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        yield ends
    finally:
        for fd in (*ends[0], *ends[1]):
            os.close(fd)
