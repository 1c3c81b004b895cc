"""requirements.txt and what it includes, as one text that means the same wherever it is read.

Source: pip's documentation, "Requirements File Format".
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import field
from typing import Protocol

from provision.errors import ConfigError
from provision.steps.support.index_lines import joined, without_comment
from provision.steps.support.local_projects import MARKS
from provision.values import dataclass

#: options that name another file, and those that name a project
FILES = {"-r": False, "--requirement": False, "-c": True, "--constraint": True}
EDITABLE = ("-e", "--editable")
ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2")
#: what a line names by a path begins with one; extras and a marker may follow
PATH = re.compile(r"(?:file:(?!//))?([^\s\[;]+)(.*)")
#: files that include files
DEEPEST = 20


class FileTree(Protocol):
    """The files of a source, by their paths in it."""

    def read(self, path: str) -> bytes:
        """Contents of a file. Raises OSError."""

    def has(self, path: str) -> bool:
        """Whether there is such a file."""

    def named(self, name: str) -> list[str]:
        """Paths of all files of that name."""

    def below(self, folder: str) -> list[str]:
        """Paths of all files in a folder and those in it."""


@dataclass(frozen=True)
class RequiredPackages:
    """What an environment gets.

    text: of a requirements file, with each project of the source as "./PATH".  constraints: text of a
    constraints file.
    edited: folders of projects that are imported from where they are (`-e`).
    """

    text: str
    constraints: str = ""
    edited: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    """Lines of all files that have been read. constraints: lines that only hold versions."""

    tree: FileTree
    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


def flattened(path: str, tree: FileTree, roots: tuple[str, ...] = ("",)) -> RequiredPackages:
    """A requirements file with what it includes in place of `-r` and `-c`.

    path: of it in the source.  roots: folders that the project is worked on from: pip takes paths of projects
    from
    there. Raises ConfigError, with the file and the line, for a file or project that the source does not
    have.
    """
    text = tree.read(path).decode()
    reading = _Reading(tree)
    _read(reading, path, text, roots, (path,), constrains=False)
    if text == joined(text) and reading.lines == text.splitlines() and not reading.constraints:
        return RequiredPackages(text)
    constraints = "".join(f"{line}\n" for line in reading.constraints)
    return RequiredPackages(
        "".join(f"{line}\n" for line in reading.lines), constraints, tuple(reading.edited)
    )


def project_line(path: str) -> str:
    """The line of requirements for a project of the source. path: "" for all of the source."""
    return f"./{path}"


def _read(
    reading: _Reading, path: str, text: str, roots: tuple[str, ...], way: tuple[str, ...], *, constrains: bool
) -> None:
    target = reading.constraints if constrains else reading.lines
    for number, line in _numbered(text):
        at = f"{path}:{number}"
        option, argument, rest = _parts(without_comment(line).strip(), at)
        if option in FILES and "://" not in argument:
            inner = _inside(path, argument, at)
            if not reading.tree.has(inner):
                raise ConfigError(f"{argument} is not in the source", where=at, hint=_ignored(inner))
            if inner in way or len(way) > DEEPEST:
                raise ConfigError(f"{argument} includes itself", where=at)
            data = reading.tree.read(inner).decode()
            _read(reading, inner, data, roots, (*way, inner), constrains=constrains or FILES[option])
        elif option in EDITABLE and "://" in argument:
            # of a repository: what is on a host is edited by no one, and uv takes none
            target.append(argument + rest)
        elif option in EDITABLE or (not option and _is_path(argument + rest)):
            found = _project(reading.tree, path, argument, roots, at)
            target.append(project_line(found) + rest)
            if option in EDITABLE:
                reading.edited.append(found)
        else:
            target.append(line)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines with the numbers that they have in the file; one that goes on after a backslash has its first
    one's."""
    number = 1
    for line in [] if not text else re.split(r"(?<!\\)\r?\n", text.removesuffix("\n")):
        yield number, joined(line.replace("\r\n", "\n"))
        number += line.count("\n") + 1


def _parts(line: str, at: str) -> tuple[str, str, str]:
    """An option that names something, what it names, and the rest: extras and a marker."""
    found = re.match(r"(--[a-z-]+|-[a-z])(?:\s*=\s*|\s+|(?<=^-[a-z]))(.*)", line)
    option, text = (found[1], found[2]) if found else ("", line)
    if option and option not in (*FILES, *EDITABLE):
        return option, text, ""
    if option in FILES:
        try:
            return option, (shlex.split(text) or [""])[0], ""
        except ValueError as error:
            raise ConfigError(f"is not a valid requirement: {error}", where=at) from None
    text = text.strip("\"'") if option else text
    if "://" in text:
        return option, text, ""
    parts = PATH.fullmatch(text)
    return (option, parts[1], parts[2]) if parts else (option, text, "")


def _is_path(text: str) -> bool:
    """Whether pip would look for it among the files."""
    name = text.split(";")[0].split("[")[0].strip()
    return (
        "://" not in text
        and not re.match(r"[\w.-]+\s*(\[[^\]]*\])?\s*@", text)
        and not text.startswith("-")
        and ("/" in name or name.startswith(".") or name.endswith(ARCHIVES))
    )


def _inside(path: str, given: str, at: str) -> str:
    """The path in the source of a file that another one includes. Raises ConfigError if it is outside."""
    found = within(posixpath.dirname(path), given)
    if found is None:
        raise outside(given, at)
    return found


def within(folder: str, given: str) -> str | None:
    """Where a path that begins in a folder of the source is in the source, "" for all of it; None if
    outside."""
    found = posixpath.normpath(posixpath.join(folder, given))
    if found.startswith(("..", "/")):
        return None
    return "" if found == "." else found


def outside(given: str, at: str) -> ConfigError:
    """The error for what leads out of the source."""
    return ConfigError(f"{given} is outside the source", where=at, hint="A host gets only the source.")


def _project(tree: FileTree, path: str, given: str, roots: tuple[str, ...], at: str) -> str:
    """The folder or archive in the source that a line names; "" for all of it."""
    tried = []
    for root in dict.fromkeys([posixpath.dirname(path), *roots]):
        found = within(root, given)
        if found is None:
            continue
        tried.append(found)
        if (found.endswith(ARCHIVES) and tree.has(found)) or any(
            tree.has(posixpath.join(found, mark)) for mark in sorted(MARKS)
        ):
            if re.search(r"\s", found):
                raise ConfigError(f"{found!r} contains a blank, which requirements do not allow", where=at)
            return found
    if not tried:
        raise outside(given, at)
    raise ConfigError(
        f"{given} is not a Python project: it has no pyproject.toml and no setup.py",
        where=at,
        hint=_ignored(tried[0] or "it"),
    )


def _ignored(path: str) -> str:
    return f"Is {path} ignored by .gitignore?"
