"""What a rehearsal replaces in a host's variables: secrets, certificates, and what only the real place has."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from provision.inventory.host_variables import HostVariables
from provision.inventory.kinds import Kinds
from provision.inventory.located import Located, dotted
from provision.inventory.template_text import is_template
from provision.roles.secret_uses import YamlPath, secrets_below
from provision.secrets import LOGIN, Secret, logins
from provision.values import dataclass

#: variables that describe the real place
OF_THE_PLACE = ("ec2", "internal_address")
#: settings of an application that name where its files are fetched: their logins stay
FETCHED = ("source", "indexes")
#: values of `tls` that need nothing but prov
OWN_WORDS = ("private-ca", "self-signed", "none")


@dataclass(frozen=True)
class Replacement:
    """A value that is another one in a rehearsal. what: its path in the variables; never a value.

    by: what takes its place.  where: its file and line.
    """

    host: str
    what: str
    by: str
    where: str


def rehearsed(
    host: HostVariables, variables: Mapping[str, Located], kinds: Kinds, seed: str
) -> tuple[dict[str, Located], list[Replacement]]:
    """Return a host's variables for a rehearsal, and what was replaced.

    variables: these of it.  kinds: their known types.
    seed: what generated secrets are derived from: a secret that several hosts have from one line is one secret for
    all of them.
    """
    replacements: list[Replacement] = []

    def note(path: YamlPath, by: str, part: Located) -> None:
        replacements.append(Replacement(host.name, dotted(path), by, str(part.origin)))

    found = {}
    for variable, part in variables.items():
        if host.meant(variable) in OF_THE_PLACE:
            address = host.meant(variable) == "internal_address"
            note((variable,), "the lab's address" if address else "a lab host", part)
        else:
            found[variable] = with_parts(part)
    for variable, part in found.items():
        secret = {path: origin for path, _, origin in secrets_below(variable, part, kinds)}

        def changed(path: YamlPath, each: Located, secret: Mapping[YamlPath, str] = secret) -> Located:
            if fetches((host.meant(str(path[0])), *path[1:])) or is_template(each.value):
                return each
            if path in secret:
                note(path, "a generated secret", each)
                return Located(Secret(derived(seed, path, secret[path])), each.origin)
            if isinstance(each.value, str) and logins(each.value):
                note(path, "the URL with a generated login", each)
                return Located(with_login(each.value, derived(seed, path, str(each.origin))), each.origin)
            return each

        found[variable] = walked(part, (variable,), changed)
    for path, value in certificates(found, host.named("tls"), host.named("apps")):
        variable = str(path[0])
        note(path, TESTS_OWN, found[variable].nearest(path[1:]))
        found[variable] = put(found[variable], path[1:], value)
    return found, replacements


TESTS_OWN = "a certificate of the rehearsal's own authority"


def fetches(path: YamlPath) -> bool:
    """Return whether a value says where the files of an application come from."""
    return len(path) > 2 and path[0] == "apps" and path[2] in FETCHED


def derived(seed: str, path: YamlPath, origin: str) -> str:
    """Return the generated secret for a line of the inventory."""
    return hmac.new(seed.encode(), f"{dotted(path)} {origin}".encode(), hashlib.sha256).hexdigest()


def with_login(url: str, password: str) -> str:
    """Return a text with the passwords of its URLs replaced; users stay."""

    def another(found: Any) -> str:
        user, colon, _ = found[0][:-1].partition(":")
        return f"{user}:{password}@" if colon else f"{password}@"

    return LOGIN.sub(another, url)


def certificates(variables: Mapping[str, Located], of_tls: str, of_apps: str) -> list[tuple[YamlPath, Any]]:
    """Return the settings that name another authority or files of certificates, with what takes their place.

    of_tls, of_apps: the variables with the parameters of the role `tls`, and with the applications.
    """
    found: list[tuple[YamlPath, Any]] = []
    tls = variables.get(of_tls)
    if tls is not None and "acme" in tls.parts:
        found.append(((of_tls, "acme"), None))
    for name, app in variables[of_apps].parts.items() if of_apps in variables else ():
        value = app.parts.get("tls")
        if value is not None and value.value not in OWN_WORDS:
            found.append(((of_apps, name, "tls"), "private-ca"))
    return found


# -- located values


def walked(part: Located, path: YamlPath, change: Callable[[YamlPath, Located], Located]) -> Located:
    """Return a value with its parts changed, the innermost ones last."""
    found = change(path, part)
    if found is not part or not part.parts:
        return found
    parts = {key: walked(inner, (*path, key), change) for key, inner in part.parts.items()}
    return rebuilt(part, parts)


def put(part: Located, path: YamlPath, value: Any) -> Located:
    """Return a value with one part replaced, or left out for None."""
    part = with_parts(part)
    key, parts = path[0], dict(part.parts)
    if len(path) > 1:
        parts[key] = put(parts.get(key, Located({}, part.origin)), path[1:], value)
    else:
        origin = part.nearest(path).origin
        parts.pop(key, None)
        if value is not None:
            parts[key] = Located(value, origin)
    return rebuilt(part, parts)


def with_parts(part: Located) -> Located:
    """Return a value whose parts are located: those that AWS or `compose` has given are not."""
    if part.parts or not isinstance(part.value, (dict, list)):
        return part
    items = part.value.items() if isinstance(part.value, dict) else enumerate(part.value)
    parts = {key: with_parts(Located(value, part.origin)) for key, value in items}
    return Located(part.value, part.origin, parts, sealed=part.sealed)


def rebuilt(part: Located, parts: Mapping[str | int, Located]) -> Located:
    """Return a mapping or list with other parts."""
    value: Any
    if isinstance(part.value, list):
        value = [each.value for each in parts.values()]
    else:
        value = {key: each.value for key, each in parts.items()}
    deferred = any(each.deferred for each in parts.values())
    return Located(value, part.origin, parts, deferred=deferred, sealed=part.sealed)
