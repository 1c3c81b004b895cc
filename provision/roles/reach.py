"""How a host of the inventory is reached, and how its connection is opened ahead of time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import replace

from provision.controller.login import Login
from provision.controller.run_options import Ask
from provision.controller.transport import Target, Transport
from provision.controller.transport_choice import transport_to
from provision.errors import LabError
from provision.inventory.loaded import InventoryHost
from provision.secrets import Secret


def reach(inventory: InventoryHost) -> Target:
    """Return where and how to log in to a host. Raises LabError if it is a lab host that is not up, NoInstance or
    CloudError if its instance can't be found."""
    settings, target = inventory.connection, login_target(inventory)
    if settings.kind == "ec2":
        from provision.cloud.instance_addresses import AddressCache, reached
        from provision.cloud.instance_lookup import find_address
        from provision.inventory.ec2_block import instance_spec

        spec = instance_spec(inventory)
        known_hosts = AddressCache(spec, inventory.name).known_hosts
        return reached(target, spec, find_address(spec, inventory.name).address, known_hosts)
    if settings.kind != "lab":
        return target
    from provision import lab

    found = lab.find(inventory.name)
    if found is None or found.state != "running":
        raise LabError(
            f"the lab host {inventory.name} is not up", hint=f"Boot it: prov lab up {inventory.name}"
        )
    return replace(
        target,
        address=found.address,
        user=found.user,
        port=found.port,
        key=target.key or found.key,
        known_hosts=found.known_hosts,
    )


def login_target(inventory: InventoryHost) -> Target:
    """Return where and how to log in to a host, as far as the inventory says it."""
    settings = inventory.connection
    return Target(
        name=inventory.name,
        address=settings.address,
        user=settings.user,
        port=settings.port,
        key=settings.private_key_file,
        password=settings.password,
        paramiko=settings.paramiko,
        executable=settings.ssh_executable,
        arguments=settings.ssh_arguments,
        more_arguments=settings.more_ssh_arguments,
        persist=settings.persist,
        local=settings.kind == "local",
    )


def login_of(inventory: InventoryHost, user: str, ask: Ask | None) -> Login:
    """Return how the login becomes root's python3. user: of the login.  ask: see RunOptions."""
    settings = inventory.connection
    sudo = user != "root" if settings.become is None else settings.become
    password = settings.become_password
    if settings.kind == "lab":
        from provision import lab

        found = lab.find(inventory.name)
        if found is not None and found.password:
            password = Secret(found.password)
    host = repr((settings.kind, settings.address, settings.port, user, sudo))
    return Login(sudo, password, ask, settings.python_interpreter or "", host=host)


class PendingConnection:
    """A connection that a thread opens while the main thread imports the rest of prov; both take about as
    long.
    OpenSSH already starts the script on the host that starts the agent; the script waits for its first line,
    and
    nothing is sent to it before `transport` is called.

    plan: whether the run only predicts.
    began: when, by time.monotonic().
    """

    def __init__(self, inventory: InventoryHost, *, plan: bool) -> None:
        self.began = time.monotonic()
        self._opened: Future[Transport] = Future()
        threading.Thread(target=self._open, args=(inventory, plan), daemon=True).start()

    def _open(self, inventory: InventoryHost, plan: bool) -> None:
        try:
            transport = transport_to(reach(inventory))
            login = login_of(inventory, transport.user, None)
            transport.begin(login.command(prompted=login.prompted))
            # made here: compressing leaves other threads free to work
            login.program(plan=plan).first_input()
            self._opened.set_result(transport)
        except BaseException as error:
            self._opened.set_exception(error)

    def transport(self) -> Transport:
        """Return the connection once it is open. Raises what opening it raised."""
        return self._opened.result()
