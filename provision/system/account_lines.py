"""Lines of passwd(5), shadow(5), group(5), gshadow(5), subuid(5) and subgid(5), each known by its first word. Shipped.

All else in such a file stays to the byte: lines of others, their order, blank lines, comments.
"""

from typing import Dict, List, Optional


def by_name(text: str) -> Dict[str, str]:
    """The lines for each name, without the newline at their end: as a rule one, in subuid(5) perhaps several."""
    found: Dict[str, str] = {}
    for line in lines_of(text):
        name = name_of(line)
        if name:
            found[name] = "\n".join(filter(None, [found.get(name), line.rstrip("\n")]))
    return found


def with_line(text: str, name: str, line: Optional[str], above: str) -> str:
    """The text with another line for a name, or (None) without one. A new one goes below that of the name `above`;
    "" is the top."""
    lines = lines_of(text)
    if line is not None and lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    names = [name_of(each) for each in lines]
    new = [] if line is None else [each + "\n" for each in line.split("\n")]
    if name in names:
        at = names.index(name)
    elif above and above in names:
        at = len(names) - names[::-1].index(above)
    else:
        at = len(names) if above else 0
    before = [each for each, its in zip(lines[:at], names[:at]) if its != name]
    after = [each for each, its in zip(lines[at:], names[at:]) if its != name]
    return "".join([*before, *new, *after])


def lines_of(text: str) -> List[str]:
    """The lines with their newlines. Only that ends one: other characters that do elsewhere may be in a comment."""
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def name_of(line: str) -> str:
    """The first word of a line; "" of a comment or a blank line."""
    return "" if line.startswith("#") else line.rstrip("\n").split(":", 1)[0].strip()
