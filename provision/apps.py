"""The application: where its source is, and how it is served. The inventory says it, the roles read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from provision.errors import ConfigError, ConfigErrors
from provision.inventory import InventoryHost, Problems
from provision.inventory.fields import Domain, InnerPath, UrlPrefix, UserName, VariableName, matching
from provision.inventory.masking import is_secret
from provision.inventory.validation import validate
from provision.inventory.values import shown
from provision.secrets import Secret

Interface = Literal["wsgi", "asgi"]
Server = Literal["gunicorn", "uwsgi", "mod_wsgi", "uvicorn", "hypercorn", "daphne"]
Front = Literal["nginx", "apache"]

# Which interfaces a server speaks; the first server of an interface is its default. Source: each server's own
# documentation. uvicorn's WSGI mode is deprecated in favour of a wrapper, and daphne never had one.
INTERFACES: Mapping[Server, tuple[Interface, ...]] = {
    "gunicorn": ("wsgi",),
    "uvicorn": ("asgi",),
    "uwsgi": ("wsgi",),
    "mod_wsgi": ("wsgi",),
    "hypercorn": ("asgi", "wsgi"),
    "daphne": ("asgi",),
}

GIT_URL = re.compile(r"(https?|ssh|git|file)://\S+|[\w.-]+@[\w.-]+:\S+")


def servers_for(interface: Interface) -> list[Server]:
    """The servers that speak the interface; the first one is the default."""
    return [server for server, spoken in INTERFACES.items() if interface in spoken]


# app-NAME is a user, so that an application called `news` or `backup` does not run as Debian's own user
AppName = Annotated[
    str, matching(r"[a-z]([a-z0-9-]{0,26}[a-z0-9])?", "a name of a-z, 0-9 and '-', from a letter, 28 at most")
]


class Settings(BaseModel):
    """What the models here have in common: they do not change, and no parameter goes unnoticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Django(Settings):
    """What a Django project wants done for each release."""

    settings: Annotated[str, matching(r"\w+(\.\w+)*", "a module like shop.settings")] = Field(
        description="Module of the settings, as in DJANGO_SETTINGS_MODULE."
    )
    manage: InnerPath = Field(default="manage.py", description="Path of manage.py in the source.")
    migrate: bool = Field(default=True, description="Run `migrate` before a release goes into service.")
    collectstatic: bool = Field(default=True, description="Run `collectstatic` for each release.")


