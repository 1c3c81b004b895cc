"""Which Python an application runs on, and whether its source makes a release for it."""

from __future__ import annotations

import re

from provision.apps.app_model import SYSTEM, App
from provision.apps.app_releases import Release
from provision.apps.application import Application
from provision.errors import ConfigError, ProvError
from provision.inventory import InventoryHost

#: versions of Python to suggest, from that of the newest Debian
MINORS = ("3.13", "3.14", "3.15", "3.12", "3.11", "3.10", "3.9")


def version_of(app: App, system: str) -> str:
    """Return the version of an application's Python, if its setting says: "3.13", "3.11.2", or "" for any.

    system: version of the host's own.
    """
    if app.python == SYSTEM:
        return system
    found = re.search(r"(?:^|/python-?)(3\.\d+)(?=$|[./])|/python3\.(\d+)$", app.python)
    return (found[1] or f"3.{found[2]}") if found else ""


def unfit(release: Release, system: str) -> str:
    """Return why a release can't run on its application's Python; "" if it can, or if that is unknown.

    system: version of the host's own Python, such as "3.11.2".
    """
    version = version_of(release.app, system)
    if not version or fits(release.requires_python, version):
        return ""
    return f"{release.app.name} requires Python {release.requires_python} but would run on {version}"


def fits(required: str | None, version: str) -> bool:
    """Return whether a version of Python is allowed. "3.13" stands for any of its patch releases."""
    if not required:
        return True
    # imported here, as few projects need it
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        allowed = SpecifierSet(required)
    except InvalidSpecifier:
        # the project's own build reports it, if there is one
        return True
    candidates = [version] if version.count(".") > 1 else [f"{version}.{patch}" for patch in (0, 99)]
    return any(allowed.contains(each, prereleases=True) for each in candidates)


def unusable(app: Application, host: InventoryHost, system: str) -> ConfigError | None:
    """Return why an application's source makes no release that its Python can run, with its line of the inventory.

    host: the host that it is for.  system: version of that host's own Python; "" if it is unknown.
    """
    try:
        why = unfit(app.release, system)
    except ProvError as error:
        return host.error(("apps", app.name, "source"), str(error), error.hint)
    if not why:
        return None
    other = next((each for each in MINORS if fits(app.release.requires_python, each)), MINORS[-1])
    hint = f"Name another one: `python: '{other}'`, or a path on {host.name}."
    return host.error(("apps", app.name, "python"), why, hint)
