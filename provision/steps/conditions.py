"""Waiting for files, processes, commands and units; `wait` offers it. Shipped to hosts (Python 3.8)."""

import os
import re
import time
from typing import TYPE_CHECKING, List, Sequence

from provision.errors import StepError
from provision.steps.base import Diff, Step, check_path, check_seconds, check_text, wanted
from provision.steps.support.unit_judging import check_unit_name, full_name
from provision.steps.waiting import check_pattern, waited
from provision.system.processes import is_alive, pids, said_of

if TYPE_CHECKING:
    from provision.system.host import System

#: of a file that is searched
MOST = 16 * 1024 * 1024


@wanted()
class FileCondition(Step):
    """Wait until a file exists, contains something, or is gone.

        wait.file(c, "/run/shop/ready")
        wait.file(c, "/var/log/shop.log", contains="^Listening on")

    path: absolute; links are followed.  contains: a regular expression that must match in it; "^" and "$"
    match at every line.  gone: wait until path does not exist.  within: seconds to wait.
    """

    path: str
    contains: str = ""
    gone: bool = False
    within: float = 30

    DEADLINE = 3600.0

    def label(self) -> str:
        return "wait for %s%s" % (self.path, " to go" if self.gone else "")

    def validate(self) -> None:
        check_path(self.path)
        check_pattern(self.contains, "contains")
        check_seconds(self.within, "within")
        if self.gone and self.contains:
            raise ValueError("contains and gone cannot be combined")

    def check(self, host: "System") -> Diff:
        what = "%s is %s" % (self.path, "there" if self.gone else "not as awaited")
        good = "is gone" if self.gone else "has what was awaited" if self.contains else "is there"
        return waited(host, lambda: self._look(host), self.within, what, good)

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")

    def _look(self, host: "System") -> str:
        found = host.files.end(self.path)
        if self.gone:
            return "" if found is None and host.files.stat(self.path) is None else "there is something"
        if found is None:
            return "there is nothing"
        if not self.contains:
            return ""
        if found.kind != "file":
            return "it is a %s" % found.kind
        with host.files.open(self.path) as f:
            text = f.read(MOST)
        if re.search(self.contains.encode(), text, re.MULTILINE):
            return ""
        last = text.decode(errors="replace").rstrip().rsplit("\n", 1)[-1][:200]
        return "nothing in its %d bytes matches %r; its last line is %r" % (found.size, self.contains, last)


@wanted()
class ProcessCondition(Step):
    """Wait until a process runs, or has ended.

        wait.process(c, "postgres")
        wait.process(c, pid_file="/run/old.pid", gone=True)

    name: of its program, as `ps -C` takes it, or the first word of its command line with or without folders.
    pid_file: a file with its number, instead of a name.  gone: wait until it has ended.
    within: seconds to wait.
    """

    name: str = ""
    pid_file: str = ""
    gone: bool = False
    within: float = 30

    DEADLINE = 3600.0

    def label(self) -> str:
        return "wait for process %s%s" % (self.name or "of " + self.pid_file, " to end" if self.gone else "")

    def validate(self) -> None:
        if bool(self.name) == bool(self.pid_file):
            raise ValueError("either name or pid_file is needed")
        if self.name:
            check_text(self.name, "name")
        else:
            check_path(self.pid_file, "pid_file")
        check_seconds(self.within, "within")

    def check(self, host: "System") -> Diff:
        what = "process %s %s" % (
            self.name or "of " + self.pid_file,
            "has not ended" if self.gone else "does not run",
        )
        return waited(host, lambda: self._look(host), self.within, what, "has ended" if self.gone else "runs")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")

    def _look(self, host: "System") -> str:
        if self.name:
            found = processes(self.name)
            if self.gone:
                return "running as %s" % ", ".join(map(str, found)) if found else ""
            return "" if found else "no process has that name"
        if not host.files.exists(self.pid_file):
            return "" if self.gone else "there is no %s" % self.pid_file
        text = host.files.read(self.pid_file).decode(errors="replace").strip()
        if not text.isdigit():
            return "%s holds %r, which is not a number" % (self.pid_file, text[:40])
        alive = is_alive(int(text))
        if self.gone:
            return "running as %s" % text if alive else ""
        return "" if alive else "there is no process %s" % text


