"""Reads Poetry's own table of a pyproject.toml, and the lock files that Poetry 1 wrote: formats 1.1 and 2.0.

These locks do not say what each package is for. A deploy needs what the project asks for, and what that asks for in
turn, each under the markers of the ways that lead to it. Sources: Poetry's "Dependency specification", its
packages/locker.py of 1.1 and 1.8, and what poetry-plugin-export 1.9 makes of the same files.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from provision.errors import ConfigError

#: the marker of what an extra asks for, with the word that joins it to others
OF_EXTRA = re.compile(r"""(?: and )?extra == ["'][^"']+["'](?: and )?""")
#: ways to one package that are kept apart; more of them make it unconditional
MOST_WAYS = 16

Table = Mapping[str, Any]


@dataclass(frozen=True)
class Edge:
    """A package that something asks for. constraint: on its version.  marker: when; "" is always."""

    name: str
    constraint: str
    marker: str
    extras: tuple[str, ...]


def needed_packages(lock: Table, project: Table) -> Iterator[tuple[Table, str]]:
    """Yield the packages of a lock file that a deploy needs, each with its marker; "" is none.

    lock: of format 1.1 or 2.0.  project: of its pyproject.toml.  Raises ConfigError, and KeyError, TypeError,
    AttributeError or ValueError for what are not such files.
    """
    locked: dict[str, list[Table]] = {}
    for package in lock["package"]:
        locked.setdefault(canonicalize_name(package["name"]), []).append(package)
    ways: dict[tuple[str, str], set[frozenset[str]]] = {}
    seen: set[tuple[tuple[str, str], frozenset[str], tuple[str, ...]]] = set()
    queue = deque((edge, frozenset[str]()) for edge in edges_of(dependencies_of(project), {}))
    while queue:
        edge, before = queue.popleft()
        for package, choice in chosen(locked.get(edge.name, []), edge):
            key = (edge.name, package["version"])
            way = before | {marker for marker in (edge.marker, choice) if marker}
            if (key, way, edge.extras) in seen:
                continue
            seen.add((key, way, edge.extras))
            known = ways.setdefault(key, set())
            if len(known) >= MOST_WAYS:
                way = frozenset()
            known.add(way)
            optional = optional_of(package, edge.extras)
            queue.extend((found, way) for found in edges_of(package.get("dependencies", {}), optional))
    for (name, version), found in sorted(ways.items()):
        package = next(each for each in locked[name] if each["version"] == version)
        yield package, marker_of(found)


def requirements_of(project: Table) -> Iterator[str]:
    """Yield the packages that a project asks for, as lines of a requirements file.

    project: of its pyproject.toml.  Raises ConfigError for what such lines can't say.
    """
    for name, said in dependencies_of(project).items():
        for each in said if isinstance(said, list) else [said]:
            if not isinstance(each, str) and "version" not in each:
                raise ConfigError(f"{name} comes from elsewhere than an index")
    for edge in edges_of(dependencies_of(project), {}):
        extras = f"[{','.join(edge.extras)}]" if edge.extras else ""
        yield f"{edge.name}{extras}{specifiers_of(edge.constraint)}" + (
            f" ; {edge.marker}" if edge.marker else ""
        )


def dependencies_of(project: Table) -> Table:
    """Return what a pyproject.toml asks for in Poetry's table, without Python itself."""
    asked: Table = project["tool"]["poetry"]["dependencies"]
    return {name: said for name, said in asked.items() if name.lower() != "python"}


def python_of(project: Table) -> str:
    """Return the versions of Python that Poetry's table of a pyproject.toml names, as specifiers; "" if none that are
    read."""
    said = project.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python", "")
    try:
        return str(specifiers_of(said)) if isinstance(said, str) else ""
    except ConfigError:
        return ""


def specifiers_of(constraint: str) -> SpecifierSet:
    """Return a constraint of Poetry as specifiers. Raises ConfigError for alternatives (`||`), which they can't say."""
    parts = [part for part in re.split(r"\s*,\s*|(?<=[\w*.])\s+(?=[<>=!~^])", constraint.strip()) if part]
    try:
        return SpecifierSet(",".join(filter(None, map(specifier_of, parts))), prereleases=True)
    except InvalidSpecifier:
        raise ConfigError(f"the constraint {constraint!r} is not read") from None


