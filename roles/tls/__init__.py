"""Certificates from an ACME authority such as Let's Encrypt, from prov's private CA, self-signed, or your own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from provision.apps.app_model import App
from provision.apps.authority import Authority
from provision.apps.renewals import issuer_of, issuer_on
from provision.apps.tls import TLS_FOLDER, certificate_path, key_path
from provision.apps.tls_settings import Acme, AcmeDefaults, OwnCertificate, Route53
from provision.declared.fronts import named
from provision.declared.role_folders import search_path
from provision.errors import ConfigError
from provision.inventory.fields import matching
from provision.role import Host, Params, task
from provision.secrets import Secret
from provision.serving.front_params import FrontParams
from provision.steps import apt, certificates, files
from provision.system.source import Source
from roles.tls import between, renewals

#: the first releases of distributions with certbot 4, which has profiles, and with botocore 1.31, which takes an
#: endpoint from the environment
PROFILES_FROM = {"debian": 13.0, "ubuntu": 25.10}
ENDPOINTS_FROM = {"debian": 13.0, "ubuntu": 24.04}

Above = Annotated[str, matching(r"[a-z0-9-]+(\.[a-z0-9-]+)*", "a domain like example.com")]


class Tls(Params):
    """Parameters of the role `tls`."""

    ca: str = ".prov/ca"
    """Folder of the private CA on the controller, made at first use; keep it out of version control, and back it up."""
    ca_passphrase: Secret | None = None
    """Passphrase that encrypts the key of the private CA. A key without one is encrypted by the next deploy."""
    ca_domains: tuple[Above, ...] = ()
    """The only domains, with all below them, for which clients believe the private CA (name constraints). They are
    written into its certificate when it is made, or changed by `prov tls ca rotate`. Default: any."""
    key_type: Literal["ecdsa", "rsa"] = "ecdsa"
    """Kind of applications' keys: P-256, or RSA of 2048 bits for clients that know nothing else. A key of the other
    kind is replaced with its certificate."""
    days: int = Field(default=90, ge=1, le=398)
    """Lifetime of the private CA's certificates in days. They are replaced when a third of it is left."""
    acme: AcmeDefaults | None = None
    """What the applications with `tls: acme` have in common: server, agree, email, profile, eab, authority."""
    check: Annotated[str, matching(r"[1-9]\d*(s|min|h)", "a time like 15min")] = "15min"
    """How often the host looks which certificate of an ACME authority is due, and whether a failed try is."""

    @property
    def authority(self) -> Authority:
        """The private CA."""
        return Authority(Path(self.ca).expanduser(), self.ca_passphrase, self.ca_domains)

    def misfits(self, apps: Sequence[App]) -> Iterator[tuple[str, str]]:
        for app in apps:
            for name in app.names if self.ca_domains and by_private_ca(app) else ():
                if not any(name.endswith(f".{each}") or name == each for each in self.ca_domains):
                    yield "ca_domains", f"{name} of {app.name} is not one of {', '.join(self.ca_domains)}"

    def unmet(self, host: Host) -> Iterator[ConfigError]:
        for role, params in host.assignment.params.items():
            if self.key_type == "rsa" and isinstance(params, FrontParams) and params.tls_profile == "modern":
                why = f"RSA keys are not part of Mozilla's modern profile, which {role} has"
                yield host.inventory.error(
                    ("tls", "key_type"), why, f"Remove `tls_profile` of {role}, or `key_type`."
                )
        dns = self.acme.dns if self.acme else None
        if isinstance(dns, Route53) and dns.endpoint and not host.facts.is_from(ENDPOINTS_FROM):
            why = (
                f"`endpoint` needs botocore 1.31, which {host.facts.distribution} {host.facts.version} lacks"
            )
            hint = "Remove `endpoint`, or use Debian 13 or Ubuntu 24.04."
            yield host.inventory.error(("tls", "acme", "dns"), why, hint)
        if host.facts.is_from(PROFILES_FROM):
            return
        for app in host.apps:
            if isinstance(app.tls, Acme) and app.tls.profile:
                why = f"profiles need certbot 4, which {host.facts.distribution} {host.facts.version} lacks"
                hint = "Remove `profile`, or use Debian 13 or Ubuntu 25.10."
                yield host.inventory.error(("apps", app.name, "tls"), why, hint)


@task
def install(c: Host, p: Tls) -> None:
    """Issue a certificate for every application that this host serves or balances, and that wants one."""
    served = {app.name: app for app in [*(b.app for b in c.balanced), *c.apps]}
    issuers = {name: issuer_on(app, c.inventory, c.balancers) for name, app in served.items()}
    by_acme = [(app, front) for app, front in certified(c) if issuers[app.name] == "acme"]
    if c.assignment.served.beside:
        renewals.also_renewed(c, by_acme, p.acme, p.key_type)
    else:
        renewals.renewed(c, by_acme, p.acme, p.check, p.key_type)
    own_certificates(c, list(served.values()))
    if any(app.auth and app.auth.by == "certificate" for app in c.apps):
        # fronts verify people by it
        between.authority(c, p)
    for app in served.values():
        if issuers[app.name] == "self-signed":
            apt.packages(c, "openssl")
            files.directory(c, TLS_FOLDER, mode=0o755, parents=True)
            own = (key_path(app), certificate_path(app), app.names)
            certificates.self_signed(c, *own, days=p.days, kind=p.key_type)
    apps = [app for app in served.values() if issuers[app.name] == "private-ca"]
    if not apps:
        if any(by_private_ca(b.app) for b in c.balanced):
            # the hosts behind this one have its certificates, by which this one verifies them
            between.issuing(c, p)
        return
    authority = between.issuing(c, p)
    for app in apps:
        signed = Source.made_by(
            f"certificate {app.name}", partial(authority.sign, names=app.names, days=p.days)
        )
        own = (key_path(app), certificate_path(app), app.names)
        certificates.certificate(c, *own, signed, authority.key_id(), renew=1 / 3, kind=p.key_type)


def by_private_ca(app: App) -> bool:
    """Return whether hosts behind a balancer have certificates of the private CA."""
    return issuer_of(app, public=False) == "private-ca"


def certified(c: Host) -> list[tuple[App, str]]:
    """Return the applications of a host that have a certificate, with the units of their fronts: one for all that share
    their names."""
    folders = search_path(c.inventory.inventory.project)
    balanced = [(b.app, named(b.balance.front, folders).unit) for b in c.balanced]
    found: dict[frozenset[str], tuple[App, str]] = {}
    for app, front in sorted(
        [*balanced, *((app, app.front_role.unit) for app in c.apps)], key=lambda each: each[0].name
    ):
        if app.tls != "none":
            found.setdefault(frozenset(app.domains), (app, front))
    return list(found.values())


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
