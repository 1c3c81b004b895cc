"""Host names with ranges and ports: web[01:50], db-[a:f], cache1:2222.

Source: docs.ansible.com, "How to build your inventory", adding ranges of hosts; a step is the third number.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Iterator

MOST = 10_000  # hosts from one pattern; a typing error should not fill the memory
LONGEST, RANGES = 300, 5  # characters of a pattern (names of DNS have 253), and ranges in it
DIGITS = 18  # of a number in text; Python refuses to convert more than 4300
LETTERS = string.ascii_letters
DOTTED = re.compile(r"[\d.]+")
NAME = re.compile(r"\w[\w.-]*", re.ASCII)


def is_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    if ":" not in text and not DOTTED.fullmatch(text):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def split_port(pattern: str) -> tuple[str, int | None]:
    """A host pattern and the port after its last colon, if it has one; IPv6 with a port is [2001:db8::1]:22.

    Raises ValueError, with a message for the user, if the port is not one.
    """
    if is_address(pattern):
        return pattern, None
    match = re.fullmatch(r"\[(?P<six>[0-9a-fA-F:.]+)\](?::(?P<port>\d+))?", pattern)
    if match and is_address(match["six"]):
        return match["six"], port_number(match["port"]) if match["port"] else None
    head, colon, tail = pattern.rpartition(":")
    if not colon or "]" in tail:
        return pattern, None
    return head, port_number(tail)


def port_number(text: str) -> int:
    """A TCP port from its digits; ValueError otherwise."""
    if len(text) > DIGITS or not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text[:60]!r} is not a port (1 to 65535)")
    return int(text)


def expand(pattern: str) -> list[str]:
    """Return the host names that a pattern stands for, in order.

    Raises ValueError, with a message for the user, for a bad range, a bad name, or more than 10,000 hosts.
    """
    if is_address(pattern):
        return [pattern]
    if len(pattern) > LONGEST or pattern.count("[") > RANGES:
        raise ValueError(f"{pattern[:60]!r}... is too long, or has more than {RANGES} ranges")
    names: list[str] = []
    for name in _expanded(pattern):
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a host name: use letters, digits, '.', '-' and '_'")
        names.append(name)
        if len(names) > MOST:
            raise ValueError(f"{pattern!r} stands for more than {MOST:,} hosts")
    return names


def _expanded(pattern: str) -> Iterator[str]:
    """Expand the first range; the rest of the pattern recursively."""
    head, bracket, rest = pattern.partition("[")
    if not bracket:
        yield pattern
        return
    inside, bracket, tail = rest.partition("]")
    if not bracket:
        raise ValueError(f"{pattern!r} has a '[' without its ']'")
    for item in _items(inside):
        for end in _expanded(tail):
            yield head + item + end


def _items(inside: str) -> Iterator[str]:
    """Return the values of a range in brackets; both ends are included."""
    shape = f"'[{inside}]' is not a range like [1:9], [01:50], [a:f] or, with a step, [1:9:2]"
    first, *others = inside.split(":")
    if len(others) not in (1, 2):
        raise ValueError(shape)
    last, step = others[0], others[1] if len(others) == 2 else "1"
    if not step.isdecimal() or int(step) == 0:
        raise ValueError(f"the step of '[{inside}]' must be a whole number, at least 1")
    first = first or "0"  # as Ansible: [:5] begins with 0
    if len(first) == len(last) == 1 and first in LETTERS and last in LETTERS:
        begin, end = LETTERS.index(first), LETTERS.index(last)
    elif first.isdecimal() and last.isdecimal():
        begin, end = int(first), int(last)
    else:
        raise ValueError(shape)
    if begin > end:
        raise ValueError(f"'[{inside}]' begins after its end")
    if first in LETTERS:
        yield from LETTERS[begin : end + 1 : int(step)]
        return
    padded = len(first) if len(first) > 1 and first.startswith("0") else 0
    if padded and len(last) != padded:
        raise ValueError(f"both ends of '[{inside}]' need the same number of digits")
    for number in range(begin, end + 1, int(step)):
        yield str(number).zfill(padded)
