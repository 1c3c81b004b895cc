"""Certificates of ACME authorities, once the front that answers their questions is running."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from provision.apps.renewals import PROGRAM, acme_state, issuer_on
from provision.apps.tls import certificate_path, key_path
from provision.apps.tls_settings import Acme
from provision.steps import acme

if TYPE_CHECKING:
    from provision.roles.role_host import Host
    from provision.serving.sites import VirtualHost


def issued_later(c: Host, hosts: Sequence[VirtualHost], kind: str) -> None:
    """After all roles, have the host get the certificates that it still lacks. kind: of their keys, ecdsa or rsa."""
    for host in hosts:
        if issuer_on(host.first, c.inventory, c.balancers) == "acme":
            c.later(partial(issued, c, host, kind))


def issued(c: Host, host: VirtualHost, kind: str) -> None:
    """Get the certificate of a virtual host, for a key of this kind."""
    app = host.first
    assert isinstance(app.tls, Acme)
    # the releases serve by now: without a certificate there is nothing to go back for
    c.starting.clear()
    acme.acme_certificate(
        c,
        key_path(app),
        certificate_path(app),
        app.names,
        app.tls.directory,
        app.tls.server or "",
        acme_state(app),
        [*PROGRAM, "--now", app.name],
        profile=app.tls.profile or "",
        kind=kind,
    )
