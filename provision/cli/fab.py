"""Roles as Fabric's own tasks, for `fab --list` and `fab -H web1 nginx`."""

from __future__ import annotations

from collections.abc import Callable

from fabric import Connection
from invoke.collection import Collection
from invoke.exceptions import Exit
from invoke.tasks import Task

from provision.cli.converge import ConvergeOptions, converge
from provision.cli.main import show_error
from provision.cli.prepare import RolePart, Scope
from provision.errors import ProvError, UsageError
from provision.report import formats
from provision.roles.role_model import Role, find, names, search_path


def collection() -> Collection:
    """Return a Fabric task for each role that `prov` would find, and for each of its tasks: `nginx`,
    `nginx.install`. Fabric writes dashes for underscores: `mod-wsgi`."""
    found = Collection()
    folders = search_path()
    for name in names(folders):
        try:
            role = find(name, folders)
        except ProvError as error:
            # a broken role does not hide the others
            show_error(error)
            continue
        assert role is not None  # names() has just found the role
        inner = Collection()
        inner.add_task(Task(deploying(role, RolePart([name]))), name=name, default=True)
        for function in role.tasks:
            part = RolePart([name], tags=[f"{name}.{function.__name__}"])
            inner.add_task(Task(deploying(function, part)), name=function.__name__)
        found.add_collection(inner, name=name)
    return found


def deploying(what: Role | Callable[..., None], part: RolePart) -> Callable[[Connection], None]:
    """Return a function for invoke's @task that deploys a part of its host, as prov would."""

    def deploy(c: Connection) -> None:
        if not isinstance(c, Connection):
            raise Exit(
                f"Name hosts of the inventory: fab -H web1 {part.roles[0]}".replace("_", "-"),
                code=UsageError.exit_code,
            )
        scope = Scope(c.original_host, forks=1)
        order = ConvergeOptions(scope, part, formats.find(formats.DEFAULT))
        try:
            status = converge(order, plan=False)
        except ProvError as error:
            show_error(error)
            status = error.exit_code
        if status:
            raise Exit(code=status)

    deploy.__doc__ = what.doc if isinstance(what, Role) else what.__doc__
    return deploy
