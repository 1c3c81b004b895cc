"""The dependencies of a project, from any of the usual files, as the text of a requirements file.

Hosts get that text, whatever it came from: pip and uv of any version read it, and check its hashes.
"""

from __future__ import annotations

import posixpath
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from provision.apps.poetry_projects import python_of, requirements_of
from provision.apps.requirement_files import FileTree, RequiredPackages, flattened, project_line
from provision.apps.tool_locks import EXPORTERS, lines_of
from provision.errors import ConfigError
from provision.steps.support.local_projects import MARKS, locals_in

#: files that list an application's packages, if the inventory names none: the first that exists
USUAL = (
    "requirements.txt",
    "pylock.toml",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "pyproject.toml",
)
#: options of uv export: uv.lock unchanged, without development dependencies
EXPORT = ["export", "--frozen", "--no-emit-project", "--no-dev", "--no-header", "--no-annotate", "--quiet"]


def packages_of(
    path: str,
    tree: FileTree,
    *,
    where: str,
    root: str = "",
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
) -> RequiredPackages:
    """Return the packages that a file asks for, by its name.

    path: of the file in the source.  root: folder of the application in it.  where: of the source, for
    errors.
    extras, groups: of pyproject.toml and uv.lock.  Raises ConfigError.
    """
    name = posixpath.basename(path)
    at = f"{where}: {path}"
    try:
        if name == "Pipfile":
            raise ConfigError("locks nothing", hint="Name the file that pipenv lock writes: Pipfile.lock")
        if name == "uv.lock":
            return from_uv_lock(path, tree, root, [*options("extra", extras), *options("group", groups)])
        if name == "pyproject.toml":
            return RequiredPackages(from_pyproject(tomllib.loads(tree.read(path).decode()), extras, groups))
        if extras or groups:
            raise ConfigError("has no extras or groups", hint="pyproject.toml and uv.lock have.")
        if name in EXPORTERS:
            beside = posixpath.join(posixpath.dirname(path), "pyproject.toml")
            project = tree.read(beside).decode() if tree.has(beside) else ""
            return RequiredPackages(lines_of(name, tree.read(path).decode(), project), locked=True)
        if name == "pylock.toml" or (name.startswith("pylock.") and name.endswith(".toml")):
            return RequiredPackages(from_pylock(tomllib.loads(tree.read(path).decode())), locked=True)
        return flattened(path, tree, (root, ""))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"can't be read: {error}", where=at) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"is not a valid file of its kind: {error!r}", where=at) from None
    except ConfigError as error:
        raise ConfigError(
            error.message, where=f"{where}: {error.where}" if error.where else at, hint=error.hint
        ) from None


def refuse_unreadable(
    path: str, tree: FileTree, *, where: str, extras: Sequence[str] = (), groups: Sequence[str] = ()
) -> None:
    """Raise ConfigError for a file of packages of a tool that can't be read; other formats are not read.

    Parameters: see packages_of.
    """
    name = posixpath.basename(path)
    if name in (*EXPORTERS, "Pipfile", "pyproject.toml"):
        packages_of(path, tree, where=where, extras=extras, groups=groups)


def upwards(root: str) -> Iterator[str]:
    """Yield a folder of the source and its parents; "" is the source itself."""
    while root:
        yield root
        root = posixpath.dirname(root)
    yield ""


def listed_in(tree: FileTree, root: str) -> str | None:
    """Return the file that lists an application's packages, in its folder or the nearest folder above it."""
    found = (posixpath.join(folder, name) for folder in upwards(root) for name in USUAL)
    return next((path for path in found if tree.has(path)), None)


def project_of(tree: FileTree, root: str, *, where: str) -> str:
    """Return the folder of the project that contains an application. Raises ConfigError if there is none."""
    for folder in upwards(root):
        if any(tree.has(posixpath.join(folder, mark)) for mark in MARKS):
            return folder
    raise ConfigError("`install` needs a pyproject.toml or setup.py, but the source has none", where=where)


