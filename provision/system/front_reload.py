"""Reload a web server, and wait until it serves with its new configuration only.

Shipped with the steps that reload one.
"""

import time
from typing import TYPE_CHECKING, Callable, Dict, List

from provision.errors import StepError
from provision.system.processes import is_alive, said_of

if TYPE_CHECKING:
    from provision.system.units import Units

#: seconds for a web server to serve with new processes after a reload
TURNS = 15.0
#: seconds for old processes to finish, if their titles do not say that they are shutting down
FINISHES = 5.0
#: seconds for requests in progress before the process that answers them is stopped
DRAIN = 30.0
#: in the title of nginx processes that accept no new requests (nginx: "Controlling nginx")
ENDING = "is shutting down"
PAUSE = 0.02


def title(pid: int) -> str:
    """Return the command line of a process; "" before it has one, and after its end."""
    return said_of(pid, "cmdline").replace("\0", " ").strip()


def children(pid: int) -> List[int]:
    """Return the live child processes of a process."""
    return [int(word) for word in said_of(pid, "task/%d/children" % pid).split()]


def serving(main: int) -> Dict[int, str]:
    """Return the children of a web server that may accept requests, with their titles."""
    found = {pid: title(pid) for pid in children(main) if is_alive(pid)}
    return {pid: words for pid, words in found.items() if ENDING not in words}


def renew(units: "Units", name: str, *, planned: bool) -> None:
    """Reload a unit whose processes are replaced on a reload, and wait until they are.

    planned: only predict the reload. Raises StepError.
    """
    main = units.state(name).main
    before = {} if planned else serving(main)
    units.do("reload-or-restart", name)
    await_turn(name, main, before, lambda: units.journal(name))


def await_turn(name: str, main: int, before: Dict[int, str], journal: Callable[[], str]) -> None:
    """Wait until no process from before a reload accepts requests.

    name: of the unit.  main: its main process.  Raises StepError if the old processes still serve.
    """
    end = time.monotonic() + TURNS
    finish = 0.0
    while True:
        now = serving(main)
        old = set(before) & set(now)
        if not old:
            return
        titled = any(words.startswith("nginx:") for words in before.values())
        if set(now) - set(before) and not titled:
            # Apache: the new generation serves; an old process stays until it has answered its last request
            finish = finish or time.monotonic() + FINISHES
            if time.monotonic() > finish:
                return
        if time.monotonic() > end:
            raise StepError(
                "%s was reloaded, and still serves with its earlier configuration" % name,
                stderr=journal(),
                hint="What it still asks for has not been stopped. Look into its journal: journalctl -u %s"
                % name,
            )
        time.sleep(PAUSE)


def connected(path: str) -> int:
    """Return the number of open connections to a unix socket (proc(5), net/unix)."""
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as f:
        lines = [line.rstrip("\n").split(" ", 7) for line in f]
    words = [" ".join(line).split(None, 7) for line in lines]
    # the state of listening sockets is 01
    return sum(1 for each in words if len(each) == 8 and each[7] == path and each[5] == "03")


def await_quiet(paths: List[str], seconds: float) -> None:
    """Wait until none of these sockets has a connection, or until the seconds are over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(connected, paths)):
        time.sleep(PAUSE)
