"""Projects and archives that requirements name by a path in a folder, such as "./libs/x[fast]".

Shipped to hosts (Python 3.8, standard library).
"""

import hashlib
import re
from typing import TYPE_CHECKING, Iterator, List, NamedTuple, Sequence, Set

from provision.errors import StepError
from provision.steps.support.installed import walk
from provision.steps.support.installers import named_paths

if TYPE_CHECKING:
    from provision.system.builds.sandbox import Build
    from provision.system.host import System

LINE = re.compile(r"^(\./[^\s\[;]*)(.*)\Z")
#: a folder with one of these can be installed (packaging specifications, "Source distribution format")
MARKS = {"pyproject.toml", "setup.py"}


class Local(NamedTuple):
    """path: without leading "./"; "" for the folder itself.  rest: extras and a marker."""

    path: str
    rest: str


def local(line: str) -> "Local | None":
    """Return the path that a requirement line names; None if it names a package."""
    found = LINE.match(line)
    return Local(found.group(1)[2:].rstrip("/"), found.group(2)) if found else None


def locals_in(lines: Sequence[str]) -> List[Local]:
    """Return all paths that requirement lines name."""
    return [found for found in map(local, lines) if found is not None]


def at(folder: str, project: Local) -> str:
    """Return the path of a project on the host."""
    return "%s/%s" % (folder, project.path) if project.path else folder


def state(host: "System", paths: Sequence[str]) -> str:
    """Return a digest of the projects' contents; "" if there are none."""
    digest = hashlib.sha256()
    for path in paths:
        now = host.files.stat(path)
        for each in walk(host, path) if now is None or now.kind == "dir" else [path]:
            digest.update(("%s\0%s\0" % (each[len(path) :], host.files.sha256(each))).encode())
    return digest.hexdigest() if paths else ""


def copied(host: "System", build: "Build", path: str, leave: str) -> str:
    """Return where a build finds a project: an archive, or a copy, as builds write to it. StepError."""
    if host.planned:
        return path
    now = host.files.stat(path)
    if now is not None and now.kind == "file":
        return path
    if not MARKS & set(host.files.list(path)):
        raise StepError("%s holds no Python project: there is no pyproject.toml" % path)
    return build.copy(path, leave=leave)


def as_a_build_sees(host: "System", build: "Build", lines: Sequence[str], folder: str, leave: str) -> str:
    """Return requirements that name copies of their projects. Raises StepError."""
    text = "".join("%s\n" % line for line in lines if local(line) is None)
    for path in named_paths(host, [text]):
        if not host.planned and MARKS & set(host.files.list(path)):
            text = text.replace(path, build.copy(path, leave=leave))
    for each in locals_in(lines):
        text += copied(host, build, at(folder, each), leave) + each.rest + "\n"
    return text


def archives(host: "System", paths: Sequence[str]) -> Iterator[str]:
    """Return those that are files, which a build must see."""
    for path in paths:
        now = host.files.stat(path)
        if now is not None and now.kind == "file":
            yield path


def dropped(before: Sequence[str], lines: Sequence[str]) -> List[str]:
    """Return the requirement lines whose packages are no longer wanted."""
    remaining: Set[str] = {distribution(line) for line in lines}
    return [line for line in before if distribution(line) not in remaining]


def distribution(line: str) -> str:
    """Return a requirement's path, or its normalized name (packaging specifications)."""
    found = local(line)
    if found:
        return "./" + found.path
    name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line)
    return re.sub(r"[-_.]+", "-", name.group(0)).lower() if name else ""