def requires_python(tree: FileTree, root: str) -> str:
    """Return the Python versions that the project supports; "" if it does not say.

    Sources: packaging specifications, "requires-python"; Poetry's dependency on Python.
    """
    for folder in upwards(root):
        path = posixpath.join(folder, "pyproject.toml")
        if tree.has(path):
            try:
                project = tomllib.loads(tree.read(path).decode())
                said = project.get("project", {}).get("requires-python") or python_of(project)
            except (UnicodeDecodeError, tomllib.TOMLDecodeError, AttributeError):
                # the reader of its packages reports what is wrong with it
                return ""
            return said if isinstance(said, str) else ""
    return ""


def options(name: str, values: Sequence[str]) -> list[str]:
    """Return an option for each value."""
    return [f"--{name}={value}" for value in values]


def from_pyproject(data: dict[str, Any], extras: Sequence[str] = (), groups: Sequence[str] = ()) -> str:
    """Return a project's dependencies (packaging specifications, "pyproject.toml", "Dependency Groups")."""
    if "project" not in data and "dependencies" in data.get("tool", {}).get("poetry", {}):
        return from_poetry(data, extras, groups)
    if "project" not in data:
        raise ConfigError("has no [project] table with dependencies")
    project = data["project"]
    if "dependencies" in project.get("dynamic", []):
        raise ConfigError(
            "its dependencies are dynamic: only a build computes them", hint="Lock them, with uv or pip."
        )
    lines = list(project.get("dependencies", []))
    optional = project.get("optional-dependencies", {})
    for extra in extras:
        lines += known(optional, extra, "extra")
    for group in groups:
        lines += grouped(data.get("dependency-groups", {}), group, ())
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def from_poetry(data: dict[str, Any], extras: Sequence[str], groups: Sequence[str]) -> str:
    """Return the dependencies in Poetry's own table of a pyproject.toml."""
    hint = f"Export requirements: {EXPORTERS['poetry.lock']}"
    if extras or groups:
        raise ConfigError("extras and groups of Poetry's own table are not read", hint=hint)
    try:
        return "".join(f"{line}\n" for line in requirements_of(data))
    except ConfigError as error:
        raise ConfigError(error.message, hint=hint) from None


def grouped(groups: dict[str, Any], name: str, way: tuple[str, ...]) -> Iterator[str]:
    """Return the requirements of a group, and of groups that it includes."""
    if name in way:
        raise ConfigError(f"the group {name!r} includes itself")
    for line in known(groups, name, "group"):
        if isinstance(line, str):
            yield line
        else:
            yield from grouped(groups, line["include-group"], (*way, name))


def known(found: dict[str, Any], name: str, kind: str) -> list[Any]:
    """Return the entries under a name. Raises ConfigError."""
    if name not in found:
        raise ConfigError(f"has no {kind} {name!r}", hint=f"It has: {', '.join(found) or 'none'}.")
    listed: list[Any] = found[name]
    return listed


def from_pylock(data: dict[str, Any]) -> str:
    """Return the packages of a lock file, with hashes (packaging specifications, "pylock.toml")."""
    if not str(data["lock-version"]).startswith("1."):
        raise ConfigError(f"version {data['lock-version']} of this format is not supported")
    return "".join(f"{line}\n" for package in data["packages"] for line in locked(package))


def locked(package: dict[str, Any]) -> Iterator[str]:
    """Return the line for one package of a pylock.toml."""
    name, marker = package["name"], package.get("marker", "")
    if "extras" in marker or "dependency_groups" in marker:
        raise ConfigError(f"{name} is only for an extra or a group", hint="Lock only what is deployed.")
    if "archive" in package:
        wanted, files = f"{name} @ {package['archive']['url']}", [package["archive"]]
    elif "version" in package and ("wheels" in package or "sdist" in package):
        wanted = f"{name}=={package['version']}"
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    else:
        raise ConfigError(f"{name} comes from a folder or a repository, which has no hash")
    hashes = [f"--hash={kind}:{digest}" for file in files for kind, digest in sorted(file["hashes"].items())]
    yield " ".join([wanted + (f" ; {marker}" if marker else ""), *hashes])


