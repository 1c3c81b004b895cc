"""Patterns of .gitignore files, matched in bounded time.

Every star is matched once, in an atomic group: a pattern such as `*a*a*a*a*b` costs time in proportion to its
length.
Source: gitignore(5), and git's wildmatch.c for the rest. Bytes, as in git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import NamedTuple

CLASSES: dict[bytes, Callable[[bytes], bool]] = {
    b"alnum": bytes.isalnum,
    b"alpha": bytes.isalpha,
    b"blank": lambda c: c in b" \t",
    b"cntrl": lambda c: c[0] < 32 or c[0] == 127,
    b"digit": bytes.isdigit,
    b"graph": lambda c: 32 < c[0] < 127,
    b"lower": bytes.islower,
    b"print": lambda c: 32 <= c[0] < 127,
    b"punct": lambda c: 32 < c[0] < 127 and not c.isalnum(),
    b"space": bytes.isspace,
    b"upper": bytes.isupper,
    b"xdigit": lambda c: c in b"0123456789abcdefABCDEF",
}
STAR = b""


class Pattern(NamedTuple):
    """A line. parts: of a path, None for `**`; a single part if it is for names in any folder."""

    parts: tuple[re.Pattern[bytes] | None, ...]
    anywhere: bool
    folders_only: bool
    negated: bool

    def matches(self, path: list[bytes], folder: bool) -> bool:
        """Return whether it matches a path, given as its parts."""
        if self.folders_only and not folder:
            return False
        if self.anywhere:
            return self.parts[0] is not None and self.parts[0].fullmatch(path[-1]) is not None
        return len(path) >= len(self.parts) - self.parts.count(None) and parts_match(self.parts, path)


class Patterns:
    """The patterns of one file; the last one that matches counts."""

    def __init__(self, text: bytes) -> None:
        lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        self._patterns = [p for p in map(pattern_of, reversed(lines)) if p is not None]

    def verdict(self, path: str, folder: bool) -> bool | None:
        """Return whether a path below the file's folder is ignored; None if no pattern matches."""
        parts = os.fsencode(path).split(b"/")
        return next((not p.negated for p in self._patterns if p.matches(parts, folder)), None)


def parts_match(parts: tuple[re.Pattern[bytes] | None, ...], path: list[bytes]) -> bool:
    """Match the parts of a path one by one; at a mismatch, the last `**` takes one more part."""
    at = n = 0
    again: tuple[int, int] | None = None
    while at < len(path):
        part = parts[n] if n < len(parts) else None
        if n < len(parts) and part is None:
            if n == len(parts) - 1:
                return True
            again, n = (n, at), n + 1
        elif part is not None and part.fullmatch(path[at]):
            at, n = at + 1, n + 1
        elif again is not None:
            n, at = again[0] + 1, again[1] + 1
            again = (again[0], at)
        else:
            return False
    return n == len(parts)


def pattern_of(line: bytes) -> Pattern | None:
    """Return the pattern of a line; None if it has none, or one that matches nothing."""
    line = trimmed(line.removesuffix(b"\r"))
    if not line or line.startswith(b"#"):
        return None
    negated = line.startswith(b"!")
    line = line[1:] if negated else line
    folders_only = line.endswith(b"/")
    line = line[:-1] if folders_only else line
    anywhere = b"/" not in line
    words = split(line.removeprefix(b"/"))
    parts = [None if word == b"**" and not anywhere else part_of(word) for word in words]
    if any(part is None and word != b"**" for part, word in zip(parts, words, strict=True)) or not line:
        return None
    return Pattern(tuple(parts), anywhere, folders_only, negated)


def trimmed(line: bytes) -> bytes:
    """Return a line without trailing spaces, unless a backslash protects them."""
    end = at = 0
    while at < len(line):
        significant = line[at] != 0x20
        at += 2 if line[at] == 0x5C else 1
        end = at if significant else end
    return line[:end]


def split(line: bytes) -> list[bytes]:
    """Split a pattern at its slashes, but not at a slash within brackets."""
    words, begin, at = [], 0, 0
    while at < len(line):
        found = bracket(line, at + 1) if line[at] == 0x5B else None
        if line[at] == 0x2F or line.startswith(b"\\/", at):
            words.append(line[begin:at])
            at += line[at] == 0x5C
            begin = at + 1
        at = found[1] if found else at + (2 if line[at] == 0x5C else 1)
    return [*words, line[begin:]]


def part_of(word: bytes) -> re.Pattern[bytes] | None:
    """Return a regular expression for one part of a path; None if nothing matches, as for an open bracket."""
    pieces: list[bytes] = []
    at = 0
    while at < len(word):
        letter = word[at : at + 1]
        at += 1
        if letter == b"*":
            if not pieces or pieces[-1] != STAR:
                pieces.append(STAR)
        elif letter == b"?":
            pieces.append(b".")
        elif letter == b"[":
            found = bracket(word, at)
            if found is None:
                return None
            pieces.append(found[0])
            at = found[1]
        else:
            if letter == b"\\":
                letter, at = word[at : at + 1], at + 1
                if not letter:
                    return None
            pieces.append(re.escape(letter))
    return re.compile(atomic(pieces), re.DOTALL)


def atomic(pieces: list[bytes]) -> bytes:
    """Join pieces so that each star but the last matches as little as possible, without backtracking."""
    runs: list[list[bytes]] = [[]]
    for piece in pieces:
        if piece == STAR:
            runs.append([])
        else:
            runs[-1].append(piece)
    first, *rest = (b"".join(run) for run in runs)
    if not rest:
        return first
    *middle, last = rest
    return first + b"".join(b"(?>.*?" + run + b")" for run in middle) + b".*" + last


def bracket(word: bytes, at: int) -> tuple[bytes, int] | None:
    """Return the expression for a bracket, and its end; None if it does not end. at: index after its `[`."""
    negated = word[at : at + 1] in (b"!", b"^")
    at += negated
    letters: set[int] = set()
    begin, previous = at, -1
    while at < len(word):
        letter = word[at]
        if letter == 0x5D and at > begin:
            wanted = [n for n in range(256) if (n in letters) != negated and n != 0x2F]
            return (b"[" + b"".join(b"\\x%02x" % n for n in wanted) + b"]" if wanted else b"(?!)"), at + 1
        if word.startswith(b"[:", at) and (end := word.find(b":]", at)) > 0:
            test = CLASSES.get(word[at + 2 : end])
            if test is None:
                return None
            letters.update(n for n in range(256) if test(bytes([n])))
            at, previous = end + 2, -1
            continue
        if letter == 0x2D and previous >= 0 and at + 1 < len(word) and word[at + 1] != 0x5D:
            at += 1
            if word[at] == 0x5C:
                at += 1
            if at >= len(word):
                return None
            letters.update(range(previous, word[at] + 1))
            at, previous = at + 1, -1
            continue
        if letter == 0x5C:
            at += 1
            if at >= len(word):
                return None
            letter = word[at]
        letters.add(letter)
        at, previous = at + 1, letter
    return None
