"""Keys of ini files that others write as well. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, NamedTuple, Optional, Sequence, Union

from provision.secrets import Secret
from provision.steps.base import Diff, Step, check_text, wanted
from provision.steps.support.dialects import DIALECTS, Dialect, IniLine, dialect_of, entries, plain, same_key
from provision.steps.support.rows import Row, Rows, new_rows
from provision.steps.text_edits import check_arguments, check_edit, edited, fingerprint

if TYPE_CHECKING:
    from provision.system.host import System

Value = Union[str, Secret, bool]


class HeldValue(NamedTuple):
    """A value that the file has for the key. at: number of its line.  tails: of those that continue it.
    value: True for a key without one."""

    at: int
    tails: "List[int]"
    value: "Union[str, bool]"
    line: IniLine


@wanted()
class IniValue(Step):
    """One key of an ini-like file: [section] and key = value. Comments, order and everything else stay.

        text.ini_value(c, "/etc/php/8.2/fpm/php.ini", "PHP", "memory_limit", "256M", dialect="php")
        text.ini_value(c, "/etc/mysql/my.cnf", "mysqld", "skip-networking", True)
        text.ini_value(c, "/etc/systemd/resolved.conf", "Resolve", "DNS", ["9.9.9.9", "1.1.1.1"])

    path: of the file; if it is a link, its target is edited.
    section: without brackets; "" is the part before the first section.
    key: as written in the file, case and all.
    value: one line as it appears in the file, with its quotes; may be a Secret. True is the key alone,
    without a value. A list is one line for each value, in this order. None removes the key.
    separator: between key and value, for a new line; an existing line keeps its own ("=" or ":").
    create: create the file if it is missing.  mode, owner, group, validate_with, backup: as of files.file.
    exclusive: False keeps other values of the key, and adds the missing ones.
    dialect: who reads the file. "configparser": more deeply indented lines go on with the value above, case
    of keys does not matter. "mysql": every line is a key of its own, - and _ are the same, # begins a remark.
    "php": ; begins a remark. "systemd": a value that ends in a backslash goes on in the next line. "" goes by
    the file's name (*.cnf, units, /etc/systemd/*.conf); for others an indented line belongs to the value
    above it if it has neither = nor : and is not a comment.
    If the section has the key several times, and one value is wanted, the last line stays, because readers of
    ini files use it. Continuation lines of its old value are removed.
    """

    path: str
    section: str
    key: str
    value: Union[Value, Sequence[Value], None]
    separator: str = " = "
    create: bool = False
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    validate_with: Sequence[str] = ()
    backup: bool = False
    exclusive: bool = True
    dialect: str = ""

    def label(self) -> str:
        return "%s: [%s] %s" % (self.path, self.section, self.key)

    def validate(self) -> None:
        check_arguments(self)
        check_text(self.key, "key")
        if re.search(r"[=:\[\]#;]|^\s|\s$", self.key):
            raise ValueError("key must not contain any of = : [ ] # ; nor begin or end with a space")
        if not isinstance(self.section, str) or re.search(r"[\]\n\r\0]", self.section):
            raise ValueError("section must be a name without brackets: %r" % (self.section,))
        if self.dialect not in DIALECTS:
            raise ValueError(
                "dialect must be one of %s, not %r" % (", ".join(filter(None, DIALECTS)), self.dialect)
            )
        separators = dialect_of(self.dialect, self.path).separators
        if self.separator.strip() not in tuple(separators) or re.search(r"[\n\r\0]", self.separator):
            raise ValueError("separator must be %s, with spaces or without" % " or ".join(separators))
        for value in self._wanted_values():
            self._check_value(value)

    def check(self, host: "System") -> Diff:
        return check_edit(self, host, "has this value" if self.value is not None else "has no such key")

    def apply(self, host: "System", diff: Diff) -> None:
        edited(self, host).noting(self).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return fingerprint(self, host)

    def removes(self) -> bool:
        """Whether a missing file is as good as an edited one."""
        return self.value is None

    def hidden(self) -> bool:
        """Whether a Secret goes into the file."""
        return any(isinstance(value, Secret) for value in self._wanted_values())

    def edit(self, old: Rows) -> bytes:
        """The file's contents as wanted."""
        lines, dialect = old.texts, dialect_of(self.dialect, self.path)
        found = entries(lines, dialect)
        parts = self._parts(found)
        held = [
            self._held(lines, found, n, dialect)
            for part in parts
            for n in part
            if found[n].kind == "key" and same_key(found[n].name, self.key, dialect)
        ]
        values = [value.reveal() if isinstance(value, Secret) else value for value in self._wanted_values()]
        now = [each.value for each in held]
        if not self.exclusive and self.value is not None:
            values = [*now, *(value for value in values if value not in now)]
        if now == values:
            return old.data(old.rows)
        rows: List[Optional[Row]] = list(old.rows)
        added = self._put(rows, held, values)
        remaining = [row for row in rows if row is not None]
        if not added:
            return old.data(remaining)
        if held:
            end = [held[-1].at, *held[-1].tails][-1] + 1
            at = end - rows[:end].count(None)
        elif parts:
            at = end_of(found, parts[-1])
        else:
            gap = [""] if any(row.text.strip() for row in remaining) else []
            at, added = len(remaining), [*gap, "[%s]" % self.section, *added]
        return old.data([*remaining[:at], *new_rows(added), *remaining[at:]])

    def _held(self, lines: Sequence[str], found: "List[IniLine]", at: int, dialect: Dialect) -> HeldValue:
        line, tails = found[at], more(found, at)
        value: "Union[str, bool]" = True
        if line.separated:
            value = "".join([line.value, *(lines[n] for n in tails)])
            value = value if tails else plain(value, dialect)
        return HeldValue(at, tails, value, line)

    def _put(
        self, rows: "List[Optional[Row]]", held: "List[HeldValue]", values: "List[Union[str, bool]]"
    ) -> List[str]:
        """Put values into the rows that the key has; returns the lines that are to be added."""
        surplus = max(len(held) - len(values), 0)
        for each in held[:surplus]:
            for n in (each.at, *each.tails):
                rows[n] = None
        for each, value in zip(held[surplus:], values):
            row = rows[each.at]
            assert row is not None  # only surplus ones have gone
            if value != each.value:
                rows[each.at] = row._replace(text=self._line(value, each.line))
                for n in each.tails:
                    rows[n] = None
        return [self._line(value, None) for value in values[len(held) :]]

    def _line(self, value: "Union[str, bool]", now: Optional[IniLine]) -> str:
        """A line with this value, like the one that is there now."""
        indent = now.before[: len(now.before) - len(now.before.lstrip())] if now else ""
        key = now.name if now else self.key
        if value is True:
            return indent + key
        before = now.before if now and now.separated else indent + key + self.separator
        return (before + str(value)).rstrip()

    def _parts(self, found: "List[IniLine]") -> "List[range]":
        """The lines of the section, without its heads: it may have several."""
        heads = [n for n, entry in enumerate(found) if entry.kind == "head"]
        starts = [(-1, "")] if not self.section else []
        starts += [(n, found[n].name) for n in heads if found[n].name == self.section]
        return [range(n + 1, next((h for h in heads if h > n), len(found))) for n, _ in starts]

    def _wanted_values(self) -> "List[Value]":
        if self.value is None:
            return []
        return list(self.value) if isinstance(self.value, (list, tuple)) else [self.value]  # type: ignore[list-item]

    def _check_value(self, value: Value) -> None:
        text = value.reveal() if isinstance(value, Secret) else value
        if text is True:
            return
        if not isinstance(text, str):
            raise ValueError("value must be text, a Secret, True, a list of these, or None, not %r" % (text,))
        if re.search(r"[\n\r\0]", text):
            raise ValueError("value must be one line")
        if text != text.strip():
            raise ValueError("value must not begin or end with white space, which readers drop: quote it")
        if text.endswith("\\") and dialect_of(self.dialect, self.path).continued == "backslash":
            raise ValueError(
                "value must not end in a backslash, after which the next line would belong to it"
            )


def more(found: "List[IniLine]", at: int) -> List[int]:
    """The lines after a key that belong to its value; comments among them are none of them."""
    below = []
    for number in range(at + 1, len(found)):
        if found[number].kind == "more":
            below.append(number)
        elif found[number].kind != "comment":
            break
    return below


def end_of(found: "List[IniLine]", part: range) -> int:
    """Where a new key of a section goes: after its last line, and before comments that speak of what
    follows."""
    at = part.stop
    while at > part.start and found[at - 1].kind == "comment":
        at -= 1
    if at == part.stop or at == part.start or found[at - 1].kind != "blank" or part.stop == len(found):
        at = part.stop
    while at > part.start and found[at - 1].kind == "blank":
        at -= 1
    return at
