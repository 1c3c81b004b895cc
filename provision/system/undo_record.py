"""What takes down how things are before they change, as files, units and accounts know it. For type checkers only.

The journal (memory/journal.py) is one; there is none in a plan, nor while nothing has changed yet.
"""

from typing import TYPE_CHECKING, ContextManager, Protocol

if TYPE_CHECKING:
    from provision.system.unit_state import UnitState


class UndoRecord(Protocol):
    """The part of a journal that those call who change something."""

    def keep(self, fd: int, name: str, path: str, *, whole: bool = False, durable: bool = True) -> bool:
        """Take down what is at a name in an open folder; return whether it is new in this record."""
        ...

    def keep_path(self, path: str, whole: bool = False) -> None:
        """Take down what is at a path."""
        ...

    def keep_tree(self, path: str) -> None:
        """Take down what is at a path, with everything below it."""
        ...

    def keep_folder(self, fd: int, name: str, path: str) -> None:
        """Take down a folder that is about to go, with everything below it."""
        ...

    def unit(self, verb: str, name: str, state: "UnitState") -> None:
        """Take down a unit's state before `systemctl VERB`."""
        ...

    def accounts(self) -> ContextManager[None]:
        """Take down the files of accounts before they change, and what became of them after."""
        ...
