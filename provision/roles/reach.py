"""How a host of the inventory is reached, and reaching it ahead of time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from provision.controller.bootstrap import payload
from provision.controller.transport import Target, Transport
from provision.controller.transport_choice import transport_to
from provision.errors import LabError
from provision.inventory.model import InventoryHost


def reach(inventory: InventoryHost) -> Target:
    """Return where and how to log in to a host. Raises LabError if it is a lab host that is not up."""
    settings = inventory.connection
    if settings.kind != "lab":
        return Target(
            settings.address, settings.user, settings.port, settings.private_key_file, settings.password
        )
    from provision import lab

    found = lab.find(inventory.name)
    if found is None or found.state != "running":
        raise LabError(
            f"the lab host {inventory.name} is not up", hint=f"Boot it: prov lab up {inventory.name}"
        )
    key = settings.private_key_file or found.key
    return Target(found.address, found.user, found.port, key, settings.password, found.known_hosts)


class Ahead:
    """A connection that a thread opens while another one imports what else a run needs: each takes about as long
    as the other. Nothing is done with it before `transport` is called.

    plan: whether what is to be done there is only predicted.
    began: when, by time.monotonic().
    """

    def __init__(self, inventory: InventoryHost, *, plan: bool) -> None:
        self.began = time.monotonic()
        self._opened: Future[Transport] = Future()
        threading.Thread(target=self._open, args=(inventory, plan), daemon=True).start()

    def _open(self, inventory: InventoryHost, plan: bool) -> None:
        try:
            transport = transport_to(reach(inventory))
            transport.open()
            # made here, as compressing keeps nobody else from working
            payload(plan)
            self._opened.set_result(transport)
        except BaseException as error:
            self._opened.set_exception(error)

    def transport(self) -> Transport:
        """Return the connection, once it is open. Raises what opening it has raised."""
        return self._opened.result()
