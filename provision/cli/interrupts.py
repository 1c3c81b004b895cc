"""Ctrl-C and SIGTERM: the first lets each host finish its step, the second ends prov at once."""

from __future__ import annotations

import signal
import sys
import termios
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While entered, the first signal calls `stop`; the second raises KeyboardInterrupt in the main thread.

    A handler that returns does not interrupt the main thread's wait, so events are still read.
    at_once: called at the first signal; if true, the first acts like a second, as at a password prompt.
    Another signal ends the process whatever it is doing.
    """

    def __init__(self, stop: Callable[[], None], at_once: Callable[[], bool]) -> None:
        self._stop = stop
        self._at_once = at_once
        self._before: dict[signal.Signals, Any] = {}
        self._terminal = terminal_settings()
        self.came = 0

    def __enter__(self) -> Interrupts:
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def restore_terminal(self) -> None:
        """Switch echo on again: an abandoned thread that asks for a password has switched it off."""
        if self._terminal is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._terminal)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.came += 1
        if self.came == 1 and not self._at_once():
            self._stop()
            return
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        raise KeyboardInterrupt


def terminal_settings() -> list[Any] | None:
    """Return the terminal's settings, or None without a terminal."""
    return termios.tcgetattr(sys.stdin.fileno()) if sys.stdin.isatty() else None
