"""How programs read ini files: comments, separators, continued lines. Shipped to hosts.

Sources: Python's configparser; MySQL's manual, "Using Option Files"; PHP's parse_ini_file() and php.ini;
systemd.syntax(7). For an unknown reader, the strictest reading applies: a doubtful line is not part of a
value.
"""

import re
from typing import Dict, List, NamedTuple, Sequence

HEAD = re.compile(r"^\s*\[([^\]]*)\]")


class Dialect(NamedTuple):
    """separators: between key and value.  remarks: what starts a comment after a value, if known.
    continued: how a value continues on the next line: "indent", "backslash", "" (never), or "words": more
    deeply indented lines without a separator, which therefore cannot be keys.  same: how keys are
    compared."""

    comments: str = "#;"
    separators: str = "="
    remarks: str = ""
    continued: str = ""
    same: str = ""


DIALECTS: Dict[str, Dialect] = {
    "": Dialect(separators="=:", continued="words"),
    "configparser": Dialect(separators="=:", continued="indent", same="lower"),
    "mysql": Dialect(remarks="#", same="dashes"),
    "php": Dialect(comments=";", remarks=";"),
    "systemd": Dialect(continued="backslash"),
}

#: file name endings, and the program that reads such files
NAMES = {
    ".cnf": "mysql",
    ".service": "systemd",
    ".socket": "systemd",
    ".timer": "systemd",
    ".mount": "systemd",
    ".path": "systemd",
    ".network": "systemd",
    ".netdev": "systemd",
    ".link": "systemd",
}


class IniLine(NamedTuple):
    """What a line is. kind: "head", "key", "more" (of the key above), "comment" or "blank".

    name: of a section or key.  before: the text before the value: indent, key and separator.  separated:
    whether there is a separator.  value: the text after it.
    """

    kind: str
    name: str = ""
    before: str = ""
    separated: bool = False
    value: str = ""


def dialect_of(name: str, path: str) -> Dialect:
    """Return the dialect of that name; for "", the one for the file's name."""
    if not name:
        name = next((known for end, known in NAMES.items() if path.endswith(end)), "")
        if re.search(r"/systemd/.*\.conf$", path):
            name = "systemd"
    return DIALECTS[name]


def same_key(one: str, other: str, dialect: Dialect) -> bool:
    """Return whether a program takes two key names for the same key."""
    if dialect.same == "lower":
        return one.lower() == other.lower()
    if dialect.same == "dashes":
        return one.replace("_", "-") == other.replace("_", "-")
    return one == other


def entries(lines: Sequence[str], dialect: Dialect) -> List[IniLine]:
    """Return what each line of a file is to a program that reads this dialect."""
    found: List[IniLine] = []
    indent = -1  # the indent of the key whose value may continue
    goes_on = False  # after a backslash
    for line in lines:
        entry = entry_of(line, dialect)
        deeper = indent >= 0 and indent_of(line) > indent
        if entry.kind == "comment":
            found.append(entry)
            continue
        if goes_on:
            entry = IniLine("more", value=line)
        elif entry.kind in ("head", "key") and deeper and belongs(entry, dialect):
            if dialect.continued == "indent":
                blanks_belong(found)
            entry = IniLine("more", value=line)
        elif entry.kind in ("head", "key"):
            indent = indent_of(line) if entry.kind == "key" else -1
        elif dialect.continued != "indent":
            indent = -1  # an empty line ends it
        goes_on = dialect.continued == "backslash" and entry.value.endswith("\\")
        found.append(entry)
    return found


def entry_of(line: str, dialect: Dialect) -> IniLine:
    """Return what a line is if it does not belong to a line above."""
    text = line.strip()
    if not text:
        return IniLine("blank")
    if text[0] in dialect.comments:
        return IniLine("comment")
    head = HEAD.match(line)
    if head:
        return IniLine("head", head.group(1).strip())
    match = re.match(
        r"([ \t]*)([^%s]*?)([ \t]*[%s][ \t]*)(.*)$" % (dialect.separators, dialect.separators), line
    )
    if match:
        return IniLine("key", match.group(2), "".join(match.groups()[:3]), True, match.group(4))
    return IniLine("key", text, line.rstrip())


def belongs(entry: IniLine, dialect: Dialect) -> bool:
    """Return whether a line that is more deeply indented than the key above it is part of its value."""
    return dialect.continued == "indent" or (
        dialect.continued == "words" and entry.kind == "key" and not entry.separated
    )


def blanks_belong(found: List[IniLine]) -> None:
    """Return whether empty lines inside a value are part of it (configparser's empty_lines_in_values)."""
    for at in range(len(found) - 1, -1, -1):
        if found[at].kind == "blank":
            found[at] = IniLine("more")
        elif found[at].kind != "comment":
            return


def indent_of(line: str) -> int:
    """Return the number of white space characters at the start of a line."""
    return len(line) - len(line.lstrip())


def plain(value: str, dialect: Dialect) -> str:
    """Return a value without a comment after it."""
    if dialect.remarks and not value.startswith(('"', "'")):
        value = re.split(r"\s*[%s]" % re.escape(dialect.remarks), value, maxsplit=1)[0]
    return value.rstrip()
