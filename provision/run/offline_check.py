"""Find errors without a connection to a host: `prov check`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from provision.apps.application import Application
from provision.apps.interpreters import unusable
from provision.declared.role_folders import search_path
from provision.errors import ConfigError, ProvError
from provision.inventory import InventoryHost, Problems
from provision.inventory.loaded import without_errors
from provision.platforms.platform_model import find
from provision.roles.project import Assignment, KnownRoles, params_for, resolve, roles_of
from provision.roles.role_model import Params, Role
from provision.roles.variable_names import VariableNames
from provision.run.step_list import steps_of
from provision.values import dataclass


@dataclass(frozen=True)
class CheckedHost:
    """What is known of a host. steps: number of its roles' steps, as far as it is known without the host.

    unknown: (role, task) of tasks whose further steps depend on the host's answers.
    unread: names of its variables that neither prov nor a role of the project reads.
    """

    assignment: Assignment
    steps: int
    unknown: Sequence[tuple[str, str]]
    unread: Sequence[str]


def checked(hosts: Sequence[InventoryHost], problems: Problems) -> Iterator[CheckedHost]:
    """Yield what is known of each host. Errors of all hosts are added to the problems."""
    variables = VariableNames(
        search_path(hosts[0].inventory.project if hosts else None), hosts[0].prefix if hosts else ""
    )
    for assignment in resolved(hosts, problems):
        apps = tuple(app for app in assignment.served.apps if has_release(app, assignment.host, problems))
        # the steps of the other applications are still known
        sound = replace(assignment, served=replace(assignment.served, apps=apps))
        if assignment.host.platform:
            with problems.gathered():
                find(assignment.host.platform).check(sound)
        steps, unknown = 0, []
        for task in steps_of(sound, lambda error: problems.add(as_config_error(error))):
            steps += len(task.steps)
            if task.unknown:
                unknown.append((task.role, task.task))
        yield CheckedHost(assignment, steps, unknown, variables.unread(assignment.host.located))


def resolved(hosts: Sequence[InventoryHost], problems: Problems) -> list[Assignment]:
    """Return what each host gets, of those that can be resolved."""
    sound = without_errors(hosts, problems, platforms=True)
    try:
        # together, because they read the sources of their applications together
        return resolve(sound, reach=False)
    except ConfigError as error:
        problems.add(error)
    return [part_of(host) for host in sound]


def part_of(host: InventoryHost) -> Assignment:
    """Return what a host gets, without the parts whose errors are known already: the rest may have errors, too."""
    with contextlib.suppress(ConfigError):
        (found,) = resolve([host], reach=False)
        return found
    noted = Problems()
    pairs: list[tuple[Role, Params | None]] = []
    for role in roles_of(host, host.roles, KnownRoles(search_path(host.inventory.project)), noted):
        with noted.gathered():
            pairs.append((role, params_for(role, host, ())))
    return Assignment(host, tuple(pairs), {role.name: params for role, params in pairs if params is not None})


def has_release(app: Application, host: InventoryHost, problems: Problems) -> bool:
    """Return whether an application's source makes a release that its Python can run; else add the error."""
    error = unusable(app, host, "")
    if error:
        problems.add(error)
    return error is None


def as_config_error(error: ProvError) -> ConfigError:
    """Return an error as one of the configuration."""
    if isinstance(error, ConfigError):
        return error
    return ConfigError(error.message, where=error.where, hint=error.hint)
