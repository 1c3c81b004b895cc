"""Where certificates are on a host: the role `tls` puts them there, fronts read them."""

from __future__ import annotations

from provision.apps import App

TLS_FOLDER = "/etc/prov/tls"
#: the private CA's certificate, where a front judges the fronts of other hosts by it
AUTHORITY_PATH = f"{TLS_FOLDER}/ca.crt"


def key_path(app: App) -> str:
    """The private key of an application's certificate; root's alone."""
    return f"{TLS_FOLDER}/{app.name}.key"


def certificate_path(app: App) -> str:
    """An application's certificate."""
    return f"{TLS_FOLDER}/{app.name}.crt"
