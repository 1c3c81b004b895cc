"""The applications of a host, read from its variables and checked against each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from provision.apps.app_model import GIT_URL, App
from provision.apps.application import Application
from provision.apps.local_paths import files_missing, local
from provision.apps.settings import known_roles
from provision.apps.tls_settings import Acme, OwnCertificate, Tls, acme_defaults, acme_settings
from provision.declared.fronts import fronts
from provision.errors import ConfigError, ConfigErrors
from provision.inventory import InventoryHost, Problems
from provision.inventory.own_names import HINT
from provision.inventory.sealed_variables import PARTS_OF_APPS
from provision.inventory.validation import validate
from provision.inventory.yaml_values import revealed, shown
from provision.sources.manifests import Manifests


def apps_of(host: InventoryHost, manifests: Manifests) -> list[Application]:
    """Return a host's applications, from its variable `apps` (name: settings), in the inventory's order.

    manifests: reads their sources when a release is first used.

    Raises ConfigErrors with the faults of all of them, also if two claim one domain, or if a local
    source, its requirements or its manage.py does not exist.
    """
    settings = host.vars.get(host.named("apps"))
    if settings is None:
        return []
    if not isinstance(settings, dict):
        message = f"must be a mapping of names to settings, not {shown(settings)}"
        raise ConfigErrors([host.error(("apps",), message, HINT.format(name="apps"))])
    problems = Problems()
    for part in PARTS_OF_APPS:
        if host.named(part) in host.located and not isinstance(host.written("apps"), dict):
            message = "can't be laid over `apps`, which is a template"
            problems.add(
                host.error((part,), message, "Write `apps` as a mapping; its values may be templates.")
            )
    apps: list[Application] = []
    for name, value in settings.items():
        with problems.gathered():
            apps.append(app_of(host, name, value).read_by(manifests))
    for error in [
        *fronts_that_differ(host, apps),
        *beyond_fronts(host, apps),
        *domains_claimed_twice(host, apps),
        *claimed_twice(host, apps),
        *files_missing(host, apps),
        *certificates_unfit(host, apps),
        *users_that_are_people(host, apps),
    ]:
        problems.add(error)
    problems.raise_any()
    return apps


def app_of(host: InventoryHost, name: Any, settings: Any) -> Application:
    """Return an application from its settings in the inventory."""
    path = ("apps", name)
    if not isinstance(settings, dict):
        raise host.error(path, f"must be a mapping of settings, not {shown(settings)}")
    if "name" in settings:
        raise host.error((*path, "name"), "an application's name is its key in `apps`")
    settings = {"name": name, **settings}
    source, origin = settings.get("source"), host.origin(*path, "source")
    if isinstance(source, str) and origin is not None and not GIT_URL.fullmatch(source):
        settings["source"] = local(host, (*path, "source"), origin, source)
    refs = host.inventory.refs
    if name in refs or ("" in refs and isinstance(settings.get("source"), str)):
        settings["ref"] = refs[name if name in refs else ""]
    settings["tls"] = tls_of(host, path, settings.get("tls", "private-ca"))
    if isinstance(settings.get("files"), dict):
        settings["files"] = {
            place: local(host, (*path, "files", place), at, file)
            if isinstance(file, str) and (at := host.origin(*path, "files", place)) is not None
            else file
            for place, file in settings["files"].items()
        }
    image = settings.get("image")
    image = {"base": image} if isinstance(image, str) else image
    if isinstance(image, dict) and isinstance(image.get("base"), str):
        place = ("image", "base") if isinstance(settings["image"], dict) else ("image",)
        at = host.origin(*path, *place)
        if at is not None:
            settings["image"] = {**image, "base": local(host, (*path, *place), at, image["base"])}
    if isinstance(settings.get("snippets"), list):
        settings["snippets"] = [
            local(host, (*path, "snippets", n), at, file)
            if isinstance(file, str) and (at := host.origin(*path, "snippets", n)) is not None
            else file
            for n, file in enumerate(settings["snippets"])
        ]
    return validate(Application, settings, host, path, known_roles(host))


def tls_of(host: InventoryHost, path: tuple[Any, ...], tls: Any) -> Any:
    """Return the value of `tls` with the paths of this machine, and with what `tls: acme` leaves out."""
    acme = acme_settings(host, tls)
    if acme is None and not isinstance(tls, dict):
        return tls
    found = dict(tls) if acme is None else acme
    for part in ("certificate", "key", "authority"):
        own = isinstance(tls, dict) and part in tls
        place = (*path, "tls", part) if own else ("tls", "acme", part)
        origin = host.origin(*place)
        if isinstance(found.get(part), str) and origin is not None:
            found[part] = local(host, place, origin, found[part])
    return found


def fronts_that_differ(host: InventoryHost, apps: Sequence[App]) -> list[ConfigError]:
    """Yield an error for each application with another front than the host's first one: both need ports 80
    and 443."""
    return [
        host.error(
            ("apps", app.name, "front"),
            f"{apps[0].name} has {apps[0].front} as its front, and both need ports 80 and 443",
            "Give all applications of a host the same front.",
        )
        for app in apps[1:]
        if app.front != apps[0].front
    ]


def beyond_fronts(host: InventoryHost, apps: Sequence[App]) -> list[ConfigError]:
    """Yield an error for each setting of an application that its front lacks (the role's OFFERS)."""
    folders = known_roles(host)["roles"]
    errors: list[ConfigError] = []
    for app in apps:
        for wanted in app.asks_of_front:
            if wanted not in app.front_role.offers:
                able = [each.name for each in fronts(folders) if wanted in each.offers]
                message = f"the front {app.front!r} has no `{wanted}`"
                hint = f"Set `front` to one that has: {', '.join(able)}" if able else ""
                errors.append(host.error(("apps", app.name, wanted.partition(":")[0]), message, hint))
    return errors


def domains_claimed_twice(host: InventoryHost, apps: Sequence[App]) -> list[ConfigError]:
    """Yield an error for each domain of an earlier application of the host, unless both agree to share it.

    They do if they have the same domains, front and tls, and another `path` each.
    """
    owners: dict[str, list[App]] = {}
    errors: list[ConfigError] = []
    for app in apps:
        for index, name in enumerate(app.names):
            others = owners.setdefault(name, [])
            more = index - len(app.domains)
            path = ("apps", app.name, *(("domains", index) if more < 0 else ("redirects", more)))
            rival = next((o for o in others if o.path == app.path or shared(o) != shared(app)), None)
            if rival is not None:
                place = host.origin("apps", rival.name, "domains")
                if rival.path == app.path:
                    message = f"{name!r} already belongs to {rival.name!r} ({place})"
                    hint = "To share it, give each its own `path`."
                    errors.append(host.error(path, message, hint))
                else:
                    message = (
                        f"is shared with {rival.name!r} ({place}): both need the same names, front and tls"
                    )
                    errors.append(host.error(path, message))
            others.append(app)
    return errors


def users_that_are_people(host: InventoryHost, apps: Sequence[App]) -> list[ConfigError]:
    """Yield an error for each application that would run as a person of the inventory: of base.users, or
    prov's login."""
    base = revealed(host.vars.get(host.named("base")))
    people = base.get("users") if isinstance(base, dict) else None
    known = {
        str(person.get("name")): f"an account of base.users ({host.origin('base', 'users', index)})"
        for index, person in enumerate(people if isinstance(people, list) else [])
        if isinstance(person, dict)
    }
    login = revealed(host.vars.get("ansible_user", host.vars.get("ansible_ssh_user")))
    known.setdefault(str(login), "the user that prov logs in as")
    return [
        host.error(
            ("apps", app.name, "user"),
            f"{app.user!r} is {known[app.user]}, but an application needs its own user",
            f"Remove `user`: prov creates app-{app.name}.",
        )
        for app in apps
        if app.user in known
    ]


def shared(app: App) -> tuple[set[str], set[str], str, Tls]:
    """Return the settings that applications on shared domains must have in common."""
    return set(app.domains), set(app.redirects), app.front, app.tls


def claimed_twice(host: InventoryHost, apps: Sequence[App]) -> list[ConfigError]:
    """Yield an error for each application that answers what another application of the host already answers.

    That is unknown names, or a health path under any name.
    """
    errors: list[ConfigError] = []
    owners: dict[str, App] = {}
    for app in apps:
        claims = {"default": "unknown names"} if app.default else {}
        if app.health_by_any_name:
            claims["health_by_any_name"] = f"{app.path.rstrip('/')}{app.health} by any name"
        for setting, what in claims.items():
            owner = owners.setdefault(what, app)
            if owner is not app:
                place = host.origin("apps", owner.name, setting)
                errors.append(
                    host.error(("apps", app.name, setting), f"{owner.name!r} answers {what} ({place})")
                )
    return errors


def certificates_unfit(host: InventoryHost, apps: Sequence[App]) -> list[ConfigError]:
    """Yield an error for each certificate or key of the user's own that does not fit its domains."""
    errors: list[ConfigError] = []
    for app in apps:
        if isinstance(app.tls, OwnCertificate):
            # imported here: few have one, and cryptography takes long to import
            from provision.apps.own_certificate import faults

            for part, message in faults(app.tls, app.names):
                errors.append(host.error(("apps", app.name, "tls", part), message))
        if isinstance(app.tls, Acme):
            errors += [host.error(("apps", app.name, "tls"), message) for message in acme_faults(host, app)]
    return errors


def acme_faults(host: InventoryHost, app: App) -> list[str]:
    """Return why an ACME authority could not certify an application's names."""
    assert isinstance(app.tls, Acme)
    found: list[str] = []
    if app.tls.challenge == "http-01":
        wild = [name for name in app.names if name.startswith("*.")]
        found += [f"{name!r} needs `challenge: dns-01`: http-01 has no wildcards" for name in wild[:1]]
    elif not acme_defaults(host).get("dns"):
        found.append("`challenge: dns-01` needs `dns` in the variable `tls`: {acme: {dns: {server: ...}}}")
    file = app.tls.authority
    if file is not None and not os.path.isfile(file):  # noqa: PTH113 (as local_paths.is_folder)
        found.append(f"`authority`: no such file: {file}")
    return found
