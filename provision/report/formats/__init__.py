"""Output formats of commands: each is a module `as_NAME.py`, which has its class as `FORMAT`.

There is no list of them: `--format` takes the names of the modules in this folder.
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

    FOR_PROGRAMS: whether programs read it. Then prov asks no questions, and text for people goes to stderr.
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
        """Whether lines may be redrawn, on a terminal."""
        return False

    @abstractmethod
    def report(self, style: Style, hosts: Sequence[str], roles: Sequence[str]) -> Report:
        """Return the report of a run. hosts, roles: names that will occur."""

    def answers(self, for_people: Callable[[], Report]) -> Report:
        """Return the report of a command, given the command's own report for people."""
        return for_people()

    @abstractmethod
    def show(self, events: Iterable[Mapping[str, Any]], lines: Iterable[str] = ()) -> None:
        """Show results. events: objects, with their kind as "event". lines: the same for people.

        A format reads one of the two, so that a generator makes only what is shown.
        """

    @abstractmethod
    def table(
        self, events: Iterable[Mapping[str, Any]], columns: Sequence[str], rows: Iterable[Sequence[str]]
    ) -> None:
        """Show a table. events: as for `show`. columns: their names. rows: the cells of each row."""

    def message(self, text: str) -> None:
        """Show a line that is only for people, such as progress."""
        say(text, err=self.FOR_PROGRAMS)

    def errors(self, errors: Sequence[ProvError]) -> None:  # noqa: B027
        """Show why a command failed, besides the message on stderr."""

    def end(self, hosts: Mapping[str, Any] | None = None, seconds: float | None = None) -> None:  # noqa: B027
        """End the output. hosts: step counts of each host. seconds: the time taken; by default since the
        start."""


def names() -> list[str]:
    """Return the names of the formats, the default first."""
    files = (path.stem for folder in __path__ for path in Path(folder).glob(f"{PREFIX}*.py"))
    return sorted((stem.removeprefix(PREFIX) for stem in files), key=lambda name: (name != DEFAULT, name))


def find(name: str) -> Format:
    """Return a new format of that name, for one run of a command."""
    module = importlib.import_module(f"{__name__}.{PREFIX}{name}")
    made: Format = module.FORMAT()
    return made


def asked_for(words: Sequence[str]) -> Format:
    """Return the format that an invalid command line asks for."""
    words = list(words[: words.index("--")]) if "--" in words else list(words)
    given = [word.removeprefix("--format=") for word in words if word.startswith("--format=")]
    given += [after for word, after in itertools.pairwise(words) if word == "--format"]
    name = "json" if "--json" in words else (given or [DEFAULT])[-1]
    return find(name if name in names() else DEFAULT)
