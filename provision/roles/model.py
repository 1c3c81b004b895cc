"""Roles: folders of tasks. Finds them, checks their parameters, puts them in order (decision D7)."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from pydantic import BaseModel, ConfigDict

from provision.errors import ConfigError, ConfigErrors
from provision.inventory import InventoryHost, check
from provision.inventory.validation import validate
from provision.names import suggestion
from provision.roles.folders import BUILTIN, names, search_path
from provision.roles.importing import load
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.apps.model import App

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H")

__all__ = ["BUILTIN", "Assignment", "Params", "Role", "assign", "find", "names", "search_path", "task"]


class HasFolders(Protocol):
    """What a role sets on the host that it runs on. role_folders: its own, then those of roles that it extends."""

    role_folders: tuple[Path, ...]


class Params(BaseModel):
    """Base of a role's parameters: typed, documented, no unknown names, not changed once checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    def misfits(self, host: InventoryHost) -> Iterable[tuple[str, str]]:
        """What of them does not fit the host's applications, before anything is connected to: (parameter, why)."""
        return ()


@overload
def task(function: Callable[Concatenate[H, P], R], /) -> Callable[Concatenate[H, P], R]: ...


@overload
def task(
    *, tags: Sequence[str] = ()
) -> Callable[[Callable[Concatenate[H, P], R]], Callable[Concatenate[H, P], R]]: ...


def task(function: Any = None, /, *, tags: Sequence[str] = ()) -> Any:
    """Mark a function as a task of its role: `def install(c: Host, p: Nginx) -> None`.

    A deploy calls a role's tasks in the order in which they are written. tags: words by which `--tags` and
    `--skip-tags` choose it, besides its role's name and `role.task`. `provision.cli.fab` gives the same
    functions to Fabric as its own tasks; types are kept here, where fabric's decorator loses them, and
    reading a role for its parameters costs no SSH library.
    """
    if function is None:
        return functools.partial(task, tags=tags)
    if isinstance(tags, str) or not all(isinstance(t, str) and t and "," not in t for t in tags):
        raise ValueError(f"tags must be a list of words, such as ['config'], not {tags!r}")

    function.__prov_tags__ = tuple(tags)
    return function


def tags_of(function: Callable[..., None]) -> tuple[str, ...]:
    """The tags that a task was given."""
    found: tuple[str, ...] = function.__prov_tags__  # type: ignore[attr-defined]
    return found


@dataclass(frozen=True)
class Role:
    """A role as found. params: its model, if its tasks take one.  tasks: in the order in which they run.

    after: names of roles that run before this one where both are listed (the module's AFTER).
    requires: names of roles that have to be listed with it (REQUIRES).
    folders: its own, then those of the roles that it extends: where templates/ and files/ are looked for.
    """

    name: str
    path: Path
    doc: str
    params: type[Params] | None
    tasks: tuple[Callable[..., None], ...]
    after: tuple[str, ...]
    requires: tuple[str, ...]
    folders: tuple[Path, ...] = ()

    def run(self, c: HasFolders, params: Params | None) -> None:
        """Call the role's tasks with a host."""
        for function in self.tasks:
            self.call(function, c, params)

    def call(self, function: Callable[..., None], c: HasFolders, params: Params | None) -> None:
        """Call one of them."""
        c.role_folders = self.folders
        if params is None:
            function(c)
        else:
            function(c, params)


def find(name: str, folders: Sequence[Path]) -> Role | None:
    """The role of that name, or None. Raises ConfigError if its module can't be imported."""
    folder = next((f / name for f in folders if (f / name / "__init__.py").is_file()), None)
    if folder is None:
        return None
    module = load(name, folders)
    chain = [module, *extended(module)]
    tasks = tasks_of(chain)
    if not tasks:
        raise ConfigError(
            "the role has no task", where=str(folder / "__init__.py"), hint="Decorate one with @task."
        )
    return Role(
        name,
        folder,
        inspect.getdoc(module) or "",
        params_of(tasks),
        tasks,
        tuple(name for m in chain for name in getattr(m, "AFTER", ())),
        tuple(name for m in chain for name in getattr(m, "REQUIRES", ())),
        tuple(Path(str(m.__file__)).parent for m in chain),
    )


def extended(module: types.ModuleType) -> list[types.ModuleType]:
    """The roles that a role extends (the module's EXTENDS), nearest first. Raises ConfigError."""
    found: list[types.ModuleType] = []
    above = getattr(module, "EXTENDS", None)
    while above is not None:
        if not isinstance(above, types.ModuleType) or above is module or above in found:
            raise ConfigError(
                f"EXTENDS is {above!r}, not another role",
                where=str(module.__file__),
                hint="Write:  from provision.builtin import nginx  and  EXTENDS = nginx",
            )
        found.append(above)
        above = getattr(above, "EXTENDS", None)
    return found


def tasks_of(chain: Sequence[types.ModuleType]) -> tuple[Callable[..., None], ...]:
    """The tasks of a role and those that it extends: the extended ones' first, each in the order of its lines.

    A task takes the place of an extended one of the same name.
    """
    found: dict[str, Callable[..., None]] = {}
    for module in reversed(chain):
        own = [
            f
            for f in vars(module).values()
            if hasattr(f, "__prov_tags__") and f.__module__ == module.__name__
        ]
        found.update((f.__name__, f) for f in sorted(own, key=lambda f: f.__code__.co_firstlineno))
    return tuple(found.values())


