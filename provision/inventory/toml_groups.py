"""Inventory files in TOML: [group.hosts.name], [group.vars], children as a list.

Source: ansible-core 2.19, inventory plugin `toml`; what it skips with a warning is refused here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provision.errors import ConfigError
from provision.inventory.located import Located, Origin
from provision.inventory.unresolved import Draft
from provision.inventory.yaml_values import shown
from provision.names import suggestion

SECTIONS = ("hosts", "children", "vars")


def load(path: Path, name: str, draft: Draft) -> None:
    """Add what a file says to the draft.

    name: the file's name in error messages.
    Raises ConfigError if the file can't be read or is not TOML; errors in its groups go to draft.problems.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        document = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=name) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", where=name) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"not TOML: {error}", where=name) from None
    TomlFile(text, Origin(name, 1, path.parent), draft).groups(document)


class TomlFile:
    """Reads one document into a draft. text: the file's.  top: its first line."""

    def __init__(self, text: str, top: Origin, draft: Draft) -> None:
        self._lines, self._top, self._draft = text.splitlines(), top, draft

    def groups(self, document: Mapping[str, Any]) -> None:
        """Add all groups of a document."""
        for group, data in document.items():
            if not isinstance(data, dict):
                self._wrong((group,), f"a group is a table with hosts, children or vars, not {shown(data)}")
                continue
            self._draft.add_group(group, self._origin((group,)))
            for section, part in data.items():
                self._section(group, section, part)

    def _section(self, group: str, section: str, part: Any) -> None:
        """What a group has under one of its keys."""
        path = (group, section)
        if section == "children" and isinstance(part, list) and all(isinstance(each, str) for each in part):
            for child in part:
                self._draft.add_group(child, self._origin(path))
                self._draft.add_child(group, child)
        elif section == "vars" and isinstance(part, dict):
            for key, value in part.items():
                self._draft.set_group_var(group, key, self._located(value, (*path, key)))
        elif section == "hosts" and isinstance(part, dict):
            for pattern, variables in part.items():
                where = (*path, pattern)
                if not isinstance(variables, dict):
                    self._wrong(where, f"variables are a table, not {shown(variables)}")
                    continue
                found = {key: self._located(value, (*where, key)) for key, value in variables.items()}
                self._draft.add_hosts(pattern, group, found, self._origin(where), where)
        elif section in SECTIONS:
            wanted = "a list of groups" if section == "children" else "a table"
            self._wrong(path, f"must be {wanted}, not {shown(part)}")
        else:
            near = suggestion(section, SECTIONS)
            self._wrong(path, f"a group has hosts, children and vars, not {section!r}.{near}")

    def _located(self, value: Any, path: tuple[str, ...]) -> Located:
        """A value whose parts are at the line of its key."""
        return _at(value, self._origin(path))

    def _wrong(self, path: tuple[str, ...], message: str) -> None:
        self._draft.wrong(self._origin(path), path, message)

    def _origin(self, path: tuple[str, ...]) -> Origin:
        """The line of a key: below the header of its table, or the header itself; tomllib says nothing of lines."""
        begin = 0
        for depth in range(len(path), 0, -1):
            head = r"\s*\[\s*" + r"\s*\.\s*".join(_quoted(part) for part in path[:depth]) + r"\s*\]"
            found = self._find(head, 0)
            if found is not None:
                begin = found
                if depth == len(path):
                    return self._line(found)
                break
        key = self._find(r"\s*(.*[.{,]\s*)?" + _quoted(path[-1]) + r"\s*[.=\]]", begin)
        return self._line(begin if key is None else key)

    def _find(self, pattern: str, begin: int) -> int | None:
        wanted = re.compile(pattern)
        return next((at for at in range(begin, len(self._lines)) if wanted.match(self._lines[at])), None)

    def _line(self, index: int) -> Origin:
        return Origin(self._top.file, index + 1, self._top.folder)


def _quoted(key: str) -> str:
    return rf"""["']?{re.escape(key)}["']?"""


def _at(value: Any, origin: Origin) -> Located:
    if isinstance(value, dict):
        return Located(value, origin, {key: _at(part, origin) for key, part in value.items()})
    if isinstance(value, list):
        return Located(value, origin, {index: _at(part, origin) for index, part in enumerate(value)})
    return Located(value, origin)
