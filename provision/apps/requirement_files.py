"""Flattens requirements.txt and what it includes into one text that means the same wherever it is read.

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
#: a path in a line begins with one of these; extras and a marker may follow
PATH = re.compile(r"(?:file:(?!//))?([^\s\[;]+)(.*)")
#: files that include files
DEEPEST = 20


class FileTree(Protocol):
    """The files of a source, by their paths in it."""

    def read(self, path: str) -> bytes:
        """Return the contents of a file. Raises OSError."""

    def has(self, path: str) -> bool:
        """Return whether there is such a file."""

    def named(self, name: str) -> list[str]:
        """Return the paths of all files of that name."""

    def below(self, folder: str) -> list[str]:
        """Return the paths of all files in a folder and its subfolders."""


@dataclass(frozen=True)
class RequiredPackages:
    """The packages of an environment.

    text: of a requirements file, with each project of the source as "./PATH".  constraints: text of a
    constraints file.
    edited: folders of projects that are imported from where they are (`-e`).
    locked: whether it is from a lock file, whose tool always writes hashes. Those of a requirements file are written
    to refuse packages without one.
    """

    text: str
    constraints: str = ""
    edited: tuple[str, ...] = ()
    locked: bool = False


@dataclass(frozen=True)
class _Reading:
    """Lines of all files that have been read. constraints: lines that only constrain versions."""

    tree: FileTree
    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


def flattened(path: str, tree: FileTree, roots: tuple[str, ...] = ("",)) -> RequiredPackages:
    """Return a requirements file with the files that `-r` and `-c` include in their place.

    path: of it in the source.  roots: folders in which people work on the project: pip resolves paths of
    projects there. Raises ConfigError, with the file and the line, for a file or project that the source does
    not have.
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
    """Return the requirement line for a project of the source. path: "" for the whole source."""
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
            # of a repository: files on a host are not edited there, and uv rejects the option
            target.append(argument + rest)
        elif option in EDITABLE or (not option and _is_path(argument + rest)):
            found = _project(reading.tree, path, argument, roots, at)
            target.append(project_line(found) + rest)
            if option in EDITABLE:
                reading.edited.append(found)
        else:
            target.append(line)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers in the file; a continued line has the number of its first part."""
    number = 1
    for line in [] if not text else re.split(r"(?<!\\)\r?\n", text.removesuffix("\n")):
        yield number, joined(line.replace("\r\n", "\n"))
        number += line.count("\n") + 1


def _parts(line: str, at: str) -> tuple[str, str, str]:
    """Return an option that names something, the name, and the rest: extras and a marker."""
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
    """Return whether pip would look for it among the files."""
    name = text.split(";")[0].split("[")[0].strip()
    return (
        "://" not in text
        and not re.match(r"[\w.-]+\s*(\[[^\]]*\])?\s*@", text)
        and not text.startswith("-")
        and ("/" in name or name.startswith(".") or name.endswith(ARCHIVES))
    )


def _inside(path: str, given: str, at: str) -> str:
    """Return the path in the source of an included file. Raises ConfigError if it is outside."""
    found = within(posixpath.dirname(path), given)
    if found is None:
        raise outside(given, at)
    return found


def within(folder: str, given: str) -> str | None:
    """Return where a path, relative to a folder of the source, is in the source: "" for the whole source,
    None if outside."""
    found = posixpath.normpath(posixpath.join(folder, given))
    if found.startswith(("..", "/")):
        return None
    return "" if found == "." else found


def outside(given: str, at: str) -> ConfigError:
    """Return the error for a path that leads out of the source."""
    return ConfigError(f"{given} is outside the source", where=at, hint="A host gets only the source.")


def _project(tree: FileTree, path: str, given: str, roots: tuple[str, ...], at: str) -> str:
    """Return the folder or archive in the source that a line names; "" for the whole source."""
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
