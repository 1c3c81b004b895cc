"""Ask for a password on the terminal, and never without one."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from provision.errors import ConfigError

NOWHERE = "Give a file or a program instead: --vault-password-file FILE, or --vault-id ID@FILE."


def ask(question: str) -> str:
    """Return what is typed, without echo. Raises ConfigError if there is no terminal."""
    if not has_terminal():
        raise ConfigError(f"cannot ask for it, as there is no terminal: {question.strip(' :')}", hint=NOWHERE)
    try:
        return getpass.getpass(question)
    except EOFError:
        raise ConfigError(f"nothing was typed: {question.strip(' :')}", hint=NOWHERE) from None


def has_terminal() -> bool:
    """Return whether a person can be asked: getpass(3) opens the controlling terminal itself."""
    try:
        os.close(os.open(Path("/dev/tty"), os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return sys.stdin is not None and sys.stdin.isatty()
    return True
