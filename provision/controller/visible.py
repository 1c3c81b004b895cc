"""Make text safe for a terminal: escape characters that would control it or mislead the reader."""

from __future__ import annotations

import re

# C0 except newline and tab, DEL, C1 (ECMA-48)
CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
# bidi controls and marks (UAX 9), line and paragraph separators, zero-width characters (UTS 39), annotations,
# tags; and surrogates, which stand for bytes that are not UTF-8 (PEP 383)
UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff\ud800-\udfff"
)
# joiners belong in some scripts and in emoji, but never next to ASCII
JOINERS = r"(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f])|^[\u200c\u200d]|[\u200c\u200d]$"
SHOWN = re.compile(f"[{CONTROLS}{UNSEEN}]|{JOINERS}")
# colours, and "clear to the end of the line": program output may lose them
COLOURS = re.compile(r"\x1b\[[0-9;:]*[mK]")


def visible(text: str) -> str:
    """Return the text with control and invisible characters as \x1b or <U+202E>; newlines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return SHOWN.sub(lambda found: named(ord(found[0])), text)


def named(code: int) -> str:
    """Return a character as ASCII, and a byte that is not UTF-8 as that byte."""
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"<U+{code:04X}>"


def uncoloured(text: str) -> str:
    """Return a program's output without its colours, which are meant for its own terminal."""
    return COLOURS.sub("", text)
