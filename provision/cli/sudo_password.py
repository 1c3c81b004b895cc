"""The password that sudo wants, asked for on the terminal."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from provision.secrets import Secret


class AskOnce:
    """Asks for sudo's password without echo, once for all hosts of a run.

    around: entered while somebody is asked, to keep other things off the terminal.
    """

    def __init__(self, around: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._answer: Secret | None = None

    def __call__(self) -> Secret:
        with self._lock:
            if self._answer is None:
                with self._around():
                    self._answer = Secret(getpass.getpass("sudo password: "))
            return self._answer
