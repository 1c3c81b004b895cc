"""How a host of the inventory is reached, and reaching it ahead of time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

from provision.controller.bootstrap import payload
from provision.controller.connection import VerifiedConnection, fabric_config
from provision.errors import LabError
from provision.inventory.model import InventoryHost


def reach(inventory: InventoryHost) -> tuple[str, dict[str, Any]]:
    """Address and fabric.Connection options for a host. Raises LabError if it is a lab host that is not up."""
    settings = inventory.connection
    options: dict[str, Any] = {"user": settings.user, "port": settings.port}
    connect: dict[str, Any] = {}
    address = settings.address
    if settings.kind == "lab":
        from provision import lab

        found = lab.find(inventory.name)
        if found is None or found.state != "running":
            raise LabError(
                f"the lab host {inventory.name} is not up", hint=f"Boot it: prov lab up {inventory.name}"
            )
        address = found.address
        options.update(user=found.user, port=found.port, known_hosts=found.known_hosts)
        connect.update(key_filename=[str(found.key)], look_for_keys=False, allow_agent=False)
    if settings.private_key_file is not None:
        connect.update(key_filename=[str(settings.private_key_file)], look_for_keys=False)
    if settings.password is not None:
        connect["password"] = settings.password.reveal()
    options["connect_kwargs"] = connect
    return address, options


class Ahead:
    """A connection that a thread opens while another one imports what else a run needs: each takes about as long
    as the other. Nothing is done with it before `hand_over`.

    plan: whether what is to be done there is only predicted.
    began: when, by time.monotonic().
    """

    def __init__(self, inventory: InventoryHost, *, plan: bool) -> None:
        self.began = time.monotonic()
        self._opened: Future[VerifiedConnection] = Future()
        threading.Thread(target=self._open, args=(inventory, plan), daemon=True).start()

    def _open(self, inventory: InventoryHost, plan: bool) -> None:
        try:
            address, options = reach(inventory)
            connection = VerifiedConnection(address, config=fabric_config(), **options)
            connection.open()
            # made here, as compressing keeps nobody else from working
            payload(plan)
            self._opened.set_result(connection)
        except BaseException as error:
            self._opened.set_exception(error)

    def hand_over(self, to: VerifiedConnection) -> None:
        """Make the connection another object's, once it is open. Raises what opening it has raised."""
        opened = self._opened.result()
        to.client, to.transport, to.gateway = opened.client, opened.transport, opened.gateway
