"""Releases: the source of an application as a manifest, and its places on a host (decision D9).

A release is named by a hash of its contents: the same source, settings and environment give the same name on
every host and in every run. So prov needs no records to know whether there is something to deploy.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path

from provision.apps.app_model import App
from provision.apps.bindings import Binding
from provision.apps.indexes import requirements_with, without_logins_in
from provision.apps.requirement_files import RequiredPackages
from provision.apps.requirements import (
    imported_from,
    listed_in,
    packages_of,
    project_of,
    requires_python,
    with_project,
)
from provision.apps.surroundings import asked_for, surroundings
from provision.declared import serving_roles
from provision.declared.role_folders import BUILTIN
from provision.errors import ProvError
from provision.secrets import Secret, logins, without_logins
from provision.sources.folder_manifests import contents
from provision.steps.support.local_projects import locals_in
from provision.steps.tree import Entry, summary
from provision.values import dataclass

#: largest size of a file that lists packages, in bytes
MOST_REQUIREMENTS = 16 << 20
#: files in a folder `migrations`, or numbered as Django does, wherever MIGRATION_MODULES puts them
MIGRATION = re.compile(r"/migrations/.*\.py$|/\d{4}_\w+\.py$")
#: what prov itself puts into a release's folder
OURS = (".prov", ".venv")
#: in values of `environment`: the application's folder in its release
IN_RELEASE = "{release}"


@dataclass(frozen=True)
class Release:
    """One state of an application, and its places on a host.

    entries: manifest of the source.  wanted: the packages of its environment, besides the server.
    requires_python: the Python versions that the project supports, such as ">=3.11".
    seeding: the source's contents at `writable` paths, by their path in the application's folder.
    asked_for: names of environment variables that the application's settings read (surroundings.py).
    installing: environment of the installer.
    bindings: the services that the application uses.
    """

    app: App
    entries: list[Entry]
    wanted: RequiredPackages
    requires_python: str = ""
    asked_for: tuple[str, ...] = ()
    installing: Mapping[str, str | Secret] = field(default_factory=dict)
    seeding: Sequence[Entry] = ()
    bindings: Sequence[Binding] = ()

    @cached_property
    def id(self) -> str:
        """Return twelve hex digits that identify the source, the settings that shape it, and the environment
        without secrets."""
        shaped_by = {
            "files": summary(self.entries),
            "venv": self.venv,
            "pythonpath": self.app.pythonpath,
            "writable": [*self.app.writable, summary(list(self.seeding))],
            "django": self.app.django.model_dump() if self.app.django else None,
            "environment": visible(self.app.environment),
        }
        if self.app.build and not self.app.build.here:
            shaped_by["build"] = [*self.app.build.command, *self.app.built]
        return short_hash(json.dumps(shaped_by, sort_keys=True))

    def seeds(self, path: str) -> list[Entry]:
        """Return the source's contents at a `writable` path, with all paths that begin there."""
        place = self.app.in_source(path)
        return [(e[0][len(place) + 1 :], *e[1:]) for e in self.seeding if e[0].startswith(f"{place}/")]

    @property
    def home(self) -> str:
        """Return the folder of all releases, environments and links of the application."""
        return f"/srv/{self.app.name}"

    @property
    def path(self) -> str:
        """Return the folder of this release."""
        return f"{self.home}/releases/{self.id}"

    @property
    def root(self) -> str:
        """Return the application's folder in the release."""
        return self.inside(self.path)

    def inside(self, folder: str) -> str:
        """Return the application's folder below a folder that holds the release's files."""
        return f"{folder}/{self.app.subdirectory}" if self.app.subdirectory else folder

    def instance_link(self, instance: str) -> str:
        """Return the link by which an instance finds its release."""
        return f"{self.home}/instances/{instance}"

    @cached_property
    def venv(self) -> str:
        """Return the release's virtual environment; releases with the same packages share one."""
        projects = [found.path for found in locals_in(self.requirements.splitlines())]
        inside = [
            e for e in self.entries if any(f"{e[0]}/".startswith(f"{p}/" if p else "") for p in projects)
        ]
        made_of = [
            self.app.interpreter,
            self.requirements,
            self.wanted.constraints,
            self.packages,
            summary(inside),
        ]
        return f"{self.home}/venvs/{short_hash(json.dumps(made_of))}"

    @property
    def requirements(self) -> str:
        """Return the text of its requirements file."""
        return self.wanted.text

    def search_path(self, folder: str) -> str:
        """Return PYTHONPATH for a folder that holds the release's files."""
        root = self.inside(folder)
        own = self.own_variables.get("PYTHONPATH")
        places = [
            *(f"{root}/{each}" for each in self.app.pythonpath),
            root,
            *(f"{folder}/{each}".rstrip("/") for each in self.wanted.edited),
            *([str(own)] if own else []),
        ]
        return ":".join(dict.fromkeys(places))

    @property
    def packages(self) -> list[str]:
        """Return the packages that the server adds to the environment: none if the requirements list them.

        Raises ProvError if a requirements file has hashes and lacks them: its author wants no package without one.
        """
        server = self.app.server_role
        package = server.package
        if package is None or named_in(self.requirements) & set(map(bare_name, (package, *server.aliases))):
            return []
        if "--hash=" in self.requirements and not self.wanted.locked:
            raise ProvError(
                f"the requirements of {self.app.name} have hashes but do not list {bare_name(package)}",
                where=str(self.app.source),
                hint=f"Every package of a requirements file with hashes needs one: {self._with_a_hash(package)}.",
            )
        return [package]

    def _with_a_hash(self, package: str) -> str:
        """Return what to do if the server's package has no hash: add it, or choose a server that has one."""
        listed = named_in(self.requirements)
        others = [
            each.name
            for each in serving_roles.servers([BUILTIN])
            if each.package
            and self.app.interface in each.serves
            and listed & set(map(bare_name, (each.package, *each.aliases)))
        ]
        choose = f", or choose what they list: server: {others[0]}" if others else ""
        return f"add {package} with its hash{choose}"

    @property
    def current(self) -> str:
        """Return the link to the release that is in service."""
        return f"{self.home}/current"

    @property
    def before(self) -> str:
        """Return the folder of links to earlier releases: 1 is the latest of them."""
        return f"{self.home}/before"

    @property
    def data(self) -> str:
        """Return the folder that outlives releases: databases, uploads. It is also the home of the user."""
        return f"/var/lib/{self.app.user}"

    @property
    def migrations(self) -> str:
        """Return a digest of what migrations depend on.

        That is the migrations in the source, the requirements that bring others, the settings, and the
        database, as far as the environment names it.
        """
        files = [e for e in self.entries if MIGRATION.search(f"/{e[0]}")]
        settings = self.app.django.settings if self.app.django else ""
        places = {name: without_logins(value.reveal()) for name, value in self.secret_urls.items()}
        # another release alone is no other database
        given = visible({**self.environment, **self.app.environment})
        made_for = [summary(files), self.requirements, settings, given, places]
        return short_hash(json.dumps(made_for, sort_keys=True))

    @property
    def secret_urls(self) -> dict[str, Secret]:
        """Return secret URLs such as DATABASE_URL without logins: their targets are not secret."""
        every = {**self.environment, **self.credentials}
        found = {name: value for name, value in every.items() if isinstance(value, Secret)}
        return {name: value for name, value in found.items() if logins(value.reveal())}

    @property
    def own_variables(self) -> dict[str, str | Secret]:
        """Return `environment` as it is in this release: with its folder in place of `{release}`."""
        given = self.app.environment.items()
        return {n: v if isinstance(v, Secret) else v.replace(IN_RELEASE, self.root) for n, v in given}

    @property
    def environment(self) -> dict[str, str | Secret]:
        """Return the environment of the application's processes."""
        app = self.app
        given: dict[str, str | Secret] = {
            **surroundings(app, self.data, self.asked_for),
            "PYTHONUNBUFFERED": "1",
        }
        if app.django:
            given["DJANGO_SETTINGS_MODULE"] = app.django.settings
        packages = named_in(self.requirements)
        for binding in self.bindings:
            given.update(binding.environment(packages))
        return {**given, **self.own_variables, **({} if self.credentials else app.secrets)}

    @property
    def credentials(self) -> dict[str, Secret]:
        """Return the secrets that systemd hands to its processes as credentials, by name."""
        return self.app.secrets if self.app.secrets_as == "credentials" else {}

    @property
    def credentials_folder(self) -> str:
        """Return the folder of the files that systemd makes its credentials of (serving/credential_files.py)."""
        return f"/etc/prov/{self.app.name}.credentials"


