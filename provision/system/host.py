"""The host as steps see it: files, commands, packages, units, accounts, ledger. Shipped.

Steps access the host through this class only. `System` acts for real; `PlannedSystem` (planned_host.py) keeps
the effects of steps in memory, so that later steps see them.
"""

import os
import socket
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, Dict, Generator, List, Optional, Protocol, Sequence

from provision.system.accounts import Accounts
from provision.system.command_execution import Result, execute
from provision.system.host_files import Files
from provision.system.memory.folder_records import Remembered
from provision.system.memory.ledger import Ledger
from provision.system.source import Source
from provision.system.units import Units

if TYPE_CHECKING:
    from provision.system.guard_proof import Proof
    from provision.system.packages.apt_packages import Apt


class Controller(Protocol):
    """What the agent can request from the controller while a step runs."""

    def fetch(self, source: Source, request: bytes = b"") -> Generator[bytes, None, None]: ...

    def request(self, source: Source, request: bytes = b"") -> None: ...

    def answer(self) -> Generator[bytes, None, None]: ...

    def progress(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...


class System:
    """The real host.

    facts: as sent to the controller.  ledger: the record of earlier runs on this host.  deadline: when the
    running step must end, by the monotonic clock.  user: the one that commands run as, "" for the process's
    own (identity.acting_as).
    """

    planned = False
    #: whether changes belong to a recorded run
    recorded = True
    #: seconds in which the host must be back; set by the step that reboots it. The agent then ends, and a new
    #: one continues after the boot
    rebooting = 0.0

    #: the user that the controller logs in as, and how to prove that they still can; None if no new login is
    #: possible
    login = ""
    proof: "Optional[Proof]" = None

    def __init__(self, controller: Controller, facts: Dict[str, Any], ledger: Ledger) -> None:
        self.controller = controller
        self.facts = facts
        self.ledger = ledger
        self.deadline = 0.0
        #: labels of earlier steps that failed, even if ignored, or were skipped
        self.unsettled: List[str] = []
        self.user = ""
        #: whether the running step has run commands
        self.ran = False
        self.files = Files(controller.fetch)
        self.units = Units(self._tool, self.ask)
        self.accounts = Accounts(self._tool)
        self.remembered = Remembered(ledger.home, self.planned)

    @cached_property
    def packages(self) -> "Apt":
        """apt's packages. The steps that use them ship the modules."""
        from provision.system.packages.apt_packages import Apt

        return Apt(self.run, self.ask, self.controller.progress)

    def begin(self) -> None:
        """Start recording: a change follows, and from now on every former state is kept."""
        if not self.recorded:
            return
        first = self.ledger.record is None
        journal = self.ledger.begin()
        if first:
            journal.seal_others(self.units)
            self.files.record = self.units.record = self.accounts.record = journal
            self.remembered.record = journal
            self.files.created = lambda path, whole: self.ledger.made("path", path, whole)
            self.files.removed = lambda path: self.ledger.gone("path", path)
            self.files.wrote, self.files.filling = self.ledger.wrote, self.ledger.filling
            self.accounts.made, self.accounts.gone = self.ledger.made, self.ledger.gone
        journal.step_begins(self.ledger.maker[1])
        self.files.own.clear()

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        """Run a command that may change the host, and forward its output.

        Options are those of `execute`; the deadline is the step's.
        """
        # the effects of these two show elsewhere, or they change nothing
        self.ran = self.ran or argv[0] not in ("systemctl", "openssl")
        return self._tool(argv, **options)

    def _tool(self, argv: Sequence[str], **options: Any) -> Result:
        self.files.forget()
        return self._execute(argv, {"on_line": self.controller.progress, **options})

    def ask(self, argv: Sequence[str], **options: Any) -> Result:
        """Run a command that only reads. A plan really runs it, while it only pretends to `run`."""
        return self._execute(argv, options)

    def judge(self, argv: Sequence[str], doing: str, hint: str) -> str:
        """Have a program check its configuration ("nginx -t"); return its stderr. Raises StepError."""
        result = self.judged(argv)
        return result.require(doing, hint).stderr if result is not None else ""

    def judged(
        self, argv: Sequence[str], folder: str = "/etc", silent: bool = False, **options: Any
    ) -> Optional[Result]:
        """Return the result of such a check; None if a plan can't know it yet.

        folder: where the configuration is; a plan shows it to the program as the deploy will leave it.
        silent: the program may fail without naming what it misses.  options: as for ask.
        """
        return self.ask(argv, **options)

    def runnable(self, program: str) -> bool:
        """Return whether a program, which a command names by absolute path, exists and can run."""
        return not program.startswith("/") or os.path.exists(program)

    def fetch(self, source: Source, request: bytes = b"") -> bytes:
        """Return the whole contents of a small source; use files.write for others."""
        return b"".join(self.controller.fetch(source, request))

    def owner(self, user: Optional[str], group: Optional[str]) -> "tuple[int, int]":
        """Return the ids for names; None is the process's own."""
        uid = os.geteuid() if user is None else self.accounts.uid(user)
        if group is not None:
            return uid, self.accounts.gid(group)
        if user is None:
            return uid, os.getegid()
        account = self.accounts.user(user)
        assert account is not None  # accounts.uid has found it
        return uid, account.gid

    def hostname(self) -> str:
        """Return the running kernel's host name."""
        return os.uname().nodename

    def set_hostname(self, name: str) -> None:
        """Set the running kernel's host name.

        hostnamectl(1) needs D-Bus, which minimal images lack; in containers /proc/sys is read-only.
        """
        socket.sethostname(name)

    def _execute(self, argv: Sequence[str], options: Dict[str, Any]) -> Result:
        left = max(1.0, self.deadline - time.monotonic())
        options["timeout"] = min(left, options.get("timeout", left))
        options["user"] = options.get("user") or self.user
        return execute(argv, held=self.ledger.held, **options)
