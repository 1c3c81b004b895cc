"""prov open: an application in the browser."""

from __future__ import annotations

import shlex
import socket
import sys
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.complete import complete_target
from provision.cli.options import format_option, inventory_option
from provision.cli.prepare import select_one
from provision.errors import Exit, UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.inventory import InventoryHost


@click.command(epilog="Example:  prov open web1 shop")
@click.argument("host", shell_complete=complete_target)
@click.argument("app", required=False, default="")
@inventory_option
@format_option
def open(host: str, app: str, inventory: Sequence[str], out: Format) -> int:
    """Show the application APP of HOST in the browser, or its address where there is no browser.

    APP may be missing if the host serves or balances one only. If its domain does not lead to the host from this
    machine, prov says how to reach it all the same. Nothing is asked of the host.

    Exit status: 0 shown; 1 its domain does not lead to the host; 2 usage or configuration.
    """
    from provision.apps.host_addresses import address_of
    from provision.serving.served_apps import url

    chosen = select_one(inventory, host)
    found = one_of(applications(chosen), app, chosen.name)
    domain = found.domains[0]
    address, page = address_of(chosen), url(found, domain)
    ca, there = authority(chosen, found), leads(domain, address)
    event = {"event": "page", "host": chosen.name, "app": found.name, "url": page, "address": address}
    lines = [page] if there else elsewhere(page, domain, address, ca)
    if out.FOR_PROGRAMS or not (there and sys.stdout.isatty() and webbrowser.open(page)):
        out.show([{**event, "authority": ca, "reached": there}], lines)
    out.end()
    return Exit.DONE if there else Exit.FAILED


def applications(host: InventoryHost) -> dict[str, Application]:
    """Return what a host serves and balances, by name. Raises ConfigErrors."""
    from provision.cli.of_applications import served_of

    return {app.name: app for app in served_of([host])[host.name].every}


def one_of(found: dict[str, Application], name: str, host: str) -> Application:
    """Return the application of that name, or the only one if the name is "". Raises UsageError."""
    from provision.cli.of_applications import named

    if name or len(found) == 1:
        return named(name or next(iter(found)), host, list(found.values()))
    raise UsageError(
        f"{host} serves {', '.join(found) or 'no application'}", hint=f"Name one:  prov open {host} APP"
    )


def leads(domain: str, address: str) -> bool:
    """Return whether a domain has an address of the host, as this machine's resolver knows them."""
    return bool(addresses(domain) & addresses(address))


def addresses(name: str) -> set[str]:
    """Return the addresses of a name; none if it is unknown."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def authority(host: InventoryHost, app: Application) -> str:
    """Return the file of the private authority that clients have to trust; "" if there is none."""
    if app.tls != "private-ca":
        return ""
    from provision.roles.project import resolve
    from provision.serving.served_apps import authority_file
    from roles.tls import Tls

    (assignment,) = resolve([host])
    params = next((p for p in assignment.params.values() if isinstance(p, Tls)), Tls())
    return authority_file(params.ca)


def elsewhere(page: str, domain: str, address: str, ca: str) -> list[str]:
    """Return how to reach a page whose domain leads elsewhere, or nowhere."""
    port = 443 if page.startswith("https:") else 80
    trust = ["--cacert", ca] if ca else []
    to = f"[{address}]" if ":" in address else address
    curl = shlex.join(["curl", "--resolve", f"{domain}:{port}:{to}", *trust, page])
    known = ", ".join(sorted(addresses(domain)))
    return [
        f"{domain} {f'resolves to {known}' if known else 'does not resolve'}; the host is {address}",
        f"  Ask the host itself:  {curl}",
        f"  For the browser, a line of this machine's /etc/hosts:  {address} {domain}",
    ]
