"""Roles as Fabric's own tasks, for `fab --list` and `fab -H web1 nginx`: the other door to the same house."""

from __future__ import annotations

from collections.abc import Callable

from fabric import Connection
from invoke.collection import Collection
from invoke.exceptions import Exit
from invoke.tasks import Task

from provision import roles
from provision.cli.converge import Order, converge
from provision.cli.main import show_error
from provision.errors import ProvError


def collection() -> Collection:
    """A task for each role that `prov` would find here, named as the role is."""
    found = Collection()
    folders = roles.search_path()
    for name in roles.names(folders):
        role = roles.find(name, folders)
        assert role is not None  # names() has just found it
        found.add_task(Task(deploying(name, role.doc)), name=name)
    return found


def deploying(role: str, doc: str) -> Callable[[Connection], None]:
    """A function for invoke's @task that deploys one role to the host that fab gives it, as prov would."""

    def deploy(c: Connection) -> None:
        if not isinstance(c, Connection):
            raise Exit(f"Name hosts of the inventory: fab -H web1 {role}", code=2)
        order = Order(
            target=c.original_host,
            inventory=(),
            limit=None,
            roles=[role],
            forks=1,
            diff=None,
            verbose=False,
            as_json=False,
        )
        try:
            status = converge(order, plan=False)
        except ProvError as error:
            show_error(error)
            status = error.exit_code
        if status:
            raise Exit(code=status)

    deploy.__doc__ = doc
    return deploy
