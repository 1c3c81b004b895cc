"""Package indexes of installers, and logins for them. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import Iterator, Sequence

from provision.secrets import MASK, logins, without_logins
from provision.steps.base import Change
from provision.steps.support.environment import Environment, revealed

#: variables of pip that name where packages come from; uv gets them as its own (installers.py)
VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")


def joined(requirements: str) -> str:
    """The text with lines that go on after a backslash as one (pip: "Requirements File Format")."""
    return re.sub(r"[ \t]*\\\n[ \t]*", " ", requirements)


def without_comment(line: str) -> str:
    """A line of requirements without its comment: a # begins one at its start or after a blank."""
    return re.sub(r"(^|\s)#.*", "", line)


def check_no_logins(requirements: str, packages: Sequence[str]) -> None:
    """Raise ValueError for a login in a URL: everyone could read it on the host."""
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
    """A line without its login, and what to do."""
    advice = "Pass the index in `environment`, as PIP_EXTRA_INDEX_URL, with a Secret for its URL."
    return without_logins(line).strip(), advice


def index_changes(environment: Environment) -> Iterator[Change]:
    """The indexes that a new environment is filled from, without logins."""
    given = revealed(environment)
    for name in VARIABLES:
        for url in given.get(name, "").split():
            yield Change("index", "", without_logins(url) if "://" in url else MASK)


def without_hashes(line: str) -> str:
    """A requirement as people write it."""
    return line.split(" --hash=")[0].strip()
