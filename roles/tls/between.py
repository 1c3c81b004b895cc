"""Certificates between hosts, from the private CA: for services, and for the applications that use them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from provision.apps.authority import Authority
from provision.apps.authority_files import ClientIdentity
from provision.apps.bindings import DOMAIN, Binding
from provision.apps.host_addresses import address_of
from provision.apps.tls import AUTHORITY_PATH, TLS_FOLDER
from provision.role import Host, Outcome
from provision.steps import apt, certificates, files
from provision.system.source import Source

if TYPE_CHECKING:
    from roles.tls import Tls

#: what a plan shows for an authority that the deploy will make
TO_BE_MADE = "the certificate of the private CA, which the deploy makes\n"


def issuing(c: Host, p: Tls) -> Authority:
    """Return the private CA, and prepare the host for its certificates."""
    found = p.authority
    if not c.planning:
        found.make()
    apt.packages(c, "openssl")
    files.directory(c, TLS_FOLDER, mode=0o755, parents=True)
    return found


def authority(c: Host, p: Tls) -> Authority:
    """Return the private CA as `issuing` does, and put its certificate on the host."""
    found = issuing(c, p)
    text = found.certificate_path.read_text(encoding="ascii") if found.exists() else TO_BE_MADE
    files.file(c, AUTHORITY_PATH, text, mode=0o644)
    return found


def server(c: Host, p: Tls, name: str, bindings: Sequence[Binding], *, group: str) -> list[Outcome]:
    """Issue the certificate of a service, for the names by which applications of other hosts reach it; return what it
    has to read again.

    name: of its files.  group: may read its key.
    """
    ca = authority(c, p)
    names = sorted({binding.host_name for binding in bindings})
    issuer = Source.made_by(f"certificate {name}", partial(ca.sign, names=names, days=p.days))
    key, path = server_files(name)
    certified = certificates.certificate(c, key, path, names, issuer, ca.key_id(), key_group=group)
    return [certified, files.watched(c, AUTHORITY_PATH)]


def server_files(name: str) -> tuple[str, str]:
    """Return where the key and certificate of a service are on its host."""
    return f"{TLS_FOLDER}/{name}-server.key", f"{TLS_FOLDER}/{name}-server.crt"


def client(c: Host, p: Tls, binding: Binding) -> None:
    """Issue the certificate by which services of other hosts recognise an application: it names the user."""
    ca = authority(c, p)
    user, own = binding.app.user, binding.files
    # a name of DNS that constraints of the authority permit; services read the subject
    names = [f"{user}.{DOMAIN}"]
    issuer = Source.made_by(
        f"client certificate {binding.app.name}",
        partial(ca.sign, names=names, days=p.days, client=ClientIdentity(user)),
    )
    certificates.certificate(c, own.key, own.certificate, names, issuer, ca.key_id(), key_group=user)


def listens_at(c: Host, bindings: Sequence[Binding]) -> str:
    """Return the address at which other hosts reach this one; "*" if the host lacks it, behind a router."""
    address = address_of(bindings[0].provider)
    return address if address in c.facts.addresses else "*"
