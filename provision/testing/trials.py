"""Trials: hosts of one image, empty at first, with the roles and variables that they get."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from provision.errors import ConfigError, UsageError
from provision.inventory import Inventory, InventoryHost, Origin, load, yamlfile
from provision.inventory.located import Located, LocatedError
from provision.inventory.source_files import display
from provision.inventory.yaml_values import shown
from provision.lab.lab_host import is_label
from provision.names import suggestion
from provision.roles.project import Assignment, resolve
from provision.roles.role_model import Role, find, names, search_path
from provision.roles.shown_variables import kinds_of
from provision.testing.replaced_variables import put, rehearsed
from provision.values import dataclass

VARIABLES = "inventory.yml"


@dataclass(frozen=True)
class Trial:
    """A trial of a role or a TARGET.

    subject: the role, or the TARGET, under test.  is_role: whether it is a role.  assignments: of each host.
    tests: files and folders with each host's tests, by the host's name.  inventory: as in -i.
    seed: of a rehearsal, what its generated secrets are derived from; "" for a test.
    """

    subject: str
    is_role: bool
    image: str
    assignments: tuple[Assignment, ...]
    tests: Mapping[str, tuple[Path, ...]]
    inventory: tuple[str, ...] = ()
    seed: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """The trial's name for users."""
        return f"{self.subject} {self.image}"

    @property
    def hosts(self) -> list[str]:
        """The names of its hosts, also in the lab."""
        return [a.host.name for a in self.assignments]


def trial_of(
    subject: str, image: str, authority: Path, inventory: Sequence[str] = (), seed: str = ""
) -> Trial:
    """Return the trial of a role or TARGET on an image.

    Raises ConfigErrors and UsageErrors with all problems.

    authority: folder of a private CA; it is not the project's own, because test hosts do not need that.
    seed: of a rehearsal, whose subject is always a TARGET.
    """
    role = None if seed else find(subject, search_path())
    if role is not None:
        host = lone_host(role, image, authority)
        hosts = [host]
        tests = {host.name: tests_in(role.path / "tests")}
    else:
        hosts = throwaway(inventory, subject, authority, seed)
        tests = {host.name: tests_of(host) for host in hosts}
    return Trial(subject, role is not None, image, tuple(resolve(hosts)), tests, tuple(inventory), seed)


# -- a role


def lone_host(role: Role, image: str, authority: Path) -> InventoryHost:
    """Return a host for a role.

    It is as the role's tests/inventory.yml describes it, else it has the role and those that it requires.
    """
    path = role.path / "tests" / VARIABLES
    file = display(path if path.is_file() else role.path / "__init__.py", Path.cwd())
    origin = Origin(file, 1, path.parent)
    variables = read(path, file) if path.is_file() else {}
    if "roles" not in variables:
        variables["roles"] = Located([*required(role), role.name], origin)
    name = f"test-{role.name.replace('_', '-')}-{image}"
    host = InventoryHost(name, (), origin, in_the_lab(variables, authority, origin, "tls"))
    Inventory({name: host}, {})
    return host


def read(path: Path, file: str) -> dict[str, Located]:
    """Return the variables in a file. Raises ConfigErrors."""
    document = yamlfile.read(path, file)
    if document is None:
        return {}
    if not isinstance(document.value, dict):
        message = f"must be a mapping of a host's variables, not {shown(document.value)}"
        raise LocatedError(document.origin, (), message)
    return {str(name): part for name, part in document.parts.items()}


def required(role: Role) -> list[str]:
    """Return the roles that a role requires, and those that they require, in the order in which they run."""
    found: list[str] = []
    for name in role.requires:
        needed = find(name, search_path())
        found += [*(required(needed) if needed else ()), name]
    return list(dict.fromkeys(found))


def tests_in(folder: Path) -> tuple[Path, ...]:
    """Return the folder, if it has tests."""
    return (folder,) if any(folder.rglob("test_*.py")) else ()


# -- hosts of the inventory


def throwaway(inventory: Sequence[str], target: str, authority: Path, seed: str = "") -> list[InventoryHost]:
    """Return the hosts of a TARGET as lab hosts with the same names and variables; in a rehearsal, all others as well.

    Raises ConfigErrors, UsageError.
    """
    try:
        real = load(inventory or None)
    except ConfigError:
        if inventory:
            raise
        # the folder has roles but no inventory
        raise unknown(target, []) from None
    wanted = [host.name for host in select(real, target)]
    for name in wanted:
        if not is_label(name):
            raise UsageError(
                f"{name!r} can't be a lab host's name, so it can't be tested by its own",
                hint="Name it in one word of a-z, 0-9 and '-', with its address as ansible_host."
                if seed
                else "Test its roles:  prov test ROLE",
            )
    copies = {}
    for host in real.hosts.values():
        located = host.located
        if host.name in wanted or seed:
            located = in_the_lab(located, authority, host.defined, host.named("tls"))
        if seed:
            located, _ = rehearsed(host, located, kinds_of(host), seed)
        copies[host.name] = InventoryHost(host.name, host.groups, host.defined, located, host.prefix)
    copied = Inventory(copies, real.groups, project=real.project, lookups=real.lookups)
    bare = [name for name in wanted if not copied.hosts[name].roles]
    if bare:
        raise UsageError(f"nothing to test: no roles are listed for {', '.join(bare)}")
    return [copied.hosts[name] for name in wanted]


def select(inventory: Inventory, target: str) -> list[InventoryHost]:
    """Return the hosts of a TARGET. Raises UsageError, with roles as alternatives for a single name."""
    known = [*inventory.hosts, *inventory.groups]
    if target.replace("-", "").replace("_", "").isalnum() and target not in known:
        raise unknown(target, known)
    return inventory.select(target)


def unknown(subject: str, others: Sequence[str]) -> UsageError:
    """Return the error for a name that is neither a role nor in the inventory. others: the known names."""
    roles = names(search_path())
    return UsageError(
        f"there is no role, host or group {subject!r}.{suggestion(subject, [*roles, *others])}",
        hint=f"Roles: {', '.join(roles)}",
    )


def in_the_lab(
    variables: Mapping[str, Located], authority: Path, origin: Origin, of_tls: str
) -> dict[str, Located]:
    """Return a host's variables, changed so that it is reached in the lab and trusts a separate authority.

    of_tls: the variable with the parameters of the role `tls`.
    """
    lab_variables = {name: part for name, part in variables.items() if not name.startswith("ansible_")}
    lab_variables["ansible_connection"] = Located("lab", origin)
    tls = lab_variables.get(of_tls, Located({}, origin))
    role = find("tls", search_path())
    if isinstance(tls.value, dict) and role and role.params and "ca" in role.params.model_fields:
        lab_variables[of_tls] = put(tls, ("ca",), str(authority))
    return lab_variables


def tests_of(host: InventoryHost) -> tuple[Path, ...]:
    """Return the project's tests for a host: tests/test_NAME.py for itself and for each of its groups."""
    stems = [name.replace("-", "_").replace(".", "_") for name in (host.name, *host.groups)]
    return tuple(path for stem in stems if (path := Path.cwd() / f"tests/test_{stem}.py").is_file())


# -- for another process


def save(path: Path, trial: Trial, host: str, authority: Path, deployed: Sequence[Mapping[str, Any]]) -> None:
    """Save what a pytest process needs to know about its trial."""
    about = {
        "subject": trial.subject,
        "image": trial.image,
        "inventory": trial.inventory,
        "host": host,
        "authority": str(authority),
        "seed": trial.seed,
        "deployed": deployed,
    }
    path.write_text(json.dumps(about), encoding="utf-8")
