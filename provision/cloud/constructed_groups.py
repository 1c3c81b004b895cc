"""Groups and variables that expressions make of a host's variables.

Source: Ansible, "constructed" features of inventory plugins: compose, groups, keyed_groups. As there, an expression
that can't be worked out for a host is passed over, unless `strict` is set. Expressions are Jinja's, with its own
filters and `regex_replace`; they run in a sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from provision.cloud.described_instances import safe_name
from provision.values import dataclass


class ExpressionError(Exception):
    """An expression is not Jinja, or can't be worked out for a host."""


class Expressions:
    """Expressions, each compiled once."""

    def __init__(self) -> None:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self._env = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
        self._env.filters["regex_replace"] = lambda text, a, b="": re.sub(a, b, str(text))
        self._compiled: dict[str, Callable[..., Any]] = {}

    def compiled(self, text: str) -> Callable[..., Any]:
        """Return the function of an expression. Raises ExpressionError if it is not one."""
        from jinja2 import TemplateError

        if text not in self._compiled:
            try:
                self._compiled[text] = self._env.compile_expression(text, undefined_to_none=False)
            except TemplateError as error:
                raise ExpressionError(f"{text!r}: {error}") from None
        return self._compiled[text]

    def value(self, text: str, variables: Mapping[str, Any]) -> Any:
        """Return what an expression is for a host. Raises ExpressionError."""
        from jinja2 import Undefined

        try:
            found = self.compiled(text)(**variables)
        except ExpressionError:
            raise
        except Exception as error:
            # whatever an expression does with values of the wrong kind
            raise ExpressionError(f"{text!r}: {error}") from None
        if isinstance(found, Undefined):
            raise ExpressionError(f"{text!r} is not defined")
        return found


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
    if isinstance(key, str):
        names = [key or str(default)] if key or default is not None else []
    elif isinstance(key, (list, tuple)):
        names = [str(name) if name != "" or default is None else str(default) for name in key]
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
