"""New keys and certificates on demand: of applications whose certificate is not from files."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from provision.apps.app_model import App
from provision.apps.renewals import PROGRAM, acme_state, issuer_on
from provision.apps.tls import certificate_path, key_path
from provision.apps.tls_settings import Acme
from provision.role import Host
from provision.steps import acme, rotated_certificates, served
from provision.system.source import Source
from roles.tls import Tls, between, certified, renewals


def replaced(c: Host, wanted: Collection[str], *, revoke: str = "") -> None:
    """Replace the keys and certificates of applications, and see that their fronts serve the new ones.

    wanted: their names.  revoke: why the ACME authority is to revoke the old certificates; "" if it is not.
    """
    p = c.params(Tls)
    for app, front in certified(c):
        if app.name not in wanted:
            continue
        found = issuer_on(app, c.inventory, c.balancers)
        if found == "acme":
            from_authority(c, app, revoke)
        else:
            by_host(c, p, app, front, private=found == "private-ca")
        served.served_certificate(c, certificate_path(app), app.domains[0].replace("*", "www", 1))


def from_authority(c: Host, app: App, revoke: str) -> None:
    """Have the host's program replace a certificate of an ACME authority."""
    assert isinstance(app.tls, Acme)
    # a host that was deployed by an older prov has an older one
    renewals.program(c)
    option = ["--revoke", app.name, revoke.replace("-", "")] if revoke else ["--new-key", app.name]
    acme.acme_replacement(
        c,
        certificate_path(app),
        app.names,
        app.tls.server or "",
        acme_state(app),
        [*PROGRAM, *option],
        revoke=revoke,
    )


def by_host(c: Host, p: Tls, app: App, front: str, *, private: bool) -> None:
    """Replace a certificate of the private CA, or one that the host signs itself."""
    signed = None
    if private:
        sign = partial(between.issuing(c, p).sign, names=app.names, days=p.days)
        signed = Source.made_by(f"certificate {app.name}", sign)
    rotated_certificates.rotated_certificate(
        c, key_path(app), certificate_path(app), app.names, front, issuer=signed, days=p.days
    )
