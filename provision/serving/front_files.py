"""Files that fronts read besides their configuration: certificates, passwords, the authority of other
hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from provision.apps.authority import Authority
from provision.apps.renewals import issuer_on
from provision.apps.tls import AUTHORITY_PATH, TLS_FOLDER
from provision.apps.tls_settings import OwnCertificate
from provision.steps import files, passwords

if TYPE_CHECKING:
    from provision.apps.app_model import App
    from provision.controller.outcome import Outcome
    from provision.roles.role_host import Host
    from provision.serving.sites import VirtualHost

PASSWORDS = "/etc/prov/passwords"


def passwords_path(app: App) -> str:
    """Return the path of an application's hashed passwords."""
    return f"{PASSWORDS}/{app.name}"


def front_files(c: Host, hosts: list[VirtualHost], ca: str) -> list[Outcome]:
    """Put these files in place; return those whose change requires a reload of the front.

    ca: folder of the private CA on the controller, which verifies the fronts of other hosts.
    """
    # however a certificate was replaced: a front serves the old one until it is reloaded. Those of ACME authorities
    # are renewed between runs, by a program that reloads the front itself
    found = [
        files.watched(c, host.certificate)
        for host in hosts
        if host.tls and issuer_on(host.first, c.inventory, c.balancers) != "acme"
    ]
    sites = [site for host in hosts for site in host.sites]
    for app in (s.app for s in sites if s.app.auth and s.app.auth.by == "basic"):
        assert app.auth is not None
        files.directory(c, PASSWORDS, mode=0o755, parents=True)
        # read again for each request: a change needs no reload
        passwords.htpasswd(c, passwords_path(app), app.auth.users, group="www-data")
    if any(host.people for host in hosts):
        # the role tls has put it there
        found.append(files.watched(c, AUTHORITY_PATH))
    authority = Authority(Path(ca).expanduser())
    known = {host.authority: host.first.tls for host in hosts if any(s.scheme == "https" for s in host.sites)}
    for path, tls in known.items():
        own = tls.authority if isinstance(tls, OwnCertificate) else None
        if own or (path == AUTHORITY_PATH and authority.exists()):
            files.directory(c, TLS_FOLDER, mode=0o755, parents=True)
            certificate = (own or authority.certificate_path).read_text(encoding="utf-8")
            found.append(files.file(c, path, certificate, mode=0o644))
    return found
