"""Releases: the source of an application as a manifest, and where it goes on a host (decision D9).

A release is named by what is in it: the same source, settings and environment give the same name on every
host and in every run, so nothing has to be remembered to know whether there is something to deploy.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property, partial
from pathlib import Path

from provision.apps.indexes import requirements_with, without_logins_in
from provision.apps.model import App
from provision.apps.requirements import requirements_of
from provision.apps.settings import SERVER_PACKAGES
from provision.errors import ProvError
from provision.secrets import Secret
from provision.sources.files import contents
from provision.sources.local import source_entries
from provision.steps.tree import Entry, summary
from provision.values import dataclass

#: bytes of a file that lists packages
MOST_REQUIREMENTS = 16 << 20
#: what prov itself puts into a release's folder
OURS = (".prov", ".venv")

_manifests: dict[tuple[str, str | None, str], list[Entry]] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Release:
    """One state of an application, and its places on a host.

    entries: manifest of the source.  requirements: text of its requirements file.
    installing: environment of what installs them.
    """

    app: App
    entries: list[Entry]
    requirements: str
    installing: Mapping[str, str | Secret] = field(default_factory=dict)

    @cached_property
    def id(self) -> str:
        """Twelve hex digits: of the source, the settings that shape it and the environment without secrets."""
        shaped_by = {
            "files": summary(self.entries),
            "packages": self.packages,
            "python": self.app.python,
            "django": self.app.django.model_dump() if self.app.django else None,
            "environment": visible(self.app.environment),
        }
        return short_hash(json.dumps(shaped_by, sort_keys=True))

    @property
    def home(self) -> str:
        """Folder of all releases, environments and links of the application."""
        return f"/srv/{self.app.name}"

    @property
    def path(self) -> str:
        """Folder of this release."""
        return f"{self.home}/releases/{self.id}"

    @property
    def root(self) -> str:
        """Folder of the application in the release."""
        return self.inside(self.path)

    def inside(self, folder: str) -> str:
        """The application's folder below one that holds the release's files."""
        return f"{folder}/{self.app.subdirectory}" if self.app.subdirectory else folder

    def instance_link(self, instance: str) -> str:
        """The link by which an instance finds its release."""
        return f"{self.home}/instances/{instance}"

    @property
    def venv(self) -> str:
        """The release's virtual environment; releases with the same packages share one."""
        made_of = [self.app.python, self.requirements, self.packages]
        return f"{self.home}/venvs/{short_hash(json.dumps(made_of))}"

    @property
    def packages(self) -> list[str]:
        """What the server brings into the environment: nothing if the requirements name it themselves.

        Raises ProvError if they have hashes and don't: pip then takes nothing without one.
        """
        package = SERVER_PACKAGES.get(self.app.server)
        if package is None or named_in(self.requirements) & {bare_name(package), self.app.server}:
            return []
        if "--hash=" in self.requirements:
            raise ProvError(
                f"{self.app.requirements} of {self.app.name} has hashes, and does not list {self.app.server}",
                where=str(self.app.source),
                hint=f"pip takes nothing without a hash then: add {package} with its own.",
            )
        return [package]

    @property
    def current(self) -> str:
        """Link to the release that is in service."""
        return f"{self.home}/current"

    @property
    def data(self) -> str:
        """Folder that outlives releases: databases, uploads. Also the home of the application's user."""
        return f"/var/lib/{self.app.user}"

    @property
    def migrations(self) -> str:
        """Names the state of all migrations in the source, and the requirements that bring others."""
        files = [e for e in self.entries if "/migrations/" in f"/{e[0]}" and e[0].endswith(".py")]
        return short_hash(json.dumps([summary(files), self.requirements]))

    @property
    def environment(self) -> dict[str, str | Secret]:
        """What the application's processes find in their environment."""
        app = self.app
        given: dict[str, str | Secret] = {
            "DATA_DIR": self.data,
            "ALLOWED_HOSTS": ",".join("." + d[2:] if d.startswith("*.") else d for d in app.domains),
            "PYTHONUNBUFFERED": "1",
        }
        if app.tls != "none":
            given["BEHIND_PROXY"] = "1"
        if app.django:
            given["DJANGO_SETTINGS_MODULE"] = app.django.settings
        return {**given, **app.environment, **app.secrets}


def release_of(app: App) -> Release:
    """The release that the application's source is now. Raises ProvError."""
    entries = {entry[0]: entry for entry in manifest_of(app)}
    root = f"{app.subdirectory}/" if app.subdirectory else ""
    wanted = root + app.requirements
    if wanted not in entries:
        ignored = "Is it ignored by .gitignore? " if isinstance(app.source, Path) else ""
        raise ProvError(
            f"{app.requirements} is not in the source of {app.name}",
            where=str(app.source),
            hint=f"{ignored}An empty file will do if nothing is required.",
        )
    folder, slash, name = wanted.rpartition("/")
    text = requirements_of(
        name, partial(content_of, entries, folder + slash), where=f"{app.source}: {wanted}"
    )
    known = {**app.environment, **app.secrets}
    wanted_packages = requirements_with(text, app.indexes, known, where=f"{app.source}: {wanted}")
    shipped = list(without_logins_in(entries.values(), wanted))
    return Release(app, shipped, wanted_packages.text, wanted_packages.environment)


def content_of(entries: Mapping[str, Entry], folder: str, name: str) -> bytes:
    """What a file of the source holds. entries: by path. Raises OSError, ProvError."""
    return contents(entries, folder + name, MOST_REQUIREMENTS)


def manifest_of(app: App) -> list[Entry]:
    """Every file of the application's source; read once for all hosts of a run."""
    key = (str(app.source), app.ref, app.max_source)
    with _lock:
        if key not in _manifests:
            most = in_bytes(app.max_source)
            if isinstance(app.source, Path):
                _manifests[key] = source_entries(app.source, most)
            else:
                from provision.sources.checkouts import checkout

                _manifests[key] = source_entries(checkout(app.source, app.ref, most), most, whole=True)
        return _manifests[key]


def in_bytes(size: str) -> int:
    """Return a size such as 512k, 10m or 2g as a number of bytes."""
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(size[-1])
    return int(size[:-1]) * factor if factor else int(size)


def named_in(requirements: str) -> set[str]:
    """Names of the packages that a requirements file lists."""
    lines = (line.strip() for line in requirements.splitlines())
    return {bare_name(line) for line in lines if line and not line.startswith(("#", "-"))}


def bare_name(requirement: str) -> str:
    """The package that a requirement is for, as PyPI compares names (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


def visible(environment: dict[str, str | Secret]) -> dict[str, str]:
    """An environment without its secrets: they must not shape names that anybody can see."""
    return {name: value for name, value in environment.items() if not isinstance(value, Secret)}


def short_hash(text: str) -> str:
    """Twelve hex digits of SHA-256: names of releases, environments and instances."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
