"""Where an application's packages come from: indexes of the inventory and of its requirements, with their
logins.

A login never stays in the text of the requirements, which hosts keep in a world-readable file. It goes into
the installer's environment, where only that process sees it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from provision.apps.settings import Index
from provision.errors import ConfigError
from provision.secrets import Secret, logins, without_logins
from provision.steps.support.index_lines import joined, without_comment
from provision.steps.tree import Entry
from provision.system.source import Source
from provision.values import dataclass

#: pip's options, and their variables (pip: "Requirements File Format", "Configuration")
OPTIONS = {
    "--index-url": "PIP_INDEX_URL",
    "-i": "PIP_INDEX_URL",
    "--pypi-url": "PIP_INDEX_URL",
    "--extra-index-url": "PIP_EXTRA_INDEX_URL",
    "--find-links": "PIP_FIND_LINKS",
    "-f": "PIP_FIND_LINKS",
}
#: files that list packages
LISTS = re.compile(r"(^|/)(requirements/[^/]+|[^/]*requirements[^/]*)\.(txt|in)$")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
ADVICE = (
    "The host would keep it in a world-readable file. Serve the package from an index, with its login "
    "under `indexes` in the inventory."
)


@dataclass(frozen=True)
class Requirements:
    """text: for a requirements file, without logins.  environment: of the installer."""

    text: str
    environment: Mapping[str, str | Secret]


def requirements_with(
    text: str, indexes: Sequence[Index], known: Mapping[str, str | Secret], *, where: str
) -> Requirements:
    """Return the requirements of an application, with the indexes of the inventory.

    known: values of ${NAME} in an index URL, as in pip.  where: named in errors.
    Raises ConfigError for a login in a package's URL, and for an unknown variable in an index.
    """
    remaining: list[str] = []
    taken: list[tuple[str, str]] = []
    moves = bool(indexes)
    for number, line in enumerate(joined(text).splitlines(), 1):
        at = f"{where}: {without_logins(line).strip()}"
        if line.lstrip().startswith("-"):
            rest, found = parted(line, known, at)
            taken += found
            moves = moves or (bool(found) and bool(VARIABLE.search(line) or logins(line)))
            remaining += [rest] if rest else []
        elif logins(without_comment(line)):
            raise ConfigError(f"line {number} has a login in the URL of a package", where=at, hint=ADVICE)
        else:
            remaining.append(line)
    listed = [
        ("PIP_INDEX_URL" if each.default else "PIP_EXTRA_INDEX_URL", each.with_login) for each in indexes
    ]
    if not moves:
        return Requirements(text, {})
    # all of them: pip ignores its environment's indexes if a file names one
    return Requirements("".join(f"{line}\n" for line in remaining), variables([*taken, *listed]))


def without_logins_in(entries: Iterable[Entry], requirements: str) -> Iterator[Entry]:
    """Return the files of a source as a host gets them: without logins in files that list packages, as they
    are world-readable.

    requirements: path of the application's own.
    """
    for path, mode, source, target in entries:
        shipped = source
        if source is not None and source.open is not None and (path == requirements or LISTS.search(path)):
            with source.open(b"") as f:
                text = f.read().decode("utf-8", "surrogateescape")
            if logins(text):
                shipped = Source.of(without_logins(text).encode("utf-8", "surrogateescape"))
        yield path, mode, shipped, target


def parted(line: str, known: Mapping[str, str | Secret], where: str) -> tuple[str, list[tuple[str, str]]]:
    """Return an option line without indexes, and the indexes: (variable, URL)."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise ConfigError(f"is not a valid line of options: {error}", where=where) from None
    remaining: list[str] = []
    found: list[tuple[str, str]] = []
    while words:
        option, equals, url = words.pop(0).partition("=")
        if option not in OPTIONS:
            remaining.append(option + equals + url)
            continue
        if not equals and words:
            url = words.pop(0)
        found.append((OPTIONS[option], expanded(url, known, where)))
    return shlex.join(remaining), found


def expanded(url: str, known: Mapping[str, str | Secret], where: str) -> str:
    """Return a URL with the values of its variables. Raises ConfigError for an unknown one."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in known:
            raise ConfigError(
                f"${{{name}}} is not set",
                where=where,
                hint=f"Set {name} under `secrets` of the application.",
            )
        text = known[name]
        shown = text.reveal() if isinstance(text, Secret) else text
        # a complete URL stays as it is, and so does text that is already quoted
        return shown if "://" in shown else quote(shown, safe="%!$&'()*+,;=:")

    return VARIABLE.sub(value, url)


def variables(places: Sequence[tuple[str, str]]) -> dict[str, str | Secret]:
    """Return the installer's environment with the indexes, in order; the last default wins."""
    found: dict[str, str] = {}
    for name, url in places:
        lists = name != "PIP_INDEX_URL" and name in found
        found[name] = f"{found[name]} {url}" if lists else url
    return {name: Secret(text) if logins(text) else text for name, text in found.items()}
