"""Inventory files in Ansible's INI format: [group], [group:children], [group:vars].

Source: ansible-core 2.19, inventory plugin `ini`, as it reads files rather than as its page describes them: lines of
hosts are split as a shell splits words, lines of variables at their first "=". Values of both are Python's literals
where they can be read as such (5, 1.5, True, None, ['a'], {'k': 1}), and text where they can't.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.inventory.graph import ALL, UNGROUPED
from provision.inventory.located import Located, Origin
from provision.inventory.unresolved import Draft
from provision.inventory.yaml_values import Verbatim

COMMENTS = ("#", ";")
SECTION = re.compile(r"\[([^:\]]+)(?::(\w+))?\]\s*(?:#.*)?")
CHILD = re.compile(r"([^:\[\]#]+?)\s*(?:#.*)?")
#: what makes a shell's words of a line differ from its words between blanks
WORD = re.compile(r"[^ \t\r\n]+")
BLANKS = " \t\r\n"
SHELL_MARKS = re.compile(r"[\"'\\#]")
#: what most lines with quotes consist of: no comment and no backslash, which are left to shlex
PIECE = re.compile(r"""[^ \t\r\n"'\\#]+|'[^'\\]*'|"[^"\\]*"|[ \t\r\n]+""")
#: most values: words and addresses, and whole numbers; reading them as literals takes ten times as long
PLAIN_WORD = re.compile(
    r"(?!(?:True|False|None)$)[A-Za-z_][\w.-]*(?:\w| [A-Za-z_][\w. -]*)|\d+(?:\.\d+){2,}", re.ASCII
)
SHORT_NUMBER = re.compile(r"0|-?[1-9]\d{0,15}")
KINDS = ("hosts", "children", "vars")
#: characters; longer values are text, as reading a literal takes time and memory
LONGEST_LITERAL = 10_000
#: characters of a host's line; shlex takes ten times as long for each three times as many
LONGEST_LINE = 50_000


def load(path: Path, name: str, draft: Draft) -> None:
    """Add what a file says to the draft.

    name: the file's name in error messages.
    Raises ConfigError if the file can't be read; errors in its lines go to draft.problems.
    """
    with warnings.catch_warnings():
        # of literals such as "\d" and 1jump, which stay as they are
        warnings.simplefilter("ignore")
        IniFile(path, name, draft).load()


class IniFile:
    """Reads one file into a draft. path, name, draft: see `load`."""

    def __init__(self, path: Path, name: str, draft: Draft) -> None:
        self._path, self._name, self._draft = path, name, draft
        #: groups whose variables, or whose membership, came before their own section
        self._undeclared: dict[str, tuple[Origin, str]] = {}

    def load(self) -> None:
        """Read it."""
        group, kind = UNGROUPED, "hosts"
        for origin, line in self._lines():
            found = SECTION.fullmatch(line)
            if found:
                group, kind = found[1], found[2] or "hosts"
                self._begin(group, kind, origin)
            elif line.startswith("[") and line.endswith("]"):
                self._draft.wrong(
                    origin,
                    (),
                    f"{line!r} is not a section",
                    "Write [group], [group:children] or [group:vars].",
                )
            elif kind == "hosts":
                self._hosts(group, line, origin)
            elif kind == "children":
                self._child(group, line, origin)
            elif kind == "vars":
                self._variable(group, line, origin)
        for name, (origin, how) in self._undeclared.items():
            self._draft.wrong(origin, (name,), how)

    def _lines(self) -> Iterator[tuple[Origin, str]]:
        """Yield the lines that say something. Raises ConfigError: unreadable, or not UTF-8 outside of comments."""
        try:
            data = self._path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=self._name) from None
        for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
            origin = Origin(self._name, number, self._path.parent)
            try:
                line = raw.decode().strip()
            except UnicodeDecodeError:
                if raw.lstrip().startswith(tuple(mark.encode() for mark in COMMENTS)):
                    continue
                raise ConfigError("is not UTF-8 text", where=str(origin)) from None
            if line and not line.startswith(COMMENTS):
                yield origin, line

    def _begin(self, group: str, kind: str, origin: Origin) -> None:
        """A section begins."""
        if kind not in KINDS:
            hint = f"There are [{group}], [{group}:children] and [{group}:vars]."
            self._draft.wrong(origin, (group,), f"a section of an unknown kind: {kind!r}", hint)
            return
        if kind != "vars":
            self._undeclared.pop(group, None)
        else:
            self._note_undeclared(group, origin, f"[{group}:vars] is of a group that there is not")
        self._draft.add_group(group, origin)

    def _hosts(self, group: str, line: str, origin: Origin) -> None:
        """A host, or a range of hosts, with variables."""
        try:
            if len(line) > LONGEST_LINE:
                raise ValueError(f"the line has more than {LONGEST_LINE:,} characters")
            pattern, *words = shell_words(line) if SHELL_MARKS.search(line) else WORD.findall(line)
        except ValueError as error:
            self._draft.wrong(origin, (group,), str(error))
            return
        variables = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                hint = "Behind a host stand only variables: name=value."
                self._draft.wrong(origin, (group, pattern), f"{word!r} is not a variable", hint)
                continue
            variables[name] = located(literal(value), origin)
        self._draft.add_group(group, origin)
        self._draft.add_hosts(pattern, group, variables, origin, (group,))

    def _child(self, group: str, line: str, origin: Origin) -> None:
        """A group of a group."""
        found = CHILD.fullmatch(line)
        if found is None:
            self._draft.wrong(origin, (group,), f"{line!r} is not the name of a group")
            return
        child = found[1]
        self._note_undeclared(child, origin, f"[{group}:children] has a group that there is not")
        self._draft.add_group(child, origin)
        self._draft.add_child(group, child)

    def _note_undeclared(self, group: str, origin: Origin, what: str) -> None:
        """Note an error about a group that a later section may still declare."""
        if group not in self._draft.groups and group not in (ALL, UNGROUPED):
            self._undeclared[group] = (origin, what)

    def _variable(self, group: str, line: str, origin: Origin) -> None:
        """A variable of a group."""
        name, equals, value = line.partition("=")
        if not equals:
            self._draft.wrong(origin, (group, "vars"), f"{line!r} is not a variable: name=value")
            return
        self._draft.set_group_var(group, name.strip(), located(literal(value.strip()), origin))


def shell_words(line: str) -> list[str]:
    """Return the words of a line as shlex does, without comments, but ten times as fast for most lines.

    Raises ValueError: an open quotation.
    """
    pieces: list[str] = PIECE.findall(line)
    if sum(map(len, pieces)) != len(line):
        return shlex.split(line, comments=True)
    words: list[str] = []
    inside = False
    for piece in pieces:
        if piece[0] in BLANKS:
            inside = False
            continue
        text = piece[1:-1] if piece[0] in "\"'" else piece
        if inside:
            words[-1] += text
        else:
            words.append(text)
        inside = True
    return words


def literal(text: str) -> Any:
    """Return what a value means: one of Python's literals, or text."""
    if len(text) > LONGEST_LITERAL or PLAIN_WORD.fullmatch(text):
        return text
    if SHORT_NUMBER.fullmatch(text):
        return int(text)
    try:
        return plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def plain(value: Any) -> Any:
    """Return a literal as YAML and JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(part) for part in value), key=repr)
    if isinstance(value, bytes):
        return Verbatim(value.decode("utf-8", "backslashreplace"))
    if isinstance(value, complex):
        return str(value)
    return value if value is not ... else "..."


def located(value: Any, origin: Origin) -> Located:
    """Return a value whose parts are all on one line."""
    if isinstance(value, dict):
        return Located(value, origin, {key: located(part, origin) for key, part in value.items()})
    if isinstance(value, list):
        return Located(value, origin, {at: located(part, origin) for at, part in enumerate(value)})
    return Located(value, origin)
