"""What can go wrong, as types. Shipped to hosts, so standard library only and Python 3.8.

Users read `message` (what went wrong), `where` (file:line, host or path) and, after a blank line,
`hint` (what to do next). Only `provision.cli` turns an error into an exit status.
"""

from enum import IntEnum
from typing import Callable, List, Optional, Sequence

from provision.secrets import without_logins


class Exit(IntEnum):
    """Exit statuses of prov: scripts rely on them (docs/commands.md)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CHANGES = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class ProvError(Exception):
    """Any foreseeable failure.

    message: one sentence, no trailing newline.  where: "inventory/lab.yml:12 web1.apps.shop" or similar.
    hint: what the reader can do next. Logins are removed from URLs in all three.
    """

    exit_code = Exit.FAILED

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        self.message = without_logins(message)
        super().__init__(self.message)
        self.where = without_logins(where)
        self.hint = without_logins(hint)

    def hide(self, hidden: Callable[[str], str]) -> None:
        """Pass every text of the error through a function that removes secrets."""
        self.message, self.where, self.hint = map(hidden, (self.message, self.where, self.hint))
        self.args = (self.message,)

    def __str__(self) -> str:
        return "%s: %s" % (self.where, self.message) if self.where else self.message


class UsageError(ProvError):
    """The command line asks for something that does not exist (Exit.USAGE)."""

    exit_code = Exit.USAGE


class ConfigError(ProvError):
    """Inventory, role or parameter errors: found before the first connection (Exit.USAGE)."""

    exit_code = Exit.USAGE


class ConfigErrors(ConfigError):
    """Every configuration error of one run, so that users can fix them at once."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors: List[ConfigError] = list(errors)
        super().__init__("\n".join(str(e) for e in self.errors))

    def hide(self, hidden: Callable[[str], str]) -> None:
        super().hide(hidden)
        for error in self.errors:
            error.hide(hidden)


class UnreachableError(ProvError):
    """No session with the host: network, host key or login failed, or the link was lost
    (Exit.UNREACHABLE)."""

    exit_code = Exit.UNREACHABLE


class StepError(ProvError):
    """A step could not be checked or applied on the host.

    argv, status, stdout, stderr: of the failed command, if there is one; the last lines of both streams.
    """

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        hint: str = "",
        argv: Sequence[str] = (),
        status: Optional[int] = None,
        stdout: str = "",
        stderr: str = "",
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.argv = [without_logins(word) for word in argv]
        self.status = status
        self.stdout = without_logins(stdout)
        self.stderr = without_logins(stderr)

    def hide(self, hidden: Callable[[str], str]) -> None:
        super().hide(hidden)
        self.argv = [hidden(word) for word in self.argv]
        self.stdout, self.stderr = hidden(self.stdout), hidden(self.stderr)


class LabError(ProvError):
    """A lab host could not be made, found or removed."""
