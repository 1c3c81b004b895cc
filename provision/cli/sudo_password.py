"""Ask on the terminal for the passwords of sudo and ssh."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from provision.controller.visible import visible
from provision.secrets import Secret

SUDO_QUESTION = "sudo password: "


class AskOnce:
    """Asks for passwords without echo, once each for all hosts of a run.

    around: entered while the user is asked, to keep other output off the terminal.
    """

    def __init__(self, around: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._answers: dict[str, Secret] = {}

    def __call__(self, question: str = SUDO_QUESTION) -> Secret:
        with self._lock:
            if question not in self._answers:
                with self._around():
                    self._answers[question] = Secret(getpass.getpass(visible(question)))
            return self._answers[question]
