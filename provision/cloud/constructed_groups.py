"""Groups and variables that expressions make of a host's variables.

Source: Ansible, "constructed" features of inventory plugins: compose, groups, keyed_groups. As there, an expression
that can't be worked out for a host is passed over, unless `strict` is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.cloud.described_instances import safe_name
from provision.expressions.bounds import ExpressionError
from provision.values import dataclass


class Expressions:
    """Expressions, each compiled once."""

    def __init__(self) -> None:
        # imported here: it brings Jinja
        from provision.expressions.jinja_sandbox import JinjaSandbox

        self._sandbox = JinjaSandbox()
        self._compiled: dict[str, Any] = {}

    def template(self, text: str, variables: Mapping[str, Any]) -> str:
        """Return the text of a template for a host. Raises ExpressionError."""
        found = self._sandbox.render(text, variables)
        return "" if found is None else str(found)

    def value(self, text: str, variables: Mapping[str, Any]) -> Any:
        """Return what an expression is for a host. Raises ExpressionError."""
        try:
            if text not in self._compiled:
                self._compiled[text] = self._sandbox.compiled(text)
            return self._sandbox.evaluate(self._compiled[text], variables)
        except ExpressionError as error:
            raise ExpressionError(f"{text!r}: {error}") from None


@dataclass(frozen=True)
class Membership:
    """A group that a host is in. parent: the group above it, or ""."""

    group: str
    parent: str = ""


def keyed(entry: Mapping[str, Any], key: Any, *, leading: bool) -> list[Membership]:
    """Return the groups of one entry of `keyed_groups`. key: the value of its expression.

    leading: whether a separator stands before names without a prefix. Raises ExpressionError.
    """
    separator, prefix = str(entry.get("separator", "_")), str(entry.get("prefix", ""))
    default = entry.get("default_value")
    names: list[str] = []
    if key is None or isinstance(key, str):
        names = [key or str(default)] if key or default is not None else []
    elif isinstance(key, (list, tuple)):
        names = [str(default) if name in (None, "") and default is not None else str(name) for name in key]
    elif isinstance(key, Mapping):
        for name, value in key.items():
            if value == "" and default is None and entry.get("trailing_separator") is False:
                names.append(str(name))
            else:
                names.append(f"{name}{separator}{default if value == '' and default is not None else value}")
    else:
        raise ExpressionError(f"{entry.get('key')!r} is {key!r}, expected text, a list or a mapping")
    between = separator if prefix or leading else ""
    parent = safe_name(str(entry.get("parent_group", ""))) if entry.get("parent_group") else ""
    return [Membership(safe_name(f"{prefix}{between}{name}"), parent) for name in names]
