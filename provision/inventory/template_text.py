"""Which texts of an inventory are templates. Importing this costs nothing; working one out brings Jinja."""

from __future__ import annotations

from typing import Any

from provision.inventory.yaml_values import Verbatim, Written

#: lookups that run commands on this machine: `[tool.prov] lookups` has those that a project uses
ON_REQUEST = ("pipe",)
MARKS = ("{{", "{%", "{#")


def is_template(value: Any) -> bool:
    """Return whether a value is a text that Jinja has to work out."""
    return (
        isinstance(value, str)
        and "{" in value
        and not isinstance(value, Verbatim)
        and any(mark in value for mark in MARKS)
    )


def has_template(value: Any) -> bool:
    """Return whether there is a template in a value."""
    if isinstance(value, dict):
        return any(map(has_template, value.values()))
    if isinstance(value, list):
        return any(map(has_template, value))
    return is_template(value)


def verbatim(value: Any) -> Any:
    """Return a value whose texts are plain, whatever braces they have, but for those of inventory files."""
    if isinstance(value, dict):
        return {key: verbatim(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [verbatim(part) for part in value]
    if isinstance(value, Written):
        return str(value)
    return Verbatim(value) if isinstance(value, str) else value
