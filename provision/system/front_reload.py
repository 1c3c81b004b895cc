"""Whether a front has turned to its new configuration, and its old processes have made way. Shipped."""

import time
from typing import Callable, Dict, List

from provision.errors import StepError
from provision.system.processes import is_alive, said_of

#: seconds within which a front that was told to reload serves with new processes
TURNS = 15.0
#: seconds that its old processes get to finish what they have, where their title does not say that they do no more
FINISHES = 5.0
#: seconds that requests under way get before what answers them is stopped
DRAIN = 30.0
#: title of nginx's processes that take no more requests (nginx: "Controlling nginx")
ENDING = "is shutting down"
PAUSE = 0.02


def title(pid: int) -> str:
    """The command line of a process; "" before it has one, and once it has ended."""
    return said_of(pid, "cmdline").replace("\0", " ").strip()


def children(pid: int) -> List[int]:
    """The processes that a process has started and that are still there."""
    return [int(word) for word in said_of(pid, "task/%d/children" % pid).split()]


def serving(main: int) -> Dict[int, str]:
    """The children of a front that may take requests, with their titles."""
    found = {pid: title(pid) for pid in children(main) if is_alive(pid)}
    return {pid: words for pid, words in found.items() if ENDING not in words}


def await_turn(name: str, main: int, before: Dict[int, str], journal: Callable[[], str]) -> None:
    """Wait until none of the processes that served before a reload takes requests any more.

    name: of the unit.  main: its main process.  Raises StepError if it still serves with the old ones.
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
            # Apache: the new generation serves; a process of the old one stays until its last request is answered
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
    """How many connections to a unix socket have been taken and are open (proc(5), net/unix)."""
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as f:
        lines = [line.rstrip("\n").split(" ", 7) for line in f]
    words = [" ".join(line).split(None, 7) for line in lines]
    # of listening sockets the state is 01
    return sum(1 for each in words if len(each) == 8 and each[7] == path and each[5] == "03")


def await_quiet(paths: List[str], seconds: float) -> None:
    """Wait until no one is connected to any of these sockets any more, or that long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(connected, paths)):
        time.sleep(PAUSE)
