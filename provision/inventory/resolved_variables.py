"""Variables whose values are templates, worked out when they are used.

Source: ansible-core 2.19, "Using variables" and "Special variables". A template is only what the user's own inventory
files say: neither what a template yields, nor what comes of a lookup, of AWS, or of a value with !unsafe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from provision.errors import ConfigError
from provision.inventory.connection_settings import PASSWORDS
from provision.inventory.host_variables import HostVariables
from provision.inventory.problems import Problems
from provision.inventory.template_text import has_template, is_template
from provision.inventory.yaml_values import Deferred
from provision.secrets import Secret

if TYPE_CHECKING:
    from provision.expressions.jinja_sandbox import JinjaSandbox
    from provision.inventory.lookups import Lookups
    from provision.inventory.template_names import TemplateNames


#: groups that always exist, in Ansible's order
ALWAYS = ("all", "ungrouped")


class MembersOfGroup(Protocol):
    """A group of the inventory: hosts of its own, those that only `all` lists first, and the groups below it."""

    first: list[str]
    hosts: list[str]
    children: list[str]


class ResolvedVariables(Mapping[str, Any]):
    """The final variables of a host as plain Python values; passwords of the connection are Secrets.

    host: whose variables they are.  templates: of its inventory.
    Reading a variable raises ConfigErrors if it is a template that can't be worked out.
    """

    def __init__(self, host: HostVariables, templates: Templates) -> None:
        self._host, self._templates = host, templates
        self._known: dict[str, Any] = {}
        #: called with each value when it is first read
        self.noticed: Callable[[Any], None] = lambda value: None

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            part = self._host.located[name]
            value = part.value
            if part.deferred or has_template(value):
                value = self._templates.resolved(self._host, name)
            secret = name in PASSWORDS and isinstance(value, str)
            self._known[name] = Secret(value) if secret else value
            self.noticed(self._known[name])
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._host.located)

    def __len__(self) -> int:
        return len(self._host.located)

    def __contains__(self, name: object) -> bool:
        return name in self._host.located

    def to_show(self) -> dict[str, Any]:
        """Return all variables; templates that can't be worked out, and secrets that are read when they are used, as
        they are written."""
        found = {}
        for name in self:
            part = self._host.located[name]
            try:
                found[name] = part.value if part.deferred else self[name]
            except ConfigError:
                found[name] = part.value
        return found

    def used(self) -> dict[str, Any]:
        """Return all variables, as `to_show` does, but work out no template that has not been used."""
        return {name: self._known.get(name, part.value) for name, part in self._host.located.items()}


class Templates:
    """The templates of an inventory.

    hosts, groups: of the inventory.  project: the folder where lookups begin.  allowed: lookups on request.
    """

    def __init__(
        self,
        hosts: Mapping[str, HostVariables],
        groups: Mapping[str, MembersOfGroup],
        project: Path,
        allowed: Sequence[str] = (),
    ) -> None:
        self.hosts, self._groups = hosts, groups
        self.project, self._allowed = project, allowed
        self.secrets_read = 0
        self._scopes: dict[str, TemplateNames] = {}
        # hosts are on threads of their own, and the sandbox counts the work of one template
        self._lock = threading.RLock()

    @cached_property
    def sandbox(self) -> JinjaSandbox:
        """The environment of templates."""
        # imported here: Jinja takes 30 ms, and most inventories have no templates
        from provision.expressions.jinja_sandbox import JinjaSandbox

        return JinjaSandbox()

    @cached_property
    def lookups(self) -> Lookups:
        """The lookups of the project."""
        from provision.inventory.lookups import Lookups

        return Lookups(self.project, self._allowed)

    @cached_property
    def groups(self) -> Mapping[str, list[str]]:
        """The hosts of each group: its own, then those of the groups below it, one level after the other.

        Source: ansible-core's Group.get_hosts.
        """
        names = [
            *filter(self._groups.__contains__, ALWAYS),
            *(name for name in self._groups if name not in ALWAYS),
        ]
        return {name: list(dict.fromkeys(self._below(name))) for name in names}

    def _below(self, name: str) -> Iterator[str]:
        level, seen = [name], {name}
        while level:
            below: list[str] = []
            for each in level:
                group = self._groups[each]
                yield from (*group.first, *group.hosts)
                children = sorted(group.children, key=lambda child: child != ALWAYS[1])
                below += [child for child in children if child not in seen]
                seen.update(below)
            level = below

    def scope(self, name: str) -> TemplateNames:
        """Return the names that templates of a host can use."""
        from provision.inventory.template_names import TemplateNames

        if name not in self._scopes:
            self._scopes[name] = TemplateNames(self, self.hosts[name])
        return self._scopes[name]

    def resolved(self, host: HostVariables, name: str) -> Any:
        """Return the value of a host's variable. Raises ConfigErrors with every template that can't be worked out."""
        problems = Problems()
        with self._lock:

            def walk(value: Any, path: tuple[str | int, ...]) -> Any:
                if isinstance(value, dict):
                    return {key: walk(part, (*path, key)) for key, part in value.items()}
                if isinstance(value, list):
                    return [walk(part, (*path, index)) for index, part in enumerate(value)]
                found = value
                if isinstance(value, Deferred):
                    try:
                        found = value.open()
                    except ConfigError as error:
                        problems.add(host.error_as_written(path, error.message, error.hint))
                elif is_template(value):
                    with problems.gathered():
                        found = self.scope(host.name).final(path, value)
                return found

            found = walk(host.located[name].value, (name,))
        problems.raise_any()
        return found