def params_of(tasks: Iterable[Callable[..., None]]) -> type[Params] | None:
    """The model that the tasks take as their second argument, by annotation: the most special of them, where a
    role extends another one's."""
    found: type[Params] | None = None
    for function in tasks:
        arguments = list(inspect.signature(function).parameters.values())
        if len(arguments) < 2:
            continue
        annotation = arguments[1].annotation
        if isinstance(annotation, str):
            annotation = named(annotation, function.__globals__)
        if not (isinstance(annotation, type) and issubclass(annotation, Params)):
            raise wrong_params(function, "the second argument's type is not a Params class")
        if found is None or issubclass(annotation, found):
            found = annotation
        elif not issubclass(found, annotation):
            hint = f"Derive it:  class {annotation.__name__}({found.__name__})"
            raise wrong_params(function, f"{annotation.__name__} is not a {found.__name__}", hint)
    return found


def named(annotation: str, names: Mapping[str, Any]) -> Any:
    """What a name with dots means among these names; None if nothing."""
    first, *rest = annotation.split(".")
    found = names.get(first)
    for word in rest:
        found = getattr(found, word, None)
    return found


def wrong_params(function: Callable[..., None], message: str, hint: str = "") -> ConfigError:
    """The error for a task's second argument."""
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    return ConfigError(f"task {function.__name__}: {message}", where=where, hint=hint)


@dataclass(frozen=True)
class Assignment:
    """What one host gets: its roles in the order in which they run, with their parameters.

    params: of all roles that the host has, those among them that do not run this time as well.
    """

    host: InventoryHost
    roles: tuple[tuple[Role, Params | None], ...]
    params: tuple[Params, ...] = ()


def assign(
    hosts: Sequence[InventoryHost], only: Sequence[str] = (), project: Path | None = None
) -> list[Assignment]:
    """Roles and checked parameters for every host. Raises ConfigErrors with all that is wrong, of all hosts.

    only: names of roles to run; the others are left out.
    """
    check(hosts)
    folders = search_path(project)
    errors: list[ConfigError] = []
    found: dict[str, Role | None] = {}
    assignments = []
    wanted: dict[str, tuple[str, ...]] = {}
    for host in hosts:
        try:
            wanted[host.name] = (*host.roles, *implied_roles(host))
        except ConfigErrors as error:
            errors.extend(error.errors)
            wanted[host.name] = host.roles
    for name in only:
        if not any(name in roles for roles in wanted.values()):
            listed = sorted({role for roles in wanted.values() for role in roles})
            raise ConfigError(
                f"no selected host has the role {name!r}.{suggestion(name, listed)}",
                hint=f"They have: {', '.join(listed) or 'no roles'}",
            )
    for host in hosts:
        listed_roles = []
        for index, name in enumerate(wanted[host.name]):
            if name not in found:
                found[name] = find(name, folders)
            role = found[name]
            if role is None:
                known = names(folders)
                message = f"there is no role {name!r}.{suggestion(name, known)}"
                errors.append(host.error(("roles", index), message, f"There are: {', '.join(known)}"))
                continue
            listed_roles.append(role)
        for role in listed_roles:
            for needed in role.requires:
                if needed not in wanted[host.name]:
                    at = ("roles", wanted[host.name].index(role.name))
                    errors.append(host.error(at, f"role {role.name!r} needs the role {needed!r} as well"))
        pairs = []
        for role in in_order(listed_roles):
            try:
                params = params_for(role, host)
            except ConfigErrors as error:
                errors.extend(error.errors)
                continue
            pairs.append((role, params))
        run = tuple(pair for pair in pairs if not only or pair[0].name in only)
        assignments.append(Assignment(host, run, tuple(params for _, params in pairs if params is not None)))
    if errors:
        raise ConfigErrors(list({str(e): e for e in errors}.values()))
    return assignments


def implied_roles(host: InventoryHost) -> tuple[str, ...]:
    """The roles that a host's applications bring by `server`, `front` and `tls`, and those that it balances,
    besides those that are listed: to change any is one line. Raises ConfigErrors if they make no sense.

    Applications do so only where the role `app` is listed: others may have a use of their own for the variable.
    """
    apps: list[App] = []
    named: list[str] = []
    if "apps" in host.vars:
        from provision.apps.reading import apps_of

        apps = apps_of(host)
        if "app" not in host.roles:
            apps = []
        named += [name for app in apps for name in (app.server, app.front)]
    if "balance" in host.vars:
        from provision.apps.balancing import balanced_of

        for balanced in balanced_of(host):
            apps.append(balanced.app)
            named.append(balanced.balance.front)
    if any(app.tls != "none" for app in apps):
        named.append("tls")
    return tuple(name for name in dict.fromkeys(named) if name not in host.roles)


def params_for(role: Role, host: InventoryHost) -> Params | None:
    """The role's parameters from the variable of its name. Raises ConfigErrors."""
    value = host.vars.get(role.name)
    if role.params is None:
        if isinstance(value, Mapping) and value:
            raise ConfigErrors([host.error((role.name,), f"role {role.name!r} takes no parameters")])
        return None
    found = validate(role.params, {} if value is None else value, host, (role.name,))
    misfits = [host.error((role.name, parameter), why) for parameter, why in found.misfits(host)]
    if misfits:
        raise ConfigErrors(misfits)
    return found


def in_order(roles: Sequence[Role]) -> list[Role]:
    """Roles as listed, but each after those that it names in AFTER. Raises ConfigError for a circle."""
    done: list[Role] = []
    by_name = {role.name: role for role in roles}

    def put(role: Role, path: tuple[str, ...]) -> None:
        if role.name in path:
            raise ConfigError(f"roles wait for one another: {' -> '.join([*path, role.name])}")
        if role in done:
            return
        for earlier in role.after:
            if earlier in by_name:
                put(by_name[earlier], (*path, role.name))
        done.append(role)

    for role in roles:
        put(role, ())
    return done
