"""Package indexes of installers, and logins for them. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import Dict, Iterator, List, Sequence

from provision.secrets import MASK, logins, without_logins
from provision.steps.base import Change
from provision.steps.support.environment import Environment, revealed

#: pip's variables for where packages come from; uv gets its own equivalents (installers.py)
VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")

#: a requirement of one version (PEP 508)
PINNED = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>(?:\[[^\]]*\])?)\s*===?")

#: the change of requirements whose lines are the same
REORDERED = Change("requirement", "in another order, or with other hashes", "")


def joined(requirements: str) -> str:
    """Return the text with lines that a backslash continues joined (pip: "Requirements File Format")."""
    return re.sub(r"[ \t]*\\\n[ \t]*", " ", requirements)


def without_comment(line: str) -> str:
    """Return a requirement line without its comment: "#" starts one at the line's start or after a blank."""
    return re.sub(r"(^|\s)#.*", "", line)


def check_no_logins(requirements: str, packages: Sequence[str]) -> None:
    """Raise ValueError for a login in a URL: every user of the host could read it."""
    for number, line in enumerate(requirements.splitlines(), 1):
        if logins(without_comment(line)):
            raise ValueError(
                "line %d of the requirements contains a login in a URL: %s. %s"
                % (number, *without_login(line))
            )
    for line in packages:
        if logins(line):
            raise ValueError("%s contains a login. %s" % without_login(line))


def without_login(line: str) -> "tuple[str, str]":
    """Return a line without its login, and a hint what to do."""
    advice = "Pass the index in `environment`, as PIP_EXTRA_INDEX_URL, with a Secret for its URL."
    return without_logins(line).strip(), advice


def index_changes(environment: Environment) -> Iterator[Change]:
    """Return the indexes that a new environment is installed from, without logins."""
    given = revealed(environment)
    for name in VARIABLES:
        for url in given.get(name, "").split():
            yield Change("index", "", without_logins(url) if "://" in url else MASK)


def other_requirements(before: Sequence[str], after: Sequence[str]) -> List[Change]:
    """Return the requirements that are new, dropped, or of another version than before."""
    had, want = ([without_hashes(line) for line in lines] for lines in (before, after))
    former: Dict[str, str] = {package(line): line for line in had if line not in want}
    found = []
    for line in want:
        if line not in had:
            found.append(Change("requirement", former.pop(package(line), ""), line))
    return found + [Change("requirement", line, "") for line in former.values()]


def package(line: str) -> str:
    """Return the name of a requirement's package, normalized (PEP 503); another line is its own name."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else line


def requirement_lines(text: str) -> List[str]:
    """Return the requirements in a file's text, one a line; a backslash continues a line (pip's requirements
    format)."""
    lines = (without_comment(line).strip() for line in joined(text).splitlines())
    return [line for line in lines if line]


def pin(line: str) -> str:
    """Return a requirement with hashes as a constraint, which may name no extras; "" for another one."""
    found = PINNED.match(line)
    return found["name"] + line[found.end("extras") :] if found and "--hash=" in line else ""


def without_hashes(line: str) -> str:
    """Return a requirement as people write it."""
    return line.split(" --hash=")[0].strip()
