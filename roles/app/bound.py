"""Services that applications use on other hosts: waits for them, and sets up the name and certificate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from provision.apps.bindings import Binding
from provision.apps.host_addresses import address_of
from provision.errors import ConfigError
from provision.inventory.ranges import is_address
from provision.role import Host
from provision.steps import text, wait
from roles.tls import Tls, between

if TYPE_CHECKING:
    from provision.apps.application import Application

#: seconds that a service on another host has to answer
ANSWERS = 15.0


def elsewhere(app: Application) -> list[Binding]:
    """Return what an application uses on other hosts: it reaches all of it with a certificate."""
    return [binding for binding in app.bindings if binding.provider is not binding.client]


def out_of_reach(c: Host) -> Iterator[ConfigError]:
    """Yield an error for each use of a host that this run has not reached."""
    for app in c.apps:
        for binding in elsewhere(app):
            if not c.reaches(binding):
                message = f"{binding.provider.name} cannot be reached, and {app.name} uses its {binding.role}"
                yield c.inventory.error(binding.said(), message, "Nothing has been touched.")


def await_providers(c: Host, app: Application) -> None:
    """Make an application's services on other hosts reachable: wait until they are set up, and answer."""
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


def certify(c: Host, app: Application) -> None:
    """Set up the certificate by which the service recognises the application. Its user must exist."""
    bindings = elsewhere(app)
    if bindings:
        # one certificate for all of them: it names the user
        between.client(c, c.params(Tls), bindings[0])
