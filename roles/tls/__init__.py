"""Certificates from a private CA on the controller, for keys that never leave the host, or your own."""

from __future__ import annotations

from functools import partial

from pydantic import Field

from provision.apps.app_model import App
from provision.apps.settings import OwnCertificate
from provision.apps.tls import TLS_FOLDER, certificate_path, key_path
from provision.role import Host, Params, task
from provision.secrets import Secret
from provision.steps import apt, certificates, files
from provision.system.source import Source
from roles.tls import between


class Tls(Params):
    """Parameters of the role `tls`."""

    ca: str = ".prov/ca"
    """Folder of the private CA on the controller, made at first use; keep it out of version control, and back it up."""
    days: int = Field(default=90, ge=1, le=398)
    """Lifetime of certificates in days. They are replaced when a third of it is left."""


@task
def install(c: Host, p: Tls) -> None:
    """Issue a certificate for every application that this host serves or balances, and that wants one."""
    served = {app.name: app for app in [*(b.app for b in c.balanced), *c.apps]}
    own_certificates(c, list(served.values()))
    apps = [app for app in served.values() if app.tls == "private-ca"]
    if not apps:
        return
    authority = between.issuing(c, p.ca)
    for app in apps:
        issuer = Source.made_by(
            f"certificate {app.name}", partial(authority.sign, names=app.names, days=p.days)
        )
        certificates.certificate(
            c, key_path(app), certificate_path(app), app.names, issuer, authority.key_id(), renew=1 / 3
        )


def own_certificates(c: Host, apps: list[App]) -> None:
    """Copy certificates and keys that the inventory names (judged by provision.apps.own_certificate)."""
    for app in apps:
        if isinstance(app.tls, OwnCertificate):
            # a balancer verifies its hosts by them
            apt.packages(c, "ca-certificates")
            files.directory(c, TLS_FOLDER, mode=0o755, parents=True)
            key = Secret(app.tls.key.read_text(encoding="ascii"))
            files.file(c, key_path(app), key, mode=0o600, owner="root", group="root")
            files.file(c, certificate_path(app), app.tls.certificate.read_text(encoding="ascii"), mode=0o644)
