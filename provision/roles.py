"""Roles: folders of tasks. Finds them, checks their parameters, puts them in order (D7)."""

from __future__ import annotations

import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict

from provision.errors import ConfigError, ConfigErrors
from provision.inventory import InventoryHost, check
from provision.inventory.validation import validate
from provision.names import suggestion

if TYPE_CHECKING:
    from provision.host import Host

P = ParamSpec("P")
R = TypeVar("R")

#: in the wheel the built-in roles are beside this module, in a checkout beside its package
BUILTIN = next(
    p for p in (Path(__file__).parent / "builtin_roles", Path(__file__).parent.parent / "roles") if p.is_dir()
)


class Params(BaseModel):
    """Base of a role's parameters: typed, documented, no unknown names, not changed once checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def task(function: Callable[Concatenate[Host, P], R]) -> Callable[Concatenate[Host, P], R]:
    """Mark a function as a task of its role: `def install(c: Host, p: Nginx) -> None`.

    A deploy calls a role's tasks in the order in which they are written. `provision.cli.fab` gives the same
    functions to Fabric as its own tasks; types are kept here, where fabric's decorator loses them, and
    reading a role for its parameters costs no SSH library.
    """
    function.__prov_task__ = True  # type: ignore[attr-defined]
    return function


@dataclass(frozen=True)
class Role:
    """A role as found. params: its model, if its tasks take one.  tasks: in the order of their lines.

    after: names of roles that run before this one where both are listed (the module's AFTER).
    requires: names of roles that have to be listed with it (REQUIRES).
    """

    name: str
    path: Path
    doc: str
    params: type[Params] | None
    tasks: tuple[Callable[..., None], ...]
    after: tuple[str, ...]
    requires: tuple[str, ...]

    def run(self, c: Host, params: Params | None) -> None:
        """Call the role's tasks with a host."""
        c.role_path = self.path
        for function in self.tasks:
            if params is None:
                function(c)
            else:
                function(c, params)


def search_path(project: Path | None = None) -> list[Path]:
    """Folders with roles: the project's own first, then the built-in ones."""
    own = (project or Path.cwd()) / "roles"
    return [own, BUILTIN] if own.is_dir() and own.resolve() != BUILTIN.resolve() else [BUILTIN]


def names(folders: Sequence[Path]) -> list[str]:
    """Names of all roles in the folders."""
    return sorted({p.parent.name for folder in folders for p in folder.glob("*/__init__.py")})


def find(name: str, folders: Sequence[Path]) -> Role | None:
    """The role of that name, or None. Raises ConfigError if its module can't be imported."""
    folder = next((f / name for f in folders if (f / name / "__init__.py").is_file()), None)
    if folder is None:
        return None
    module = load(name, folders)
    tasks = tuple(
        sorted(
            (
                f
                for f in vars(module).values()
                if getattr(f, "__prov_task__", False) and f.__module__ == module.__name__
            ),
            key=lambda f: f.__code__.co_firstlineno,
        )
    )
    if not tasks:
        raise ConfigError(
            "the role has no task", where=str(folder / "__init__.py"), hint="Decorate one with @task."
        )
    return Role(
        name,
        folder,
        inspect.getdoc(module) or "",
        params_of(tasks, module),
        tasks,
        tuple(getattr(module, "AFTER", ())),
        tuple(getattr(module, "REQUIRES", ())),
    )


def load(name: str, folders: Sequence[Path]) -> types.ModuleType:
    """Import a role as `roles.NAME`. Raises ConfigError with file and line of what fails in it."""
    package = sys.modules.get("roles")
    wanted = [str(f) for f in folders]
    if package is None or list(package.__path__) != wanted:
        # a namespace of our own, so that a project's role comes before a built-in one of the same name
        for loaded in [m for m in sys.modules if m == "roles" or m.startswith("roles.")]:
            del sys.modules[loaded]
        package = types.ModuleType("roles")
        package.__path__ = wanted
        sys.modules["roles"] = package
    try:
        return importlib.import_module(f"roles.{name}")
    except Exception as error:
        raise ConfigError(
            f"role {name!r} can't be imported: {type(error).__name__}: {error}",
            where=failing_line(error, wanted),
        ) from error


def failing_line(error: Exception, folders: Sequence[str]) -> str:
    """file:line of the innermost frame of a role's own code in an exception."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    found, tb = "", error.__traceback__
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if any(name.startswith(folder) for folder in folders):
            found = f"{name}:{tb.tb_lineno}"
        tb = tb.tb_next
    return found


def params_of(tasks: Iterable[Callable[..., None]], module: types.ModuleType) -> type[Params] | None:
    """The model that the tasks take as their second argument, by annotation."""
    for function in tasks:
        arguments = list(inspect.signature(function).parameters.values())
        if len(arguments) > 1:
            annotation = arguments[1].annotation
            found = getattr(module, annotation, None) if isinstance(annotation, str) else annotation
            if isinstance(found, type) and issubclass(found, Params):
                return found
            raise ConfigError(
                f"task {function.__name__}: the second argument's type is not a Params class",
                where=f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}",
            )
    return None


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
    """The roles that a host's applications bring by `server`, `front` and `tls`, besides those that are listed:
    to change any is one line. Raises ConfigErrors if the applications make no sense.

    Only where the role `app` is listed: others may have a use of their own for the variable.
    """
    from provision.apps import apps_of

    apps = apps_of(host) if "apps" in host.vars else []
    if "app" not in host.roles:
        return ()
    named: list[str] = [name for app in apps for name in (app.server, app.front)]
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
    return validate(role.params, {} if value is None else value, host, (role.name,))


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
