"""Whether the processes of a user that goes have ended. Shipped to hosts (Python 3.8, standard library)."""

import pwd
import time
from typing import List, Tuple

from provision.errors import StepError
from provision.system.processes import of_user
from provision.system.turning import title

#: seconds in which they may end
ENDS = 5.0
PAUSE = 0.1


def await_ends(user: str) -> None:
    """Give processes of a user that were told to end the time for it. Raises StepError that names those which stay."""
    end = time.monotonic() + ENDS
    while processes_of(user) and time.monotonic() < end:
        time.sleep(PAUSE)
    left = processes_of(user)
    if left:
        shown = ", ".join("%d (%s)" % (pid, words[:60] or "?") for pid, words in left[:5])
        raise StepError(
            "processes of the user %s still run: %s" % (user, shown),
            hint="End them, or what starts them, and run again. The user has not been removed.",
        )


def processes_of(user: str) -> List[Tuple[int, str]]:
    """Number and title of each process of a user."""
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return []
    return sorted((each.pid, title(each.pid)) for each in of_user(uid))
