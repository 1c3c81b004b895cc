"""Lines of passwd(5), shadow(5), group(5), gshadow(5), subuid(5) and subgid(5), keyed by their first field.

Everything else in such a file stays byte for byte: other lines, their order, blank lines, comments. Shipped.
"""

from typing import Dict, List, Optional


def by_name(text: str) -> Dict[str, str]:
    """Return the lines of each name without their newlines: usually one, in subuid(5) perhaps several."""
    found: Dict[str, str] = {}
    for line in lines_of(text):
        name = name_of(line)
        if name:
            found[name] = "\n".join(filter(None, [found.get(name), line.rstrip("\n")]))
    return found


def with_line(text: str, name: str, line: Optional[str], above: str) -> str:
    """Return the text with a new line for a name, or without one if line is None.

    A new line goes below that of the name `above`; "" is the top.
    """
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
    """Return the lines with their newlines.

    Only a newline ends one: comments may hold other line separators.
    """
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def name_of(line: str) -> str:
    """Return the first field of a line; "" for a comment or a blank line."""
    return "" if line.startswith("#") else line.rstrip("\n").split(":", 1)[0].strip()
