"""What the loaders of inventory files fill in: hosts, groups, and the variables written beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from provision.inventory import ranges
from provision.inventory.located import Located, LocatedError, Origin
from provision.inventory.problems import Problems
from provision.inventory.ranges import DIGITS
from provision.inventory.yaml_values import revealed, shown
from provision.values import dataclass
from provision.vault.keyring import EMPTY, Keyring

# Ansible's inventory guide, "How variables are merged": read from inventory files only, not from group_vars/,
# because it decides in which order those are read.
PRIORITY = "ansible_group_priority"

# characters that have a meaning in a TARGET, or would break a table or a path
RESERVED = set(",:!&*?[]/") | set(" \t\n")
MOST_HOSTS = 100_000


@dataclass
class UnresolvedGroup:
    """A group as written in inventory files.

    children: names of groups, hosts: names of its own hosts (not of its children), both in inventory order.
    first: hosts that a file lists in `all` itself; they are in another group, but come first in `all`.
    vars: from inventory files, not from group_vars/.  priority: Ansible's ansible_group_priority.
    """

    name: str
    origin: Origin
    children: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    vars: dict[str, Located] = field(default_factory=dict)
    priority: int = 1
    first: list[str] = field(default_factory=list)


@dataclass
class DraftHost:
    """A host as written in inventory files: where it was first named, and its own variables."""

    name: str
    origin: Origin
    vars: dict[str, Located] = field(default_factory=dict)


class Draft:
    """The inventory while it is being read. Later files add to earlier ones and overwrite their variables.

    A loader of a format calls these methods, and adds errors to `problems`. keyring: the passwords of vaults.
    merge: whether mappings of several places are merged.  prefix: of the variables that are prov's own.
    """

    def __init__(self, keyring: Keyring = EMPTY, *, merge: bool = False, prefix: str = "") -> None:
        self.keyring = keyring
        self.merge = merge
        self.prefix = prefix
        self.groups: dict[str, UnresolvedGroup] = {}
        self.hosts: dict[str, DraftHost] = {}
        self.problems = Problems()
        #: (group, "child" or "host", name): a set, because searching lists of thousands takes long
        self._known: set[tuple[str, str, str]] = set()
        #: by ("host" or "group", name): values that were set again
        self._replaced: dict[tuple[str, str], list[dict[str, Located]]] = {}

    def wrong(self, origin: Origin, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        """Gather an error."""
        self.problems.add(LocatedError(origin, path, message, hint=hint))

    def add_group(self, name: str, origin: Origin) -> UnresolvedGroup:
        """The group of that name, made if it is new."""
        if name not in self.groups:
            if name.startswith("-") or RESERVED & set(name):
                self.wrong(
                    origin,
                    (name,),
                    f"{name!r} is not a group name: use letters, digits, '.', '-' and '_'",
                )
            self.groups[name] = UnresolvedGroup(name, origin)
        return self.groups[name]

    def add_child(self, parent: str, child: str) -> None:
        """Make a group the child of another."""
        if self._is_new(parent, "child", child):
            self.groups[parent].children.append(child)

    def add_hosts(
        self,
        pattern: str,
        group: str,
        variables: Mapping[str, Located],
        origin: Origin,
        path: tuple[str | int, ...],
    ) -> None:
        """Name the hosts of a pattern, with or without a port, in a group, and set their variables.

        An error in the pattern is gathered. Raises LocatedError if the inventory would have too many hosts.
        """
        try:
            pattern, port = ranges.split_port(pattern)
            names = ranges.expand(pattern)
        except ValueError as error:
            user, at, host = pattern.rpartition("@")
            hint = f"Write the user as a variable: ansible_user={user} of {host}" if at and user else ""
            self.wrong(origin, path, str(error), hint)
            return
        if len(self.hosts) + len(names) > MOST_HOSTS:
            raise LocatedError(origin, path, f"an inventory can have at most {MOST_HOSTS:,} hosts")
        for name in names:
            # as in Ansible, a port behind a host's name counts where the host is named first
            first = port is not None and name not in self.hosts
            given = {"ansible_port": Located(port, origin)} if first else {}
            self.add_host(name, group, origin)
            for variable, value in {**given, **variables}.items():
                self.set_host_var(name, variable, value)

    def add_host(self, name: str, group: str, origin: Origin) -> None:
        """Name a host in a group."""
        self.hosts.setdefault(name, DraftHost(name, origin))
        if self._is_new(group, "host", name):
            self.groups[group].hosts.append(name)

    def groups_of(self, host: str) -> list[str]:
        """Return the groups that name a host themselves."""
        return [group for group in self.groups if (group, "host", host) in self._known]

    def _is_new(self, group: str, kind: str, name: str) -> bool:
        """Whether a group is named together with something for the first time."""
        entry = (group, kind, name)
        if entry in self._known:
            return False
        self._known.add(entry)
        return True

    def set_host_var(self, host: str, name: str, value: Located) -> None:
        """Set a variable of a host; the last value read wins."""
        variables = self.hosts[host].vars
        if name in variables:
            self._replaced.setdefault(("host", host), []).append({name: variables[name]})
        variables[name] = value

    def set_group_var(self, group: str, name: str, value: Located) -> None:
        """Set a variable of a group; the last value read wins."""
        if name == PRIORITY:
            self.groups[group].priority = self._priority(value, group)
        else:
            variables = self.groups[group].vars
            if name in variables:
                self._replaced.setdefault(("group", group), []).append({name: variables[name]})
            variables[name] = value

    def host_layers(self, host: str) -> list[dict[str, Located]]:
        """Return the variables of a host itself; before them, those that later lines and files have replaced."""
        return [*self._replaced.get(("host", host), ()), self.hosts[host].vars]

    def group_layers(self, group: str) -> list[dict[str, Located]]:
        """Return the variables of a group itself; before them, those that later lines and files have replaced."""
        return [*self._replaced.get(("group", group), ()), self.groups[group].vars]

    def _priority(self, located: Located, group: str) -> int:
        value: Any = revealed(located.value)
        if isinstance(value, str) and value.isdecimal() and len(value) <= DIGITS:
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.wrong(located.origin, (group, "vars", PRIORITY), f"must be a whole number, not {shown(value)}")
        return 1
