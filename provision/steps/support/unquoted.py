"""Splits lines into words as systemd's tools do. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import List, Tuple

#: escapes as in C (systemd's cunescape): letter -> character
LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "s": 32}
ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|([0-7]{3})|(.))")


def unquoted(line: str, most: int) -> Tuple[List[str], str]:
    """Return at most the given number of words of a line, without quotes, and the unchanged rest.

    A backslash escapes the next character, in quotes as well. Raises ValueError for unclosed quotes.
    Source: extract-word.c, EXTRACT_UNQUOTE.
    """
    words: List[str] = []
    at = 0
    while len(words) < most:
        while at < len(line) and line[at].isspace():
            at += 1
        if at == len(line):
            break
        word, quote = "", ""
        while at < len(line) and (quote or not line[at].isspace()):
            character = line[at]
            at += 1
            if character == "\\":
                if at == len(line):
                    raise ValueError("the line ends with a backslash: %r" % line)
                word += line[at]
                at += 1
            elif character in (quote or "\"'"):
                quote = "" if quote else character
            else:
                word += character
        if quote:
            raise ValueError("a quote does not end: %r" % line)
        words.append(word)
    return words, line[at:].strip()


def unescaped(text: str) -> bytes:
    """Return a text with its C escapes resolved."""

    def meant(match: "re.Match[bytes]") -> bytes:
        sixteen, eight, letter = match.groups()
        if sixteen or eight:
            return bytes([int(sixteen, 16) if sixteen else int(eight, 8) & 255])
        return bytes([LETTERS[letter.decode()]]) if letter.decode("latin-1") in LETTERS else bytes(letter)

    return ESCAPE.sub(meant, text.encode())
