"""Contents of virtual environments, and of projects' sources. Shipped to hosts (Python 3.8)."""

import json
import os
import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from provision.system.paths import MAX_LINKS

if TYPE_CHECKING:
    from provision.system.host import System

#: a file in the environment that records what was installed; written once the installation is complete
STAMP = "prov-installed"
#: leftovers of a project's own tools, which are not part of its source
NOT_SOURCE = re.compile(r"^(\..*|__pycache__|build|dist|.*\.egg-info|.*\.pyc)\Z")


def read_stamp(host: "System", venv: str) -> Optional[Dict[str, Any]]:
    """Return what was installed into an environment; None if that is unknown."""
    path = venv + "/" + STAMP
    now = host.files.stat(path)
    if now is None or now.kind != "file" or now.uid != host.owner(None, None)[0]:
        # a file that a build could write says what the builder likes
        return None
    try:
        found = json.loads(host.files.read(path).decode())
    except ValueError:
        return None
    return found if isinstance(found, dict) and "installed" in found else None


def entries(host: "System", venv: str) -> List[str]:
    """Return the entries of an environment's site-packages."""
    found: List[str] = []
    for name in host.files.list(venv + "/lib"):
        found += host.files.list("%s/lib/%s/site-packages" % (venv, name))
    return [name for name in found if name != "__pycache__" and not name.startswith("~")]


def folders(host: "System", venv: str) -> List[str]:
    """Return where an environment has its programs and packages."""
    found = ["bin", "lib"]
    for name in host.files.list(venv + "/lib"):
        found += ["lib/" + name, "lib/%s/site-packages" % name]
    return found


def minor_version(host: "System", path: str) -> str:
    """Return "3.11" from the name of the file that an interpreter's links lead to; "" if it has none."""
    now = host.files.stat(path)
    for _ in range(MAX_LINKS):
        if now is None or now.kind != "link":
            break
        path = os.path.join(os.path.dirname(path), now.target)
        now = host.files.stat(path)
    found = re.search(r"/python(\d+\.\d+)\Z", path)
    return found.group(1) if found else ""


def interpreter_folders(host: "System", path: str) -> List[str]:
    """Return the Python installations that an interpreter's links lead through: folders with bin and lib."""
    found = []
    for _ in range(MAX_LINKS):
        found += [path, os.path.dirname(os.path.dirname(path))]
        now = host.files.stat(path)
        if now is None or now.kind != "link":
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), now.target))
    return found


def walk(host: "System", folder: str) -> Iterator[str]:
    """Return the files of a project's source, sorted."""
    for name in host.files.list(folder):
        path = "%s/%s" % (folder, name)
        now = host.files.stat(path)
        if now is None or NOT_SOURCE.match(name):
            continue
        if now.kind == "dir":
            yield from walk(host, path)
        elif now.kind == "file":
            yield path


def name_version(name: str) -> Tuple[str, str]:
    """Return name and version from the name of a .dist-info folder."""
    first, _, second = name.rpartition("-")
    return first, second
