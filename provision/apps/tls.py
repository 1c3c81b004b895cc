"""Paths of certificates on a host: the role `tls` writes them, fronts read them."""

from __future__ import annotations

from provision.apps.app_model import App
from provision.apps.tls_settings import OwnCertificate

TLS_FOLDER = "/etc/prov/tls"
#: the private CA's certificate, with which a front verifies the fronts of other hosts
AUTHORITY_PATH = f"{TLS_FOLDER}/ca.crt"
#: the authorities that the distribution trusts (package ca-certificates)
PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def key_path(app: App) -> str:
    """Return the path of the private key of an application's certificate; only root can read it."""
    return f"{TLS_FOLDER}/{app.name}.key"


def certificate_path(app: App) -> str:
    """Return the path of an application's certificate."""
    return f"{TLS_FOLDER}/{app.name}.crt"


def authority_path(app: App) -> str:
    """Return the file of authorities that verify the certificates of an application's other hosts."""
    if not isinstance(app.tls, OwnCertificate):
        return AUTHORITY_PATH
    return f"{TLS_FOLDER}/{app.name}-ca.crt" if app.tls.authority else PUBLIC_AUTHORITIES
