"""systemd units of the host, with one `systemctl show` for many of them. Shipped."""

import re
from typing import TYPE_CHECKING, Callable, Dict, Iterable, Optional

from provision.errors import StepError
from provision.system.command_execution import Result, failure
from provision.system.unit_state import UnitState

if TYPE_CHECKING:
    from provision.system.undo_record import UndoRecord

PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,FragmentPath,InvocationID,Result,Listen,"
    "MainPID,TriggeredBy"
)
#: a line about a socket in `systemctl show`: Listen=/run/shop.sock (Stream)
LISTEN = re.compile(r"(?m)^Listen=(/.*) \((?:Stream|Datagram|SequentialPacket|FIFO)\)$")
#: these start other units, so they are started and stopped first
TRIGGERS = (".socket", ".timer", ".path", ".automount")

Run = Callable[..., Result]


class Units:
    """The units of the host.

    run: executes a command on the host; ask: the same for commands that only read.
    """

    def __init__(self, run: Run, ask: Run) -> None:
        self._run = run
        self._ask = ask
        self._known: Dict[str, UnitState] = {}
        self._wanted: Dict[str, None] = {}
        self._unread = False
        #: records the states of units before they change
        self.record: "Optional[UndoRecord]" = None

    def expect(self, names: Iterable[str]) -> None:
        """Note names that later steps will query: the next query covers all of them."""
        self._wanted.update(dict.fromkeys(names))

    def state(self, name: str) -> UnitState:
        """Return the state of a unit."""
        self.settle()
        if name not in self._known:
            names = list(dict.fromkeys([name, *(n for n in self._wanted if n not in self._known)]))
            self._wanted.clear()
            self._known.update(self._show(names))
        return self._known[name]

    def forget(self) -> None:
        """Forget the states, because something else has changed units (a package, a daemon-reload)."""
        self._wanted.update(dict.fromkeys(self._known))
        self._known.clear()

    def do(self, verb: str, *names: str, timeout: float = 100) -> None:
        """Run `systemctl VERB NAME...` and wait for it. Raises StepError with the units' journal."""
        self.settle()
        if self.record is not None:
            for name in names:
                self.record.unit(verb, name, self.state(name))
        result = self._run(("systemctl", "--no-ask-password", *verb.split(), *names), timeout=timeout)
        self.forget()
        if result.status == 0:
            return
        error = failure("systemctl %s %s failed" % (verb, " ".join(names)), result)
        error.stderr = "\n".join(filter(None, [error.stderr, *map(self.journal, names)]))
        raise error

    def file_changed(self) -> None:
        """Note that a unit file has changed.

        systemd must read all files again before the next query or action, and by the end of the run at the
        latest. One daemon-reload covers several files.
        """
        self._unread = True

    def settle(self) -> None:
        """Have systemd read changed unit files now."""
        if self._unread:
            self.reload_manager()

    def reload_manager(self) -> None:
        """Run `systemctl daemon-reload`."""
        self._unread = False
        self._run(("systemctl", "daemon-reload"), timeout=100).require("systemctl daemon-reload")
        self.forget()

    def journal(self, name: str, lines: int = 40) -> str:
        """Return the last lines of a unit in the journal."""
        argv = ("journalctl", "-u", name, "-n", str(lines), "--no-pager", "-o", "cat", "--no-hostname")
        return self._ask(argv, timeout=20).stdout.strip()

    def instances(self, template: str) -> Dict[str, UnitState]:
        """Return the loaded instances of a template unit such as "shop@.service", by unit name."""
        prefix, suffix = template.split("@", 1)
        pattern = "%s@*%s" % (prefix, suffix)
        argv = ("systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", pattern)
        listed = self._ask(argv, timeout=30).require("listing units").stdout.splitlines()
        names = [line.split()[0] for line in listed if line.strip()]
        return {name: self.state(name) for name in names}

    def _show(self, names: Iterable[str]) -> Dict[str, UnitState]:
        names = list(names)
        result = self._ask(("systemctl", "show", "-p", PROPERTIES, "--", *names), timeout=30)
        if result.status:
            hint = "Steps on units need systemd as the host's init."
            raise failure("systemctl show failed", result, hint)
        blocks = result.stdout.strip().split("\n\n")
        if len(blocks) != len(names):
            raise StepError("systemctl show answered for %d of %d units" % (len(blocks), len(names)))
        return {name: parse_show(block) for name, block in zip(names, blocks)}


def parse_show(block: str) -> UnitState:
    """Parse one unit's part of `systemctl show` output (key=value lines)."""
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return UnitState(
        load=values.get("LoadState", "not-found"),
        active=values.get("ActiveState", "inactive"),
        sub=values.get("SubState", "dead"),
        enabled=values.get("UnitFileState", ""),
        # systemd never reads drop-ins of a masked unit, but keeps reporting them as unread
        stale=values.get("NeedDaemonReload") == "yes" and values.get("LoadState") != "masked",
        fragment=values.get("FragmentPath", ""),
        invocation=values.get("InvocationID", ""),
        result=values.get("Result", "success"),
        listens=tuple(LISTEN.findall(block)),
        main=int(values.get("MainPID") or 0),
        triggered_by=tuple(sorted(values.get("TriggeredBy", "").split())),
    )
