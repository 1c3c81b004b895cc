"""Waits for the processes of a user that is removed. Shipped to hosts (Python 3.8, standard library)."""

import time
from typing import TYPE_CHECKING, List, Tuple

from provision.errors import StepError
from provision.steps.support.running import goes_on
from provision.system.front_reload import title
from provision.system.processes import of_user

if TYPE_CHECKING:
    from provision.system.host import System

#: seconds that they get to end
ENDS = 5.0
PAUSE = 0.1


def await_ends(host: "System", user: str, uid: int) -> None:
    """Wait for a user's processes that were asked to end. Raises StepError that names those which remain; a
    plan does not wait, and ignores processes of units that an earlier step has stopped."""
    end = time.monotonic() + ENDS
    while not host.planned and processes_of(host, uid) and time.monotonic() < end:
        time.sleep(PAUSE)
    left = processes_of(host, uid)
    if left:
        shown = ", ".join("%d (%s)" % (pid, words[:60] or "?") for pid, words in left[:5])
        raise StepError(
            "processes of the user %s still run: %s" % (user, shown),
            hint="End them, or what starts them, and run again. The user has not been removed.",
        )


def processes_of(host: "System", uid: int) -> List[Tuple[int, str]]:
    """Return id and title of each process of a user that remains."""
    return sorted((each.pid, title(each.pid)) for each in of_user(uid) if goes_on(host, each))
