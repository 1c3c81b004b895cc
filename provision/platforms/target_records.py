"""What prov remembers of a target, in short named texts that its platform keeps. A change replaces a whole text."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from provision.errors import ProvError


class RecordMoved(ProvError):
    """Another client has replaced a record since it was read."""


class TargetRecord(NamedTuple):
    """A record. text: "" if there is none.  version: what the platform knows this state by."""

    text: str = ""
    version: str = ""


class TargetRecords(Protocol):
    """The records of one target. target: its name.

    Names are "lock", "run" and "releases/APP". Texts may hold secrets: they are kept where secrets are.
    """

    target: str

    def read(self, name: str) -> TargetRecord:
        """Return a record; an empty one if there is none. Raises ProvError."""

    def write(self, name: str, text: str, version: str) -> TargetRecord:
        """Replace a record, and return the new one. version: of the record that is replaced; "" for none.

        Raises RecordMoved if it has another version by now, and ProvError.
        """


def moved(target: str, name: str) -> RecordMoved:
    """Return the error for a record that another client has replaced."""
    return RecordMoved(
        f"another client has changed what prov remembers of {target} ({name})", hint="Run the command again."
    )
