"""Where certificates come from: files of the user's own, an ACME authority (RFC 8555) such as Let's Encrypt, prov."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, Discriminator, Field, Tag, model_validator

from provision.apps.settings import Settings
from provision.inventory import InventoryHost
from provision.inventory.fields import matching
from provision.secrets import Secret

#: names of ACME authorities, and their directories
DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}

AcmeServer = Annotated[
    str,
    matching(
        r"letsencrypt|staging|https://[^\s@]+", "letsencrypt, staging, or a URL that begins with https://"
    ),
]


class OwnCertificate(Settings):
    """A certificate of the user's own: `tls: {certificate: shop.crt, key: shop.key}`."""

    certificate: Path = Field(
        description="PEM file, relative to the inventory: the certificate, then its chain."
    )
    key: Path = Field(description="PEM file of its private key, without a passphrase.")
    authority: Path | None = Field(
        default=None,
        description="PEM file of its authority, with which `balance` verifies hosts. Default: all public authorities.",
    )


def address(text: str) -> str:
    """Refuse what is not an IP address: certbot takes no name here."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


class AccountBinding(Settings):
    """What binds an ACME account to one that the authority knows already (RFC 8555, 7.3.4)."""

    key_id: Annotated[str, matching(r"[!-~]+", "the identifier of a key, without spaces")] = Field(
        description="Identifier that the authority gave you."
    )
    key: Secret = Field(description="Its key, as the authority gave it to you, in base64url.")


class DnsUpdates(Settings):
    """A name server that takes updates (RFC 2136) with a key (TSIG, RFC 8945): for dns-01."""

    server: Annotated[str, AfterValidator(address)] = Field(
        description="Address of the name server that takes updates of the zone."
    )
    port: int = Field(default=53, ge=1, le=65535, description="Its port.")
    name: Annotated[str, matching(r"[A-Za-z0-9._-]+", "the name of a key")] = Field(
        description="Name of the key, as the name server has it."
    )
    secret: Secret = Field(description="The key, in base64.")
    algorithm: Literal["HMAC-SHA224", "HMAC-SHA256", "HMAC-SHA384", "HMAC-SHA512"] = Field(
        default="HMAC-SHA256", description="Algorithm of the key."
    )
    wait: int = Field(
        default=60, ge=0, le=600, description="Seconds until all name servers of the zone have an update."
    )


class Route53(Settings):
    """Amazon's Route 53: for dns-01. `dns: route53` takes the permissions that the instance itself has."""

    provider: Literal["route53"] = Field(description="`route53`.")
    access_key: Annotated[str, matching(r"[A-Z0-9]{16,128}", "the id of an access key")] | None = Field(
        default=None, description="Id of an access key. Default: the role of the EC2 instance."
    )
    secret_key: Secret | None = Field(default=None, description="Its secret.")
    endpoint: Annotated[str, matching(r"https?://[^\s@]+", "a URL")] | None = Field(
        default=None, description="URL of an interface other than Amazon's public one. Needs Debian 13."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"provider": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> Route53:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("`access_key` and `secret_key` go together")
        return self


def dns_kind(value: Any) -> str:
    """Return the kind of a value of `dns`."""
    named = value.get("provider") if isinstance(value, Mapping) else value
    return "route53" if isinstance(value, Route53) or isinstance(named, str) else "updates"


Dns = Annotated[
    Annotated[DnsUpdates, Tag("updates")] | Annotated[Route53, Tag("route53")], Discriminator(dns_kind)
]


class AcmeSettings(Settings):
    """What may be said with an application, or of all applications of a host."""

    server: AcmeServer | None = Field(
        default=None,
        validation_alias=AliasChoices("server", "acme"),
        description="`letsencrypt`, `staging`, or the URL of an ACME directory. Default: `letsencrypt`, and `staging`"
        " for hosts of a group `staging`.",
    )
    agree: bool = Field(
        default=False, description="Must be true: you agree to the terms of service of that authority."
    )
    email: Annotated[str, matching(r"[^\s@]+@[^\s@]+", "an e-mail address")] | None = Field(
        default=None, description="Address of the account, for the authority's messages."
    )
    challenge: Literal["http-01", "dns-01"] = Field(
        default="http-01",
        description="How the host shows that a name is yours: the front answers on port 80, or `dns` gets a record.",
    )
    profile: Annotated[str, matching(r"[\w.-]+", "the name of a profile")] | None = Field(
        default=None,
        description="Profile of certificates, such as Let's Encrypt's `shortlived`. Needs certbot 4: Debian 13.",
    )
    authority: Path | None = Field(
        default=None,
        description="PEM file of the authority that the ACME server's own certificate is from, if it is not public.",
    )


class AcmeDefaults(AcmeSettings):
    """What the applications with `tls: acme` have in common: the parameter `acme` of the role `tls`.

    Only here is what is secret: it belongs to the account, not to an application.
    """

    eab: AccountBinding | None = Field(
        default=None,
        description="External account binding, if `server` asks for one. Only in the variable `tls`.",
    )
    dns: Dns | None = Field(
        default=None,
        description="Where records for `dns-01` are written: a name server that takes updates, or `route53`."
        " Only in the variable `tls`.",
    )


class Acme(AcmeSettings):
    """A certificate that the host gets, and renews, from an ACME authority: `tls: acme`."""

    @model_validator(mode="after")
    def _agreed(self) -> Acme:
        if not self.agree:
            raise ValueError(
                f"`agree: true` is missing: it says that you agree to the terms of service of {self.server}"
            )
        return self

    @property
    def directory(self) -> str:
        """Return the URL of the authority's directory."""
        assert self.server is not None  # `acme_settings` has set it
        return DIRECTORIES.get(self.server, self.server)


#: `acme` alone is short for settings, which `acme_settings` puts in its place
Word = Literal["acme", "private-ca", "self-signed", "none"]
Tls = Annotated[
    Annotated[Word, Tag("word")] | Annotated[OwnCertificate, Tag("files")] | Annotated[Acme, Tag("acme")],
    Discriminator(lambda value: kind_of(value)),
]


def kind_of(value: Any) -> str:
    """Return the kind of a value of `tls`. A mapping with `server` is what `acme_settings` has made."""
    if isinstance(value, Acme) or value == "acme":
        return "acme"
    if isinstance(value, Mapping):
        return "acme" if "server" in value else "files"
    return "files" if isinstance(value, OwnCertificate) else "word"


def acme_settings(host: InventoryHost, value: Any) -> dict[str, Any] | None:
    """Return the settings of `tls: acme` or `tls: {acme: SERVER, ...}`; None for another value of `tls`.

    What they leave out is as in the variable `tls: {acme: ...}` of the host.
    """
    if value == "acme":
        value = {"acme": None}
    if not isinstance(value, Mapping) or "acme" not in value:
        return None
    found = acme_defaults(host)
    for account in set(AcmeDefaults.model_fields) - set(AcmeSettings.model_fields):
        found.pop(account, None)
    found.update({name: part for name, part in value.items() if name != "acme"})
    usual = "staging" if "staging" in host.groups else "letsencrypt"
    found["server"] = value["acme"] or found.get("server") or usual
    return found


def acme_defaults(host: InventoryHost) -> dict[str, Any]:
    """Return what the variable `tls: {acme: ...}` of a host says."""
    role = host.vars.get(host.named("tls"))
    common = role.get("acme") if isinstance(role, Mapping) else None
    return dict(common) if isinstance(common, Mapping) else {}
