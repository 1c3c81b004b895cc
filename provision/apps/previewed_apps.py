"""Previews: an application beside the live one on its host, from another ref, under a name of its own.

A preview is an application like any other, made of the live one's settings. It has a user, folders, units, databases
and a domain of its own, so nothing of the live one is shared or changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import field, replace

from pydantic import TypeAdapter, ValidationError

from provision.apps.application import Application
from provision.apps.bindings import Binding, Handed
from provision.apps.tls_settings import OwnCertificate
from provision.errors import UsageError
from provision.inventory.fields import Domain, VariableName
from provision.inventory.masking import is_secret
from provision.secrets import Secret
from provision.values import dataclass

#: characters of an application's name (app_model.AppName), and of the digest that keeps shortened names apart
LONGEST, DIGEST = 28, 4
#: the shortest label that still says something
SHORTEST = 6
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True)
class PreviewOrder:
    """What is to be previewed.

    app: name of the live application.  ref: branch, tag or commit.  label: of the preview's name and domain; "" makes
    it of ref.  domain: "" is the label before the live one's first domain.  settings: variables that differ from the
    live one's.  days: after which it goes.  with_processes: it has workers and jobs, too.
    """

    app: str
    ref: str
    label: str = ""
    domain: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    days: int = 7
    with_processes: bool = False

    @property
    def name(self) -> str:
        """Return the preview's name: the live application's, and the label. Raises UsageError."""
        return f"{self.app}-{label_of(self.app, self.label or self.ref)}"


def label_of(app: str, text: str) -> str:
    """Return a DNS label for a ref, short enough for the name of an application (RFC 1035, 2.3.1).

    app: the application's name. A label that had to be shortened ends with a digest. Raises UsageError.
    """
    room = LONGEST - len(app) - 1
    if room < SHORTEST:
        raise UsageError(
            f"the name {app!r} leaves no room for that of a preview: both together have {LONGEST} characters",
            hint="Previews are for applications with a name of 21 characters at most.",
        )
    label = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not label:
        raise UsageError(
            f"{text!r} has no letter or digit for a name", hint="Name the preview:  --name LABEL"
        )
    if len(label) <= room:
        return label
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGEST]
    return f"{label[: room - DIGEST - 1].rstrip('-')}-{digest}"


def preview_of(live: Application, order: PreviewOrder) -> Application:
    """Return the application that a preview is. Raises UsageError.

    live: the application in the inventory, bound to what it uses.
    """
    refuse_unfit(live)
    name = order.name
    settings = {**live.environment, **live.secrets, **order.settings}
    secret = {n for n, value in order.settings.items() if is_secret(n, value)} | {*live.secrets}
    uses = {key: use.model_copy(update={"name": None}) for key, use in live.uses.items()}
    found = live.model_copy(
        update={
            "name": name,
            "user": f"app-{name}",
            "ref": order.ref,
            "domains": (domain_of(live, order),),
            "redirects": (),
            "default": False,
            "health_by_any_name": False,
            "maintenance": False,
            # they are shared by all sites of a front, which a preview leaves alone
            "cache": None,
            "rate_limit": None,
            "environment": {n: value for n, value in settings.items() if n not in secret},
            "secrets": {n: as_secret(settings[n]) for n in sorted(secret)},
            "processes": live.processes if order.with_processes else {},
            "jobs": live.jobs if order.with_processes else {},
            "uses": uses,
        }
    )
    found.bound_to([of_preview(binding, found) for binding in live.bindings])
    return found.model_copy(update={"tls": "self-signed"}) if is_uncovered(found) else found


def of_preview(binding: Binding, preview: Application) -> Binding:
    """Return what a preview uses in place of what the live application does: the same service, under its own name."""
    return replace(binding, app=preview, use=preview.uses[binding.key], handed=Handed())


def refuse_unfit(live: Application) -> None:
    """Raise UsageError if an application can have no previews."""
    if not isinstance(live.source, str):
        raise UsageError(
            f"{live.name} comes from a folder, {live.source}, which has no branches",
            hint="Previews are for applications from git: their `source` is the URL of a repository.",
        )
    if "previews" not in live.front_role.offers:
        raise UsageError(f"the front {live.front!r} of {live.name} can't serve previews")
    if live.auth is not None and live.auth.by == "django":
        raise UsageError(
            f"{live.name} has `auth: django`, whose Apache belongs to a release: there are no previews of it"
        )
    for binding in live.bindings:
        if binding.way != "socket":
            raise UsageError(
                f"{live.name} reaches {binding.name} on {binding.provider.name} by a {binding.way}, not by a socket:"
                " its previews could not have a copy",
                hint="Previews are for applications whose databases are on their own host, without `auth`.",
            )


def domain_of(live: Application, order: PreviewOrder) -> str:
    """Return the domain of a preview. Raises UsageError."""
    base = live.domains[0].removeprefix("*.")
    found = order.domain or f"{label_of(live.name, order.label or order.ref)}.{base}"
    kind: TypeAdapter[str] = TypeAdapter(Domain)
    try:
        return kind.validate_python(found)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"{found!r} can't be a domain: {said}") from None


def is_uncovered(preview: Application) -> bool:
    """Return whether the live application's own certificate is not for the preview's domain."""
    if not isinstance(preview.tls, OwnCertificate):
        return False
    # imported here: few have one, and cryptography takes long to import
    from provision.apps.own_certificate import faults

    return any(part == "certificate" for part, _ in faults(preview.tls, preview.names))


def as_secret(value: str | Secret) -> Secret:
    """Return a value as a Secret."""
    return value if isinstance(value, Secret) else Secret(value)


def check_variable(name: str) -> None:
    """Raise UsageError unless this can be the name of a variable."""
    kind: TypeAdapter[str] = TypeAdapter(VariableName)
    try:
        kind.validate_python(name)
    except ValidationError:
        raise UsageError(f"--set {name}=...: {name!r} is not the name of a variable") from None
