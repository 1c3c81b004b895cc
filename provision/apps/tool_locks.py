"""Reads the lock files of Poetry, PDM and Pipenv, as lines of a requirements file with hashes.

Sources: Poetry's packages/locker.py (lock-version 2.1: `groups` and `markers` of each package; older ones:
poetry_projects.py), PDM's "Lock file
specifications" (`groups` and `marker`), Pipenv's Pipfile.lock of Pipfile specification 6. What they say of extras is
left out: what an extra asks for is locked as a package of its own.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provision.apps.poetry_projects import needed_packages
from provision.errors import ConfigError

#: the command that makes requirements of each lock file, for what is not read here
EXPORTERS = {
    "poetry.lock": "poetry export -o requirements.txt (needs the plugin poetry-plugin-export)",
    "pdm.lock": "pdm export -o requirements.txt",
    "Pipfile.lock": "pipenv requirements > requirements.txt",
}

#: formats of Poetry before 2
POETRY_1 = ("1.1", "2.0")


def lines_of(name: str, text: str, project: str = "") -> str:
    """Return the requirements of a lock file, without those for development.

    name: of the file, one of EXPORTERS.  project: the pyproject.toml beside it, if there is one.  Raises
    ConfigError for what has no hash or is of another format, KeyError, TypeError, AttributeError and ValueError for
    what is not such a file.
    """
    data, export = json.loads(text) if name == "Pipfile.lock" else tomllib.loads(text), EXPORTERS[name]
    if name == "poetry.lock" and data["metadata"].get("lock-version") in POETRY_1:
        lines = of_poetry_1(data, tomllib.loads(project), export)
    else:
        readers = {"poetry.lock": of_poetry, "pdm.lock": of_pdm, "Pipfile.lock": of_pipenv}
        lines = readers[name](data, export)
    return "".join(f"{line}\n" for line in lines)


def of_poetry(data: Mapping[str, Any], export: str) -> Iterator[str]:
    """Yield the packages of the group main that no extra asks for."""
    version = str(data["metadata"]["lock-version"])
    if version != "2.1":
        raise ConfigError(
            f"is of Poetry's format {version}; those that are read are {', '.join((*POETRY_1, '2.1'))}",
            hint=f"Let Poetry 2 write it again (poetry lock), or export requirements: {export}",
        )
    for package in data["package"]:
        if "main" not in package["groups"] or package["optional"]:
            continue
        refuse_source(package, package.get("source", {}).get("type") not in (None, "legacy"), export)
        markers = package.get("markers", "")
        marker = markers if isinstance(markers, str) else markers.get("main", "")
        yield line_of(package["name"], package["version"], marker, hashes_of(package["files"]))


def of_poetry_1(data: Mapping[str, Any], project: Mapping[str, Any], export: str) -> Iterator[str]:
    """Yield the packages that a project of Poetry 1 asks for. project: its pyproject.toml."""
    # 1.1 has the files of all packages in one table
    files = data["metadata"].get("files", {})
    try:
        needed = list(needed_packages(data, project))
    except ConfigError as error:
        raise ConfigError(error.message, hint=f"Export requirements: {export}") from None
    for package, marker in needed:
        refuse_source(package, package.get("source", {}).get("type") not in (None, "legacy"), export)
        hashes = hashes_of(package["files"] if "files" in package else files[package["name"]])
        yield line_of(package["name"], package["version"], marker, hashes)


def of_pdm(data: Mapping[str, Any], export: str) -> Iterator[str]:
    """Yield the packages of the group default."""
    seen = set()
    for package in data["package"]:
        if "groups" not in package:
            raise ConfigError(
                "does not say which packages are for development: it is of an older PDM",
                hint=f"Let PDM write it again (pdm lock), or export requirements: {export}",
            )
        # a package with extras stands there once more
        key = (package["name"], package["version"])
        if "default" not in package["groups"] or key in seen:
            continue
        seen.add(key)
        refuse_source(package, any(kind in package for kind in ("git", "path", "url")), export)
        yield line_of(*key, package.get("marker", ""), hashes_of(package["files"]))


def of_pipenv(data: Mapping[str, Any], export: str) -> Iterator[str]:
    """Yield the packages of the section default."""
    for name, package in sorted(data["default"].items()):
        refuse_source({"name": name}, "version" not in package or "hashes" not in package, export)
        version = package["version"].removeprefix("==")
        yield line_of(name, version, package.get("markers", ""), package["hashes"])


def refuse_source(package: Mapping[str, Any], elsewhere: bool, export: str) -> None:
    """Raise ConfigError for a package that comes from elsewhere than an index: nothing vouches for its contents."""
    if elsewhere:
        raise ConfigError(
            f"{package['name']} comes from a folder, an address or a repository, which has no hash",
            hint=f"Export requirements: {export}",
        )


def hashes_of(files: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the hashes of a package's files, each once."""
    return list(dict.fromkeys(each["hash"] for each in files))


def line_of(name: str, version: str, marker: str, hashes: Sequence[str]) -> str:
    """Return the line of a requirements file."""
    for text in (name, version, marker, *hashes):
        if not isinstance(text, str) or set(text) & set("\n\r\\"):
            raise ValueError(f"{text!r} is not a text of one line")
    wanted = f"{name}=={version}" + (f" ; {marker}" if marker else "")
    return " ".join([wanted, *(f"--hash={each}" for each in hashes)])
