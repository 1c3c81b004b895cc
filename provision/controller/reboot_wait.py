"""Waiting for a host that reboots."""

from __future__ import annotations

import time
from collections.abc import Callable

from provision.errors import UnreachableError

#: seconds between looks: the first one lets the host go down, the last one is that of a slow boot
FIRST_LOOK = 1.5
PAUSE = 0.3
LONGEST_PAUSE = 3.0


def comes_back(is_back: Callable[[], bool], within: float, tell: Callable[[str], None]) -> float:
    """Wait until the host has booted; returns the seconds that took. Raises UnreachableError.

    is_back: whether it is there and has booted; raises UnreachableError while it is not there.
    within: seconds that it gets.  tell: takes what was last seen of it.
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
