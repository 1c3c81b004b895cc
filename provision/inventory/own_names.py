"""Names of the variables that prov itself reads, which a project made for Ansible may use for something else.

`[tool.prov] prefix = "prov_"` in pyproject.toml leaves `roles`, `apps` and the like to the project: prov reads
`prov_roles` and `prov_apps`. Without it, `prov_roles` counts before `roles` where a host has both.
"""

from __future__ import annotations

import re
from typing import Any

from provision.errors import ConfigError
from provision.inventory.yaml_values import shown

#: counts also in projects that set no prefix
PREFIX = "prov_"
HINT = (
    "If {name!r} is a variable of your own, give the host prov_{name}, which counts instead, or set"
    ' prefix = "prov_" under [tool.prov] in pyproject.toml.'
)


def prefixes(prefix: str) -> tuple[str, ...]:
    """Return the prefixes of prov's own variables in a project; the last one wins. prefix: the project's."""
    return (prefix,) if prefix else ("", PREFIX)


def checked_prefix(value: Any, where: str) -> str:
    """Return a project's prefix. Raises ConfigError. where: the file, and the setting in it."""
    if isinstance(value, str) and re.fullmatch(r"((?!ansible_)[A-Za-z][A-Za-z0-9_]*_)?", value):
        return value
    raise ConfigError(f"must be the beginning of a name, such as prov_, not {shown(value)}", where=where)