def from_uv_lock(path: str, tree: FileTree, root: str, asked: Sequence[str]) -> RequiredPackages:
    """Return the packages of a uv.lock, with hashes, and its workspace members as projects of the source.

    Its format is uv's own, so uv reads it. root: of the application, which may be a workspace member.  asked:
    further options.
    """
    top = posixpath.dirname(path)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "uv.lock").write_bytes(tree.read(path))
        for each in tree.named("pyproject.toml"):
            if posixpath.commonpath([each, top]) == top:
                copy = Path(folder, posixpath.relpath(each, top or "."))
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(tree.read(each))
        argv = ["uv", *EXPORT, *member(tree, root, top), *asked, "--directory", folder]
        try:
            argv += ["--format", "requirements.txt"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        except FileNotFoundError:
            raise ConfigError(
                "only uv can read uv.lock, and this machine has no uv",
                hint="Install uv (pip install uv), or write a pylock.toml: uv export -o pylock.toml",
            ) from None
    if done.returncode:
        raise ConfigError("uv: " + (done.stderr.strip().splitlines() or ["failed"])[-1])
    found = flattened(path, Exported(tree, path, done.stdout.lstrip("\n")), (top,))
    return replace(found, locked=True)


def member(tree: FileTree, root: str, top: str) -> list[str]:
    """Return the option that selects an application that is a member of a workspace."""
    own = posixpath.join(root, "pyproject.toml")
    if root == top or not tree.has(own):
        return []
    name = tomllib.loads(tree.read(own).decode()).get("project", {}).get("name")
    return [f"--package={name}"] if name else []


class Exported:
    """A source in which one file is replaced by its tool's export to a common format."""

    def __init__(self, tree: FileTree, path: str, text: str) -> None:
        self._tree, self._path, self._text = tree, path, text
        self.has, self.named, self.below = tree.has, tree.named, tree.below

    def read(self, path: str) -> bytes:
        return self._text.encode() if path == self._path else self._tree.read(path)


def imported_from(tree: FileTree, folder: str) -> str:
    """Return the folder that a project's modules are in: its `src`, if it has one."""
    source = posixpath.join(folder, "src")
    return source if tree.below(source) else folder


def with_project(packages: RequiredPackages, folder: str) -> RequiredPackages:
    """Return the packages, and a project of the source imported from its place. folder: its path, "" for
    the whole source."""
    if folder in packages.edited:
        return packages
    text = packages.text + project_line(folder) + "\n"
    return replace(packages, text=text, edited=(*packages.edited, folder))


class FolderTree:
    """A folder of this machine as a tree."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, path: str) -> bytes:
        return Path(self._path, path).read_bytes()

    def has(self, path: str) -> bool:
        return Path(self._path, path).is_file()

    def named(self, name: str) -> list[str]:
        return [found.relative_to(self._path).as_posix() for found in self._path.rglob(name)]

    def below(self, folder: str) -> list[str]:
        return [found.relative_to(self._path).as_posix() for found in Path(self._path, folder).rglob("*")]


def of_file(path: Path) -> str:
    """Return the text of a requirements file of this machine, with what it includes. Raises ConfigError."""
    try:
        found = packages_of(path.name, FolderTree(path.parent), where=str(path.parent))
    except ConfigError as error:
        where = error.where.replace(f"{path.parent}: ", f"{path.parent}/", 1)
        raise ConfigError(error.message, where=where, hint=error.hint) from None
    if found.constraints or locals_in(found.text.splitlines()):
        raise ConfigError(
            "has constraints or projects in folders, which the host does not have",
            where=str(path),
            hint="Give python.venv `constraints`, and its `folder` with the projects.",
        )
    return found.text