@wanted()
class CommandCondition(Step):
    """Wait until a command succeeds.

        wait.command(c, ["pg_isready", "-h", "127.0.0.1"], within=60)

    argv: a list of words; it should change nothing, because it is repeated until its exit status is 0.
    within: seconds to keep trying.  every: seconds between two attempts.
    user: who runs it; "" is root.  cwd: where.
    """

    argv: Sequence[str]
    within: float = 30
    every: float = 1.0
    user: str = ""
    cwd: str = "/"

    DEADLINE = 3600.0

    def label(self) -> str:
        return "wait for %s" % " ".join(self.argv)

    def validate(self) -> None:
        if isinstance(self.argv, str) or not self.argv:
            raise ValueError("argv must be a list of words, not %r" % (self.argv,))
        for word in self.argv:
            if not isinstance(word, str) or "\0" in word:
                raise ValueError("argv: each word must be text without NUL, not %r" % (word,))
        if self.user:
            check_text(self.user, "user")
        check_path(self.cwd, "cwd")
        check_seconds(self.within, "within")
        check_seconds(self.every, "every")

    def check(self, host: "System") -> Diff:
        what = "%s did not succeed" % self.argv[0]
        return waited(host, lambda: self._try(host), self.within, what, "ends well", self.every)

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")

    def _try(self, host: "System") -> str:
        result = host.ask(self.argv, user=self.user, cwd=self.cwd, timeout=max(5.0, self.within))
        if result.status == 0:
            return ""
        lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
        return "status %d%s" % (result.status, ": %s" % lines[-1] if lines else "")


@wanted()
class UnitCondition(Step):
    """Wait until a systemd unit reaches a state: "active" by default.

        wait.unit(c, "cloud-final.service", within=300)

    unit: ".service" is added if it has no type.  state: "active", "inactive" or "failed", as systemctl(1)
    says.
    within: seconds to wait. If a unit that should become active fails, the wait ends.
    steady: seconds for which it must stay in that state without a restart: systemd keeps restarting a program
    that ends at once.
    """

    unit: str
    state: str = "active"
    within: float = 30
    steady: float = 0

    DEADLINE = 3600.0

    def label(self) -> str:
        return "wait for %s to be %s" % (full_name(self.unit), self.state)

    def validate(self) -> None:
        check_unit_name(full_name(self.unit))
        if self.state not in ("active", "inactive", "failed"):
            raise ValueError("state must be active, inactive or failed, not %r" % (self.state,))
        check_seconds(self.within, "within")
        check_seconds(self.steady, "steady")

    def check(self, host: "System") -> Diff:
        name = full_name(self.unit)
        try:
            found = waited(
                host,
                lambda: self._look(host),
                self.within,
                "%s is not %s" % (name, self.state),
                "is " + self.state,
            )
            if self.steady and not host.planned:
                self._stays(host, name)
            return found
        except StepError as error:
            error.stderr = host.units.journal(name)
            error.hint = (
                "The lines above are from its journal: journalctl -u %s" % name if error.stderr else ""
            )
            raise

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")

    def _stays(self, host: "System", name: str) -> None:
        host.units.forget()
        before = host.units.state(name)
        end = time.monotonic() + self.steady
        while time.monotonic() < end:
            time.sleep(0.2)
            host.units.forget()
            now = host.units.state(name)
            if now.active != self.state or now.invocation != before.invocation:
                raise StepError(
                    "%s does not stay up: it ended within %g s of its start" % (name, self.steady)
                )

    def _look(self, host: "System") -> str:
        host.units.forget()
        now = host.units.state(full_name(self.unit))
        if now.active == self.state:
            return ""
        if now.active == "failed" and self.state == "active":
            raise StepError("%s has failed (%s)" % (full_name(self.unit), now.result))
        return "it is %s (%s)" % (now.active, now.sub) if now.load != "not-found" else "there is no such unit"


def processes(name: str) -> List[int]:
    """Numbers of the processes with this program (proc(5), comm and cmdline), but for our own."""
    found = []
    for pid in pids():
        # the kernel keeps 15 bytes of it
        comm = said_of(pid, "comm").rstrip("\n")
        first = said_of(pid, "cmdline").split("\0")[0]
        if name in (comm, first, first.rsplit("/", 1)[-1]) and pid != os.getpid() and is_alive(pid):
            found.append(pid)
    return sorted(found)