def release_of(app: App, manifest: Sequence[Entry], bindings: Sequence[Binding] = ()) -> Release:
    """Return the release of an application's source. Raises ProvError.

    manifest: every file of the source.  bindings: the services that it uses.
    """
    tree = SourceTree({entry[0]: entry for entry in manifest})
    root, where = app.subdirectory or "", str(app.source)
    path = app.in_source(app.requirements) if app.requirements else listed_in(tree, root)
    if path is None or not tree.has(path):
        ignored = "Is it ignored by .gitignore? " if isinstance(app.source, Path) else ""
        raise ProvError(
            f"{app.requirements or 'a list of packages'} is not in the source of {app.name}",
            where=where,
            hint=f"{ignored}An empty requirements.txt will do if nothing is required.",
        )
    wanted = packages_of(path, tree, where=where, root=root, extras=app.extras, groups=app.groups)
    if app.install:
        wanted = with_project(wanted, project_of(tree, root, where=where))
    known = {**app.environment, **app.secrets}
    listed = requirements_with(wanted.text, app.indexes, known, where=f"{where}: {path}")
    edited = tuple(imported_from(tree, folder) for folder in wanted.edited)
    wanted = replace(wanted, text=listed.text, edited=edited)
    refuse_empty_static(app, tree)
    refuse_unimported(app, tree, wanted)
    writable = tuple(f"{app.in_source(path)}/" for path in app.writable)
    shipped: list[Entry] = []
    seeding: list[Entry] = []
    made = set(map(app.in_source, app.files))
    for entry in without_logins_in(tree.entries.values(), path):
        if entry[0] in made:
            # a template replaces it
            continue
        (seeding if f"{entry[0]}/".startswith(writable) else shipped).append(entry)
    return Release(
        app,
        shipped,
        wanted,
        requires_python(tree, root),
        asked_for(app, tree),
        listed.environment,
        seeding,
        bindings,
    )


