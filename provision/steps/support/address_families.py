"""Refuse rules of nftables that mix IPv4 and IPv6: they can match no packet. Shipped to hosts (Python 3.8).

Source: nft(8), "IPV4 HEADER EXPRESSION", "IPV6 HEADER EXPRESSION", "NAT STATEMENTS".
"""

import re
from typing import Iterator, List, NamedTuple

NAMES = {4: "IPv4", 6: "IPv6"}
#: not part of the rules: texts in quotes, comments, and the line ends that a backslash joins
ASIDE = re.compile(r'"[^"\n]*"|#[^\n]*|\\\n')
#: "ip saddr 10.0.0.1", "ip6 daddr != { ::1, ::2 }", "dnat ip to 10.0.0.5:80"
MATCH = re.compile(r"\b(ip6?)\s+[sd]addr\s+(?:!=\s*|==\s*)?(\{[^{}]*\}|[^\s;{}]*)")
TRANSLATION = re.compile(r"\b[sd]nat\s+(ip6?\s+)?to\s+([^\s;{}]*)")
#: with a prefix length, or with a port behind it, and the IPv6 address in brackets then
FOUR = re.compile(r"^\d+\.\d+\.\d+\.\d+(?:[/:-]|\Z)")
SIX = re.compile(r"^\[?[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(?:[\]/-]|\Z)")
#: a set that has one kind of address
ELEMENTS = re.compile(r"\btype\s+ipv(4|6)_addr\s*[;\n][^{}]*\belements\s*=\s*\{([^{}]*)\}")


class Part(NamedTuple):
    """What belongs to a family, 4 or 6, in the words of the rule, and where it is in its text."""

    family: int
    text: str
    at: int


def refuse_mixed(text: str, family: str = "inet") -> None:
    """Raise ValueError if a rule, or another part of a table, mixes IPv4 and IPv6.

    text: rules or a table's contents, in nft's language.  family: of the table they are in.
    """
    text = ASIDE.sub(lambda found: " " * len(found.group()), text)
    table = {"ip": 4, "ip6": 6}.get(family)
    before = None
    for part in parts(text):
        if table and part.family != table:
            raise ValueError(mixed(Part(table, "the table's family %s" % family, 0), part))
        together = before and not re.search(r"[;\n{}]", outside(text[before.at : part.at]))
        if before and together and before.family != part.family:
            raise ValueError(mixed(before, part))
        before = part


def parts(text: str) -> "Iterator[Part]":
    """Return what is of one family, in order. Raises ValueError if a part mixes both in itself."""
    found: List[Part] = []
    for match in MATCH.finditer(text):
        part = Part(6 if match.group(1) == "ip6" else 4, " ".join(match.group().split()), match.start())
        found += [part]
        refuse_others(part, match.group(2))
    for match in TRANSLATION.finditer(text):
        said, to = (match.group(1) or "").strip(), of_address(match.group(2))
        family = {"ip": 4, "ip6": 6}.get(said, to)
        if family:
            part = Part(family, " ".join(match.group().split()), match.start())
            found.append(part)
            refuse_others(part, match.group(2))
    for match in ELEMENTS.finditer(text):
        refuse_others(
            Part(int(match.group(1)), "a set of type ipv%s_addr" % match.group(1), 0), match.group(2)
        )
    return iter(sorted(found, key=lambda part: part.at))


def refuse_others(part: Part, values: str) -> None:
    """Raise ValueError if one of these addresses is of the other family."""
    for value in values.strip("{} \n").split(","):
        word = (value.split() or [""])[0]
        if of_address(word) not in (0, part.family):
            raise ValueError(mixed(part, Part(of_address(word), word, 0)))


def of_address(word: str) -> int:
    """Return 4 or 6; 0 if the word is not an address, such as a set's name."""
    return 4 if FOUR.match(word) else 6 if SIX.match(word) else 0


def outside(text: str) -> str:
    """Return text without anonymous sets and maps, which may go over several lines."""
    return re.sub(r"\{[^{}]*\}", "", text)


def mixed(one: Part, other: Part) -> str:
    """Return the message that says which is which."""
    return "%s is %s and %s is %s: no packet has both" % (
        one.text,
        NAMES[one.family],
        other.text,
        NAMES[other.family],
    )
