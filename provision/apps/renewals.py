"""Certificates that a host renews itself: which those are, and what it needs to know (roles/tls/files)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from provision.apps.app_model import App
from provision.apps.balancing import entries, servers_of
from provision.apps.tls import TLS_FOLDER, certificate_path, key_path
from provision.apps.tls_settings import Acme, AcmeDefaults, DnsUpdates, OwnCertificate, Route53
from provision.inventory import InventoryHost

#: folders of the program that renews certificates of ACME authorities (roles/tls/files), and of what it writes
RENEWALS, RENEWED = "/usr/local/lib/prov-acme", "/var/lib/prov-acme"
#: argv of that program
PROGRAM = ("/usr/bin/python3", "-B", f"{RENEWALS}/acme.py")
#: where a certificate is from; "none" for plain http
Issuer = Literal["acme", "private-ca", "self-signed", "files", "none"]
#: the folder in which it answers challenges, which fronts serve
CHALLENGES = f"{RENEWED}/webroot"


def is_public(app: App, host: InventoryHost, balancers: Sequence[InventoryHost]) -> bool:
    """Return whether clients see the certificate that a host has for an application.

    If other hosts balance it to this one, only these do, and they verify the host by the private CA: so the names
    need no further certificate of an ACME authority, and no key travels.  balancers: those before the host.
    """
    return not any(
        host in servers_of(balancer, name, value)[1]
        for balancer in balancers
        for name, value in entries(balancer)
        if name == app.name
    )


def issuer_of(app: App, *, public: bool) -> Issuer:
    """Return where the certificate of an application is from. public: whether clients see it.

    Hosts behind a balancer have one of the private CA, unless it is from files.
    """
    if isinstance(app.tls, OwnCertificate):
        return "files"
    if app.tls == "none":
        return "none"
    if not public:
        return "private-ca"
    return "acme" if isinstance(app.tls, Acme) else app.tls


def issuer_on(app: App, host: InventoryHost, balancers: Sequence[InventoryHost]) -> Issuer:
    """Return where the certificate that a host has for an application is from. balancers: in front of the host."""
    return issuer_of(app, public=is_public(app, host, balancers))


def acme_state(app: App) -> str:
    """Return the path of what the host remembers of an application's certificate of an ACME authority."""
    return state_path(app.name)


def state_path(name: str) -> str:
    """Return the same path by the application's name."""
    return f"{RENEWED}/state/{name}.json"


def renewal(
    app: App, front: str, common: AcmeDefaults | None = None, kind: str = "ecdsa"
) -> Mapping[str, object]:
    """Return what the host needs to know to renew an application's certificate.

    front: the unit that serves it.  common: what the applications of the host have in common.  kind: of its key.
    """
    assert isinstance(app.tls, Acme)
    # an account's binding is for the authority that it is from
    eab = common.eab if common and (common.server or app.tls.server) == app.tls.server else None
    return {
        "key": key_path(app),
        "certificate": certificate_path(app),
        "names": list(app.names),
        "server": app.tls.directory,
        "email": app.tls.email or "",
        "profile": app.tls.profile or "",
        "authority": acme_authority_path(app) if app.tls.authority else "",
        "eab": {"key_id": eab.key_id, "key": eab.key.reveal()} if eab else {},
        "dns": records(common.dns) if app.tls.challenge == "dns-01" and common and common.dns else {},
        "front": front,
        "kind": kind,
    }


def records(dns: DnsUpdates | Route53) -> Mapping[str, object]:
    """Return how the host writes records of DNS."""
    if isinstance(dns, Route53):
        found = dns.model_dump(exclude={"secret_key"}, exclude_none=True)
        return {**found, "secret_key": dns.secret_key.reveal()} if dns.secret_key else found
    return {**dns.model_dump(exclude={"secret"}), "secret": dns.secret.reveal()}


def acme_authority_path(app: App) -> str:
    """Return the file of the authority that verifies the ACME server itself."""
    return f"{TLS_FOLDER}/{app.name}-acme-ca.crt"
