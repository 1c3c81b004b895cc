"""Wait for a host that reboots."""

from __future__ import annotations

import time
from collections.abc import Callable

from provision.errors import UnreachableError

#: seconds between checks: the first gives the host time to go down, the last suits a slow boot
FIRST_LOOK = 1.5
PAUSE = 0.3
LONGEST_PAUSE = 3.0


def comes_back(is_back: Callable[[], bool], within: float, tell: Callable[[str], None]) -> float:
    """Wait until the host has booted; return the seconds that took. Raises UnreachableError.

    is_back: returns whether the host has booted; raises UnreachableError while it cannot be reached.
    within: seconds that the host may take.  tell: takes the last state of the host.
    """
    began = time.monotonic()
    seen = "it has not gone down"
    pause = FIRST_LOOK
    while time.monotonic() - began + pause < within:
        tell(seen)
        time.sleep(pause)
        pause = PAUSE if pause == FIRST_LOOK else min(LONGEST_PAUSE, pause * 1.3)
        try:
            if is_back():
                return time.monotonic() - began
        except UnreachableError as error:
            seen = error.message
    raise UnreachableError(
        f"the host did not come back within {within:g} s of its reboot: {seen}",
        hint="Look at its console. Run again once it is up: prov continues where it was.",
    )