def refuse_empty_static(app: App, tree: SourceTree) -> None:
    """Raise ProvError for a folder of `static` that the source lacks, and nothing fills."""
    for prefix, folder in app.static.items():
        if app.collects_static and (folder in app.collected or not prefix.endswith("/")):
            # collectstatic may make it
            continue
        if app.build and not app.build.here and app.in_source(folder) in app.built:
            continue
        place = app.in_source(folder)
        if (
            not (tree.below(place) if prefix.endswith("/") else tree.has(place))
            and folder not in app.writable
        ):
            ignored = " Is it ignored by .gitignore?" if isinstance(app.source, Path) else ""
            missing = "has no file in" if prefix.endswith("/") else "is not in"
            raise ProvError(
                f"{folder}, which {prefix} of {app.name} is to show, {missing} the source.{ignored}",
                where=str(app.source),
                hint="Files that a build makes must exist, and not be ignored, when prov reads the source.",
            )


def refuse_unimported(app: App, tree: SourceTree, wanted: RequiredPackages) -> None:
    """Raise ProvError if the target's module is in src/, or beside manage.py, where imports do not look for it."""
    name = app.target.partition(":")[0].split(".")[0]
    others = app.install or wanted.edited or locals_in(wanted.text.splitlines())
    if others or "PYTHONPATH" in app.environment:
        return

    def has_module(folder: str) -> bool:
        place = posixpath.normpath(posixpath.join(app.in_source(folder), name))
        return tree.has(f"{place}.py") or bool(tree.below(place))

    beside = posixpath.dirname(app.django.manage) if app.django else ""
    place = next((each for each in ("src", beside) if each and has_module(each)), "")
    if not place or any(map(has_module, ("", *app.pythonpath))):
        return
    other = "`install: true` to install the project" if place == "src" else f"`subdirectory: {place}`"
    raise ProvError(
        f"{app.target}: the module {name!r} is in {place}, which modules of {app.name} are not imported from",
        where=str(app.source),
        hint=f"Set `pythonpath: [{place}]`, or {other}.",
    )


@dataclass(frozen=True)
class SourceTree:
    """A source, as the readers of requirements see it. entries: by path."""

    entries: Mapping[str, Entry]

    def read(self, path: str) -> bytes:
        """Return the contents of a file of the source. Raises OSError, ProvError."""
        return contents(self.entries, path, MOST_REQUIREMENTS)

    def has(self, path: str) -> bool:
        """Return whether the source has such a file."""
        return path in self.entries

    def named(self, name: str) -> list[str]:
        """Return the paths of all files of that name."""
        return [path for path in self.entries if path.rpartition("/")[2] == name]

    def below(self, folder: str) -> list[str]:
        """Return the paths of all files in a folder and its subfolders."""
        return [path for path in self.entries if path.startswith(f"{folder}/" if folder else "")]


def in_bytes(size: str) -> int:
    """Return a size such as 512k, 10m or 2g as a number of bytes."""
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(size[-1])
    return int(size[:-1]) * factor if factor else int(size)


def named_in(requirements: str) -> set[str]:
    """Return the names of the packages that a requirements file lists."""
    lines = (line.strip() for line in requirements.splitlines())
    return {bare_name(line) for line in lines if line and not line.startswith(("#", "-"))}


def bare_name(requirement: str) -> str:
    """Return a requirement's package name, normalized as on PyPI (PEP 503)."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


def visible(environment: dict[str, str | Secret]) -> dict[str, str]:
    """Return an environment without its secrets, which must not shape public names."""
    return {name: value for name, value in environment.items() if not isinstance(value, Secret)}


def short_hash(text: str) -> str:
    """Return twelve hex digits of SHA-256, for names of releases, environments and instances."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
