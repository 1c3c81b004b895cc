"""Targets that are not hosts: their variable `platform` names what runs their applications.

A platform is a package of provision/platforms, which declares itself; nothing lists them.
"""

from __future__ import annotations

import keyword
from collections.abc import Container
from pathlib import Path
from typing import Any

import provision
from provision.names import is_misspelt, suggestion

FOLDER = Path(provision.__file__).parent / "platforms"
#: the variable
PLATFORM = "platform"


def platform_names() -> list[str]:
    """Return the names of all platforms, which are also those of their blocks in the inventory."""
    return sorted(path.parent.name.rstrip("_") for path in FOLDER.glob("*/__init__.py"))


def package_of(name: str) -> str:
    """Return the name of a platform's package: one that is a word of Python has a "_" after it."""
    return f"{name}_" if keyword.iskeyword(name) else name


def is_own_variable(value: Any, variables: Container[str]) -> bool:
    """Return whether a variable `platform` is one of the user's own, as inventories of Ansible may have it.

    It is prov's if it names a platform, or nearly does, or stands beside a block of a platform's name.
    """
    known = platform_names()
    near = isinstance(value, str) and any(value == name or is_misspelt(value, name) for name in known)
    return not near and not any(name in variables for name in known)


def wrong_platform(value: Any) -> str:
    """Return what is wrong with the value of `platform`; "" if nothing is."""
    known = platform_names()
    if value in known:
        return ""
    near = suggestion(value, known) if isinstance(value, str) else ""
    return f"{value!r} is not one of {', '.join(known)}.{near}"
