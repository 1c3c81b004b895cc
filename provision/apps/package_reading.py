"""Reads what an application's packages need of a host: a lock that can be read, a Python, what building them takes."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from provision.apps.project_files import ProjectFiles
from provision.apps.requirements import FolderTree, packages_of, refuse_unreadable, requires_python
from provision.errors import ConfigError

#: the default image of a lab host, and the Python version of each image
LAB_IMAGE = "debian-12"
PYTHONS = {"debian-12": "3.11.2", "debian-13": "3.13.5"}
#: packages that their authors publish as sources alone for Linux, and what building each takes on Debian
BUILT = {
    "mysqlclient": ("libmariadb-dev", "pkg-config", "gcc", "python3-dev"),
    "psycopg2": ("libpq-dev", "gcc", "python3-dev"),
    "python-ldap": ("libldap-dev", "libsasl2-dev", "gcc", "python3-dev"),
}


def unreadable(files: ProjectFiles, path: str) -> str:
    """Return why a file of packages can't be read, with what to do; "" if it can, or is of no tool's own format."""
    try:
        refuse_unreadable(path, FolderTree(files.folder), where="")
    except ConfigError as error:
        return f"{path} {error.message}. {error.hint}".rstrip(". ")
    return ""


def other_python(files: ProjectFiles, root: str) -> str:
    """Return that the host that is tried first lacks the Python that a project asks for; "" if it has it.

    root: folder of the application.
    """
    said = requires_python(FolderTree(files.folder), root)
    try:
        allowed = SpecifierSet(said or "")
    except InvalidSpecifier:
        return ""
    have = [name for name, version in PYTHONS.items() if allowed.contains(version)]
    if LAB_IMAGE in have:
        return ""
    other = f": boot one of these, prov lab up NAME --image {have[0]}" if have else ""
    return f"it requires Python {said}, and {LAB_IMAGE} has another one{other}; or set `python`"


def building(files: ProjectFiles, path: str) -> tuple[list[str], list[str]]:
    """Return the packages in a file that have to be built, and the Debian packages that this takes.

    path: of the file that lists them; uv.lock, which only uv reads, is passed over.
    """
    if path.endswith("uv.lock"):
        return [], []
    try:
        text = packages_of(path, FolderTree(files.folder), where="").text
    except ConfigError:
        # said already, or when it is deployed
        return [], []
    found = [name for name in dict.fromkeys(map(named, text.splitlines())) if name in BUILT]
    return found, list(dict.fromkeys(each for name in found for each in BUILT[name]))


def named(line: str) -> str:
    """Return the name of the package of a line of requirements; "" for other lines, and for other systems' packages."""
    try:
        requirement = Requirement(re.split(r"\s--hash|\s#", line)[0])
    except InvalidRequirement:
        return ""
    wanted = requirement.marker is None or requirement.marker.evaluate({"sys_platform": "linux"})
    return canonicalize_name(requirement.name) if wanted else ""
