"""Python source as people write it: quoted texts, and lines that are short enough."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from provision.values import dataclass

WIDTH = 110
PAIRS = {"(": ")", "[": "]", "{": "}"}
#: texts that are longer go into several arguments
LONGEST_TEXT = 76


@dataclass(frozen=True)
class Call:
    """A call of a step. arguments, options: source of their values."""

    function: str
    arguments: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)

    def source(self, extra: Mapping[str, str] = {}) -> str:
        """Return the call in one line, with further options."""
        options = [
            f"**{value}" if name == "**" else f"{name}={value}"
            for name, value in {**self.options, **extra}.items()
        ]
        return f"{self.function}({', '.join(('c', *self.arguments, *options))})"


def quoted(text: str) -> str:
    """Return the source of a text, in double quotes unless it has some."""
    found = repr(text)
    return '"' + found[1:-1].replace("\\'", "'") + '"' if found[0] == "'" and '"' not in text else found


def pieces(text: str) -> list[str]:
    """Return a text in pieces that fit in lines: at its line ends, and at blanks."""
    found = []
    for line in text.splitlines(keepends=True):
        while len(line) > LONGEST_TEXT:
            at = line.rfind(" ", 1, LONGEST_TEXT) + 1 or LONGEST_TEXT
            found.append(line[:at])
            line = line[at:]
        found.append(line)
    return found


def identifier(name: str, taken: Iterable[str] = ()) -> str:
    """Return a name for Python made of any text: "Restart nginx" as restart_nginx."""
    found = re.sub("[^a-z0-9_]+", "_", name.lower()).strip("_") or "it"
    found = f"_{found}" if found[0].isdigit() else found
    reserved = {*dir(builtins), *taken}
    while keyword.iskeyword(found) or found in reserved:
        found += "_"
    return found


def laid_out(line: str, indent: int) -> list[str]:
    """Return a statement, given in one line, in lines that are short enough where that is possible."""
    whole = " " * indent + line
    if len(whole) <= WIDTH or (span := last_group(line)) is None:
        return [whole]
    start, end = span
    inside, after = line[start + 1 : end], line[end:]
    deeper = indent + 4
    parts = separated(inside)
    head = " " * indent + line[: start + 1]
    if len(head) > WIDTH and (first := first_group(line)) and first != span:
        start, end = first
        inside, after = line[start + 1 : end], line[end:]
        parts, head = separated(inside), " " * indent + line[: start + 1]
    loop = comprehension(inside)
    if len(loop) > 1:
        body = [each for part in loop for each in laid_out(part, deeper)]
    elif deeper + len(inside) <= WIDTH and (called(line, start) or len(parts) == 1):
        body = [" " * deeper + inside]
    elif len(parts) == 1:
        body = laid_out(parts[0], deeper)
    else:
        body = []
        for part in parts:
            lines = laid_out(part, deeper)
            body += [*lines[:-1], lines[-1] + ","]
    return [head, *body, " " * indent + after]


def called(line: str, start: int) -> bool:
    """Return whether a bracket holds arguments, which may share a line; items of a list do not."""
    return line[start] == "(" and start > 0 and (line[start - 1].isalnum() or line[start - 1] in "_)]")


def groups(line: str) -> list[tuple[int, int, int]]:
    """Return (start, end, depth) of each pair of brackets, outside of texts, in the order of their ends."""
    found, stack = [], []
    for at, here in outside_texts(line):
        if here in PAIRS:
            stack.append(at)
        elif here in PAIRS.values() and stack:
            start = stack.pop()
            found.append((start, at, len(stack)))
    return found


def outside_texts(line: str) -> Iterator[tuple[int, str]]:
    """Yield each character that is in no text, with its place."""
    quote, at = "", 0
    while at < len(line):
        here = line[at]
        if quote:
            if here == "\\":
                at += 1
            elif here == quote:
                quote = ""
        elif here in "\"'":
            quote = here
        else:
            yield at, here
        at += 1


def last_group(line: str) -> tuple[int, int] | None:
    """Return where the last outermost pair of brackets with something in it begins and ends."""
    outer = outer_groups(line)
    return outer[-1] if outer else None


def first_group(line: str) -> tuple[int, int] | None:
    """Return where the first outermost pair of brackets begins and ends."""
    outer = outer_groups(line)
    return outer[0] if outer else None


def outer_groups(line: str) -> list[tuple[int, int]]:
    """Return where each outermost pair of brackets with something in it begins and ends."""
    return [(start, end) for start, end, depth in groups(line) if depth == 0 and end > start + 1]


def comprehension(inside: str) -> list[str]:
    """Return the clauses of a comprehension; one part for anything else."""
    inner = {at for start, end, _ in groups(inside) for at in range(start, end + 1)}
    outside = {at for at, _ in outside_texts(inside)} - inner
    words = [m for m in re.finditer(r" (for|if) \w", inside) if m.start() in outside]
    at = next((m.start() for m in words if m[1] == "for"), -1)
    if at < 0 or inside.startswith("**"):
        return [inside]
    cuts = [m.start() for m in words if m.start() >= at]
    return [inside[a:b].strip() for a, b in zip([0, *cuts], [*cuts, len(inside)])]


def separated(inside: str) -> list[str]:
    """Return what commas separate, outside of brackets and texts."""
    inner = {at for start, end, _ in groups(inside) for at in range(start, end + 1)}
    found, begin = [], 0
    for at, here in outside_texts(inside):
        if here == "," and at not in inner:
            found.append(inside[begin:at].strip())
            begin = at + 1
    found.append(inside[begin:].strip())
    return [part for part in found if part]
