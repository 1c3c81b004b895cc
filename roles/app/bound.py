"""Services that applications use on other hosts: waits for them, and sets up the name and certificate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from provision.apps.bindings import Binding
from provision.apps.host_addresses import address_of
from provision.errors import ConfigError
from provision.inventory.ranges import is_address
from provision.role import Host
from provision.serving.handing import receive
from provision.steps import text, wait
from roles.tls import Tls, between

if TYPE_CHECKING:
    from provision.apps.application import Application

#: seconds that a service on another host has to answer
ANSWERS = 15.0


def elsewhere(app: Application) -> list[Binding]:
    """Return what an application uses on other hosts."""
    return [binding for binding in app.bindings if binding.is_elsewhere]


def out_of_reach(c: Host) -> Iterator[ConfigError]:
    """Yield an error for each use of a host that this run has not reached."""
    for app in c.apps:
        for binding in elsewhere(app):
            if not c.reaches(binding):
                message = f"{binding.provider.name} cannot be reached, and {app.name} uses its {binding.role}"
                yield c.inventory.error(binding.said(), message, "Nothing has been touched.")


def await_providers(c: Host, app: Application) -> None:
    """Make an application's services reachable: wait until those on other hosts are set up, and answer, and have the
    passwords of all of them ready."""
    lines = []
    for binding in elsewhere(app):
        c.wait_for_provider(binding)
        address = address_of(binding.provider)
        wait.port(c, binding.port, address, within=ANSWERS)
        if is_address(address):
            lines.append(f"{address} {binding.host_name}")
    if lines:
        # lines of our own: lines of others for the same addresses come and go (hosts(5))
        text.block(c, "/etc/hosts", "\n".join(dict.fromkeys(lines)), name=f"uses of {app.name}", create=True)
    for binding in app.bindings:
        if binding.way == "password":
            receive(c, binding)


def certify(c: Host, app: Application) -> None:
    """Set up the certificate by which services recognise the application, and the authority by which it recognises
    them. Its user must exist."""
    bindings = elsewhere(app)
    certified = [binding for binding in bindings if binding.way == "certificate"]
    if certified:
        # one certificate for all of them: it names the user
        between.client(c, c.params(Tls), certified[0])
    elif bindings:
        between.authority(c, c.params(Tls))