class App(Settings):
    """One web application on a host."""

    name: AppName = Field(description="The key in `apps`; units, sockets and folders are called after it.")
    source: Path | str = Field(
        description="A local folder (relative to the file that says so) or the URL of a git repository."
    )
    ref: Annotated[str, matching(r"(?!-)[\w./-]+", "a branch, tag or commit")] | None = Field(
        default=None, description="Branch, tag or commit, if the source is git; else its default branch."
    )
    subdirectory: InnerPath | None = Field(
        default=None, description="Folder in the source that holds the application; other paths start there."
    )
    interface: Interface = Field(default="wsgi", description="What the application speaks.")
    target: Annotated[
        str, matching(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*", "of the form module:callable")
    ] = Field(description="The application object, as module:callable.")
    server: Server = Field(
        default_factory=lambda data: servers_for(data["interface"])[0],
        description="What runs it. Default: gunicorn for wsgi, uvicorn for asgi.",
    )
    front: Front = Field(default="nginx", description="What stands before it, with TLS and static files.")
    domains: tuple[Domain, ...] = Field(
        min_length=1, description="Host names it is served under; the first label may be `*`."
    )
    tls: Literal["private-ca", "none"] = Field(
        default="private-ca", description="Where the certificate comes from; `none` is plain http."
    )
    static: dict[UrlPrefix, InnerPath] = Field(
        default={}, description="URL prefix: folder in the release that the front serves by itself."
    )
    media: dict[UrlPrefix, InnerPath] = Field(
        default={}, description="URL prefix: folder for uploads, in the data folder that outlives releases."
    )
    environment: dict[VariableName, str | Secret] = Field(
        default={}, description="Environment variables. Passwords, keys and tokens are treated as secrets."
    )
    health: Annotated[str, matching(r"/[^\s?#]*", "a path that begins with /")] = Field(
        default="/", description="Path that answers 200 when a release is ready."
    )
    requirements: InnerPath = Field(
        default="requirements.txt", description="File in the source that lists the Python packages."
    )
    django: Django | None = Field(default=None, description="Set for Django projects; see below.")
    workers: int | None = Field(
        default=None, ge=1, description="Worker processes. Default: from the host's processors."
    )
    max_body: Annotated[str, matching(r"[1-9]\d*[kmg]?", "a size like 512k, 10m or 1g")] = Field(
        default="10m", description="Largest request body."
    )
    timeout: int = Field(default=30, ge=1, description="Seconds a request may take.")
    keep_releases: int = Field(
        default=3, ge=1, description="Releases kept on the host, with the current one."
    )
    user: UserName = Field(
        default_factory=lambda data: f"app-{data['name']}", description="User it runs as. Default: app-NAME."
    )

    @field_validator("source")
    @classmethod
    def _local_or_git(cls, source: Path | str) -> Path | str:
        if isinstance(source, str) and not GIT_URL.fullmatch(source):
            raise ValueError(f"{source!r} is neither an absolute folder nor the URL of a git repository")
        return source

    @field_validator("ref")
    @classmethod
    def _only_for_git(cls, ref: str | None, info: ValidationInfo) -> str | None:
        if ref is not None and isinstance(info.data.get("source"), Path):
            raise ValueError("is for a source in git, and this one is a local folder")
        return ref

    @field_validator("server")
    @classmethod
    def _speaks_interface(cls, server: Server, info: ValidationInfo) -> Server:
        interface = info.data.get("interface")
        if interface is not None and interface not in INTERFACES[server]:
            able = ", ".join(servers_for(interface))
            raise ValueError(f"{server!r} does not speak {interface}; these do: {able}")
        return server

    @field_validator("domains")
    @classmethod
    def _each_once(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(domains):
            if name in domains[:index]:
                raise ValueError(f"{name!r} is listed twice")
        return domains

    @field_validator("media")
    @classmethod
    def _not_static_too(cls, media: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for prefix in media:
            if prefix in info.data.get("static", {}):
                raise ValueError(f"{prefix!r} is a prefix of `static` already")
        return media

    @field_validator("environment")
    @classmethod
    def _hide_secrets(cls, environment: dict[str, str | Secret]) -> dict[str, str | Secret]:
        for name, value in environment.items():
            if isinstance(value, str) and "\0" in value:
                raise ValueError(f"the value of {name} has a NUL in it")
        return {
            name: Secret(value) if isinstance(value, str) and is_secret(name, value) else value
            for name, value in environment.items()
        }


def apps_of(host: InventoryHost) -> list[App]:
    """The applications of a host, from its variable `apps` (name: settings), in the order of the inventory.

    Raises ConfigErrors with all that is wrong in all of them; also if two claim a domain, or if a local
    source, its requirements or its manage.py is not there.
    """
    settings = host.vars.get("apps")
    if settings is None:
        return []
    if not isinstance(settings, dict):
        raise ConfigErrors(
            [host.error(("apps",), f"must be a mapping of names to settings, not {shown(settings)}")]
        )
    problems = Problems()
    apps: list[App] = []
    for name, value in settings.items():
        with problems.gathered():
            apps.append(app_of(host, name, value))
    for error in [*domains_claimed_twice(host, apps), *files_missing(host, apps)]:
        problems.add(error)
    problems.raise_any()
    return apps


def app_of(host: InventoryHost, name: Any, settings: Any) -> App:
    """One application from its settings in the inventory."""
    path = ("apps", name)
    if not isinstance(settings, dict):
        raise host.error(path, f"must be a mapping of settings, not {shown(settings)}")
    if "name" in settings:
        raise host.error((*path, "name"), "an application's name is its key in `apps`")
    settings = {"name": name, **settings}
    source, origin = settings.get("source"), host.origin(*path, "source")
    if isinstance(source, str) and origin is not None and not GIT_URL.fullmatch(source):
        settings["source"] = (origin.folder / Path(source).expanduser()).resolve()
    return validate(App, settings, host, path)


def domains_claimed_twice(host: InventoryHost, apps: list[App]) -> list[ConfigError]:
    """An error for each domain that an earlier application of the host has."""
    owners: dict[str, str] = {}
    errors: list[ConfigError] = []
    for app in apps:
        for index, name in enumerate(app.domains):
            owner = owners.setdefault(name, app.name)
            if owner != app.name:
                place = host.origin("apps", owner, "domains")
                path = ("apps", app.name, "domains", index)
                errors.append(host.error(path, f"{name!r} belongs to {owner!r} already ({place})"))
    return errors


def files_missing(host: InventoryHost, apps: list[App]) -> list[ConfigError]:
    """An error for each file or folder of this machine that an application names and that is not there."""
    errors: list[ConfigError] = []
    for app in apps:
        if not isinstance(app.source, Path):
            continue
        root = app.source / (app.subdirectory or "")
        if not root.is_dir():
            path = (
                "apps",
                app.name,
                "subdirectory" if app.subdirectory and app.source.is_dir() else "source",
            )
            errors.append(host.error(path, f"no such folder: {root}"))
            continue
        wanted: dict[tuple[str, ...], str] = {("requirements",): app.requirements}
        if app.django:
            wanted[("django", "manage")] = app.django.manage
        for parameter, file in wanted.items():
            if not (root / file).is_file():
                errors.append(host.error(("apps", app.name, *parameter), f"no such file: {root / file}"))
    return errors
