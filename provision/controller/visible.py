"""Text as a terminal may have it: what would steer it, or look like something else, is shown instead of obeyed."""

from __future__ import annotations

import re

# C0 but for newline and tab, DEL, C1 (ECMA-48)
CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
# bidi controls and marks (UAX 9), separators of lines and paragraphs, characters that take no room (UTS 39),
# annotations, tags; halves of surrogate pairs: bytes that were no UTF-8 (PEP 383) come as such
UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff\ud800-\udfff"
)
# joiners belong into some scripts and into emoji, and nowhere next to ASCII
JOINERS = r"(?<=[\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?=[\x00-\x7f])|^[\u200c\u200d]|[\u200c\u200d]$"
SHOWN = re.compile(f"[{CONTROLS}{UNSEEN}]|{JOINERS}")
# colours, and "clear to the end of the line": programs' output may lose them
COLOURS = re.compile(r"\x1b\[[0-9;:]*[mK]")


def visible(text: str) -> str:
    """The text with all that a terminal obeys, or that no one sees, shown as \\x1b or <U+202E>; lines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return SHOWN.sub(lambda found: named(ord(found[0])), text)


def named(code: int) -> str:
    """A character in ASCII; a byte that was no UTF-8 as what it was."""
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"<U+{code:04X}>"


def uncoloured(text: str) -> str:
    """What a program has printed, without its colours, which are for its own terminal."""
    return COLOURS.sub("", text)