def specifier_of(part: str) -> str:
    """Return one part of a constraint as specifiers (Poetry's "Dependency specification")."""
    if part == "*":
        return ""
    if part[0].isdigit():
        return f"=={part}"
    if part[0] == "^" or (part[0] == "~" and part[1:2] != "="):
        version = part[1:].strip()
        numbers = [int(number) for number in re.findall(r"\d+", re.split(r"[a-z+-]", version)[0])]
        if part[0] == "^":
            # the first that is not 0 stays, or the last one given
            last = next((n for n, number in enumerate(numbers) if number), len(numbers) - 1)
        else:
            last = min(1, len(numbers) - 1)
        below = [*numbers[:last], numbers[last] + 1]
        return f">={version},<{'.'.join(map(str, below))}"
    return part


def edges_of(dependencies: Table, of_extras: Mapping[str, str]) -> Iterator[Edge]:
    """Yield what a table of dependencies asks for. of_extras: those optional ones that are asked for."""
    for name, said in dependencies.items():
        for each in said if isinstance(said, list) else [said]:
            made = {"version": each} if isinstance(each, str) else each
            key = canonicalize_name(name)
            if made.get("optional") and key not in of_extras:
                continue
            yield Edge(
                key, made.get("version", "*"), conditions(name, made), tuple(sorted(made.get("extras", ())))
            )


def conditions(name: str, made: Table) -> str:
    """Return the marker of a dependency. Raises ConfigError for conditions that are not read."""
    marker = OF_EXTRA.sub("", made.get("markers", ""))
    if "extra" in marker:
        raise ConfigError(f"{name} depends on an extra in a way that is not read: {made['markers']}")
    parts = [marker] if marker else []
    if "platform" in made:
        parts.append(f"sys_platform == {quoted(made['platform'])}")
    if "python" in made:
        parts += map(python_marker, sorted(specifiers_of(made["python"]), key=str))
    return joined(parts, "and")


def optional_of(package: Table, extras: Sequence[str]) -> dict[str, str]:
    """Return the optional packages that extras of a locked one ask for, each with its extra."""
    known = {canonicalize_name(extra): names for extra, names in package.get("extras", {}).items()}
    return {named(text): extra for extra in extras for text in known.get(canonicalize_name(extra), [])}


def chosen(locked: Sequence[Table], edge: Edge) -> list[tuple[Table, str]]:
    """Return the locked packages that an edge means, the newest first, each with the marker of its versions of Python.

    The only one has none. Of several, Poetry has locked the newest for each Python: each holds below the oldest Python
    of the one before. Raises ConfigError if they do not differ by that.
    """
    if len(locked) == 1:
        return [(locked[0], "")]
    if not locked:
        raise ConfigError(f"{edge.name} is asked for, and not locked")
    allowed = specifiers_of(edge.constraint)
    found = [package for package in locked if package["version"] in allowed]
    if len(found) == 1:
        return [(found[0], "")]
    found.sort(key=lambda package: Version(package["version"]), reverse=True)
    oldest = [oldest_python(package) for package in found]
    if not found or oldest != sorted(set(oldest), reverse=True):
        raise ConfigError(
            f"{edge.name} is locked in {len(locked)} versions, and which one is meant is not read"
        )
    markers = []
    for at, since in enumerate(oldest):
        bounds = [f">={since}", *([f"<{oldest[at - 1]}"] if at else [])]
        markers.append(joined([python_marker(one) for one in map(Specifier, bounds)], "and"))
    return list(zip(found, markers, strict=True))


def oldest_python(package: Table) -> Version:
    """Return the oldest Python that a locked package is for; 0 if it does not say."""
    said = specifiers_of(package.get("python-versions", "*"))
    return max((Version(one.version) for one in said if one.operator == ">="), default=Version("0"))


def python_marker(one: Specifier) -> str:
    """Return a bound of Python's version as a marker."""
    variable = "python_full_version" if one.version.count(".") > 1 else "python_version"
    return f"{variable} {one.operator} {quoted(one.version)}"


def named(requirement: str) -> str:
    """Return the name of a requirement of an extra, such as `socks (>=1.5)`."""
    return canonicalize_name(re.split(r"[\s(\[<>=!~;]", requirement.strip(), maxsplit=1)[0])


def marker_of(ways: set[frozenset[str]]) -> str:
    """Return the marker of a package, of the markers on each way to it."""
    shortest = [way for way in ways if not any(other < way for other in ways)]
    if frozenset() in shortest:
        return ""
    return joined(sorted(joined(sorted(way), "and") for way in shortest), "or")


def joined(markers: Sequence[str], word: str) -> str:
    """Return one marker of several."""
    return markers[0] if len(markers) == 1 else f" {word} ".join(f"({each})" for each in markers)


def quoted(text: str) -> str:
    """Return a string of a marker. Raises ValueError for one with quotes."""
    if '"' in text:
        raise ValueError(f"{text!r} has quotes")
    return f'"{text}"'
