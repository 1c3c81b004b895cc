"""The plugin `constructed`: variables and groups that expressions make of those that other files have.

Source: ansible-core 2.19, inventory plugin `constructed`, and "constructed" features of other plugins: `compose` sees
the variables of the inventory files, but not what it makes itself; `groups` and `keyed_groups` see that too. An
expression that can't be worked out for a host is passed over, unless `strict` is set. What they make is plain text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from provision.cloud.constructed_groups import Expressions, keyed
from provision.cloud.described_instances import safe_name
from provision.expressions.bounds import ExpressionError
from provision.inventory.graph import ALL, above
from provision.inventory.host_variables import HostVariables
from provision.inventory.located import Located
from provision.inventory.resolved_variables import Templates
from provision.inventory.template_names import checked_result, plain_result
from provision.inventory.template_text import verbatim
from provision.inventory.unresolved import Draft
from provision.inventory.yaml_values import shown
from provision.names import suggestion

IGNORED = ("use_extra_vars", "cache", "cache_plugin", "cache_timeout", "cache_connection", "cache_prefix")


class Constructed(BaseModel):
    """What a file of a plugin may say to make variables and groups."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plugin: str
    strict: bool = False
    compose: dict[str, str] = {}
    groups: dict[str, str | bool] = {}
    keyed_groups: list[dict[str, Any]] = []
    leading_separator: bool = True


Options = TypeVar("Options", bound=Constructed)


def load(document: Located, draft: Draft) -> None:
    """Add what a file of the plugin makes of the hosts that are known so far. Errors go to draft.problems."""
    given = {key: value for key, value in document.value.items() if key not in IGNORED}
    if given.pop("use_vars_plugins", False):
        part = document.parts["use_vars_plugins"]
        message = "is not supported: expressions see variables of inventory files, not of group_vars/ and host_vars/"
        draft.wrong(part.origin, ("use_vars_plugins",), message)
    options = checked(Constructed, given, document, draft)
    if options is not None:
        for name in list(draft.hosts):
            construct(name, options, document, draft)


def checked(
    model: type[Options], given: Mapping[str, Any], document: Located, draft: Draft, more: Sequence[str] = ()
) -> Options | None:
    """Return the options of a plugin's file, or None after adding its errors. more: other names that it may have."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        for each in error.errors():
            path = each["loc"]
            message = each["msg"][:1].lower() + each["msg"][1:]
            if each["type"] == "extra_forbidden":
                near = suggestion(str(path[-1]), [*model.model_fields, *more])
                plugin = str(document.value["plugin"]).rpartition(".")[2]
                message = f"the plugin {plugin} has no option {str(path[-1])!r}.{near}"
            if path[0] == "compose" and each["type"] == "string_type":
                message = f"must be an expression in quotes, not {shown(each['input'])}"
            draft.wrong(document.nearest(path).origin, path, message)
        return None


def construct(name: str, options: Constructed, document: Located, draft: Draft) -> None:
    """Add what `compose`, `groups` and `keyed_groups` make of a host's variables."""
    Construction(name, options, document, draft).run()


#: compiled expressions, by their text: a file asks the same of each host
EXPRESSIONS = Expressions()


class Construction:
    """Makes variables and groups of one host. name: the host.  options, document: of the plugin's file."""

    def __init__(self, name: str, options: Constructed, document: Located, draft: Draft) -> None:
        self._name, self._options, self._document, self._draft = name, options, document, draft

    def run(self) -> None:
        """Add them to the draft."""
        names = self._names()
        composed = {
            key: value
            for key, text in self._options.compose.items()
            for value in self._value(text, names, ("compose", key))
        }
        for key, value in composed.items():
            origin = self._document.nearest(("compose", key)).origin
            self._draft.set_host_var(self._name, key, Located(value, origin))
        names = self._names()
        for group, condition in self._options.groups.items():
            for holds in self._value(str(condition), names, ("groups", group)):
                if holds:
                    self._join(safe_name(group))
        for index, entry in enumerate(self._options.keyed_groups):
            path = ("keyed_groups", index)
            for key in self._value(str(entry.get("key", "")), names, path):
                self._keyed(entry, key, names, path)

    def _keyed(
        self, entry: Mapping[str, Any], key: Any, names: Mapping[str, Any], path: tuple[str | int, ...]
    ) -> None:
        """The groups of one entry of `keyed_groups`."""
        try:
            parent = entry.get("parent_group")
            if parent is not None:
                entry = {**entry, "parent_group": EXPRESSIONS.template(str(parent), names)}
            members = keyed(entry, key, leading=self._options.leading_separator)
        except ExpressionError as error:
            self._passed_over(path, error)
            return
        for member in members:
            self._join(member.group)
            if member.parent:
                self._draft.add_group(member.parent, self._document.origin)
                self._draft.add_child(member.parent, member.group)

    def _join(self, group: str) -> None:
        self._draft.add_group(group, self._document.origin)
        self._draft.add_host(self._name, group, self._document.origin)

    def _value(self, text: str, names: Mapping[str, Any], path: tuple[str | int, ...]) -> Iterator[Any]:
        """Yield what an expression is, unless it is passed over."""
        before = self._templates.secrets_read
        try:
            found = plain_result(EXPRESSIONS.value(text, names), whole=True)
            secret = self._templates.secrets_read > before
            yield checked_result(found, secret=lambda: True) if secret else verbatim(found)
        except ExpressionError as error:
            self._passed_over(path, error)

    def _passed_over(self, path: tuple[str | int, ...], error: ExpressionError) -> None:
        if self._options.strict:
            self._draft.wrong(self._document.nearest(path).origin, path, f"for {self._name}: {error}")

    def _names(self) -> Mapping[str, Any]:
        """What names mean for the host, by what is known so far."""
        groups = above(self._draft, self._name)
        located: dict[str, Located] = {}
        for group in (ALL, *groups):
            if group in self._draft.groups:
                located |= self._draft.groups[group].vars
        host = self._draft.hosts[self._name]
        variables = HostVariables(self._name, groups, host.origin, located | host.vars)
        self._templates = Templates({self._name: variables}, self._draft.groups, Path.cwd())
        return self._templates.scope(self._name)
