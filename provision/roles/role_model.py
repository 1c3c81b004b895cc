"""Roles: folders of tasks, and their parameters (decision D7)."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from provision.declared import backing_roles, fronts, serving_roles
from provision.declared.backing_roles import BackingRole
from provision.declared.fronts import Front
from provision.declared.role_folders import BUILTIN, names, search_path
from provision.declared.serving_roles import Server
from provision.errors import ConfigError
from provision.roles.importing import load
from provision.roles.params import Params, params_of
from provision.roles.server_params import check_program, is_program
from provision.values import dataclass

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H")

__all__ = ["BUILTIN", "Params", "Role", "find", "names", "search_path", "task"]


class HasFolders(Protocol):
    """What a role sets on its host. role_folders: its own, then those of roles that it extends."""

    role_folders: tuple[Path, ...]


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

    after: names of roles that run before this one if both are listed (the module's AFTER).
    requires: names of roles that must be listed with it (REQUIRES).
    server, front, backing: what it declares, if it is one. A front runs after every server.
    environment: of a backing role, how an application finds it.
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
    server: Server | None = None
    front: Front | None = None
    backing: BackingRole | None = None
    environment: Callable[..., Any] | None = None

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
    """Return the role of that name, or None.

    Raises ConfigError if its module can't be imported or its declarations are wrong.
    """
    folder = next((f / name for f in folders if (f / name / "__init__.py").is_file()), None)
    if folder is None:
        return None
    server, front = serving_roles.server(name, folders), fronts.front(name, folders)
    backing = backing_roles.backing_role(name, folders)
    module = load(name, folders)
    chain = [module, *extended(module)]
    if server is not None:
        check_program(chain)
    elif is_program(chain):
        raise serving_roles.undeclared(name, folders)
    tasks = tasks_of(chain)
    if not tasks:
        raise ConfigError(
            "the role has no task",
            where=str(folder / "__init__.py"),
            hint="Decorate one with @task, of provision.role.",
        )
    return Role(
        name,
        folder,
        inspect.getdoc(module) or "",
        params_of(tasks),
        tasks,
        tuple(dict.fromkeys([*order(server, front), *listed(chain, "AFTER")])),
        tuple(dict.fromkeys([*(["app"] if server else []), *listed(chain, "REQUIRES")])),
        tuple(Path(str(m.__file__)).parent for m in chain),
        server,
        front,
        backing,
        next(getattr(m, backing_roles.FUNCTION) for m in chain if hasattr(m, backing_roles.FUNCTION))
        if backing
        else None,
    )


def listed(chain: Sequence[types.ModuleType], constant: str) -> list[str]:
    """Return the roles that AFTER or REQUIRES names, in a role and those that it extends."""
    return [name for module in chain for name in getattr(module, constant, ())]


def order(server: Server | None, front: Front | None) -> list[str]:
    """The roles that servers and fronts run after; a front also runs after every server."""
    if front is not None:
        return ["app", "tls"]
    return ["app"] if server is not None else []


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
    """The tasks of a role and those that it extends: the extended ones' first, each in the order of its
    lines.

    A task replaces an extended one of the same name.
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
