"""What a host serves at the end of a deploy, as its users find it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from provision.apps.app_model import App
from provision.apps.application import Application
from provision.apps.host_addresses import address_of
from provision.apps.tls_settings import Acme, OwnCertificate
from provision.controller.events import Attention, Served
from provision.inventory.fields import encoded

if TYPE_CHECKING:
    from provision.roles.role_host import Host

#: days before the end of a certificate from which on it is named
SOON = 30


def served_apps(c: Host) -> Iterator[Served]:
    """Yield the applications of a host, and those that it balances. Raises ProvError."""
    for app in c.assignment.served.every:
        yield served(c, app)


def served(c: Host, app: Application) -> Served:
    """Return where an application is served by a host."""
    address = address_of(c.inventory)
    urls = tuple(url(app, domain) for domain in app.domains)
    return Served(c.name, app.name, urls, address, certificate(c, app), app.release.id, app.commit)


def ending_certificates(c: Host) -> Iterator[Attention]:
    """Yield the user's own certificates that end soon, which nothing renews."""
    for app in c.assignment.served.every:
        if isinstance(app.tls, OwnCertificate):
            # imported here: few applications have one
            from provision.apps.own_certificate import days_left

            days = days_left(app.tls)
            if days is not None and days < SOON:
                what = f"the certificate of {app.name} ends in {days} days"
                yield Attention(c.name, f"{what}; replace {app.tls.certificate}, then deploy")


def url(app: App, domain: str) -> str:
    """Return where clients find an application on one of its domains."""
    return f"{'http' if app.tls == 'none' else 'https'}://{domain}{encoded(app.path)}"


def certificate(c: Host, app: App) -> str:
    """Return whom clients have to trust: "private CA: .prov/ca/ca.crt"; "" for what they trust already."""
    if app.tls == "none":
        return "no TLS"
    if app.tls == "self-signed":
        return "self-signed"
    if isinstance(app.tls, Acme) and app.tls.server == "staging":
        return "Let's Encrypt's staging, which browsers don't trust"
    if app.tls != "private-ca":
        return ""
    from roles.tls import Tls

    return f"private CA: {authority_file(c.params(Tls).ca)}"


def authority_file(folder: str) -> str:
    """Return what clients trust of a private authority. folder: where it is kept on the controller."""
    return str(Path(folder) / "ca.crt")
