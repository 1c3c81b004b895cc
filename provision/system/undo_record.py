"""The recorder of states before they change, as files, units and accounts use it. For type checkers only.

The journal (memory/run_journal.py) implements it. Plans have none, nor do runs that have changed nothing yet.
"""

from typing import TYPE_CHECKING, ContextManager, Protocol

if TYPE_CHECKING:
    from provision.system.unit_state import UnitState


class UndoRecord(Protocol):
    """The part of a journal that is called before a change."""

    def keep(self, fd: int, name: str, path: str, *, whole: bool = False, durable: bool = True) -> bool:
        """Record the state of a name in an open folder; return whether it is new in this record."""
        ...

    def keep_path(self, path: str, whole: bool = False) -> None:
        """Record the state of a path."""
        ...

    def keep_tree(self, path: str) -> None:
        """Record the state of a path, with everything below it."""
        ...

    def keep_folder(self, fd: int, name: str, path: str) -> None:
        """Record the state of a folder that is about to be removed, with everything below it."""
        ...

    def unit(self, verb: str, name: str, state: "UnitState") -> None:
        """Record a unit's state before `systemctl VERB`."""
        ...

    def accounts(self) -> ContextManager[None]:
        """Record the account files before and after they change in the block."""
        ...
