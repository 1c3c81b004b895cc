"""Formats in which commands say what they have found: a module `as_NAME.py` each, which has its class as `FORMAT`.

Nothing lists them: `--format` takes the names of the modules that are here.
"""

from __future__ import annotations

import importlib
import itertools
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from provision.errors import ProvError
from provision.report.screen import say, tolerate_all_characters

if TYPE_CHECKING:
    from provision.report.reporting import Report, Style

PREFIX = "as_"
DEFAULT = "text"


class Format(ABC):
    """out: where results go; stdout by default.

    FOR_PROGRAMS: whether programs read it. Then no one is asked anything, and what is only for people goes to stderr.
    """

    FOR_PROGRAMS: ClassVar[bool] = False

    def __init__(self, out: TextIO | None = None) -> None:
        tolerate_all_characters()
        self._out = out or sys.stdout
        self._began = time.monotonic()

    def took(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._began

    @property
    def moves(self) -> bool:
        """Whether lines may be drawn again, on a terminal."""
        return False

    @abstractmethod
    def report(self, style: Style, hosts: Sequence[str], roles: Sequence[str]) -> Report:
        """The report of a run. hosts, roles: names that will occur."""

    def answers(self, for_people: Callable[[], Report]) -> Report:
        """The report of a command that has one of its own for people."""
        return for_people()

    @abstractmethod
    def show(self, events: Iterable[Mapping[str, Any]], lines: Iterable[str] = ()) -> None:
        """Show what was found. events: objects, with "event" for the kind of each.  lines: the same for people.

        A format takes one of the two, so that generators make only what is shown.
        """

    @abstractmethod
    def table(
        self, events: Iterable[Mapping[str, Any]], columns: Sequence[str], rows: Iterable[Sequence[str]]
    ) -> None:
        """Show things of one kind. events: as for `show`.  columns: their names.  rows: the cells of each thing."""

    def message(self, text: str) -> None:
        """Show a line that is only for people, such as progress."""
        say(text, err=self.FOR_PROGRAMS)

    def errors(self, errors: Sequence[ProvError]) -> None:  # noqa: B027
        """Show why a command failed, beside what stderr says of it."""

    def end(self, hosts: Mapping[str, Any] | None = None, seconds: float | None = None) -> None:  # noqa: B027
        """Show that nothing follows. hosts: numbers of each.  seconds: the time taken, if not since the beginning."""


def names() -> list[str]:
    """The formats that there are, the default first."""
    files = (path.stem for folder in __path__ for path in Path(folder).glob(f"{PREFIX}*.py"))
    return sorted((stem.removeprefix(PREFIX) for stem in files), key=lambda name: (name != DEFAULT, name))


def find(name: str) -> Format:
    """The format of that name, for one run of a command."""
    module = importlib.import_module(f"{__name__}.{PREFIX}{name}")
    made: Format = module.FORMAT()
    return made


def asked_for(words: Sequence[str]) -> Format:
    """The format that a command line asks for, where it makes no sense otherwise."""
    words = list(words[: words.index("--")]) if "--" in words else list(words)
    given = [word.removeprefix("--format=") for word in words if word.startswith("--format=")]
    given += [after for word, after in itertools.pairwise(words) if word == "--format"]
    name = "json" if "--json" in words else (given or [DEFAULT])[-1]
    return find(name if name in names() else DEFAULT)
