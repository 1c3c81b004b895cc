"""What `prov init` finds out about the application in a folder, with a comment on each setting."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from provision.apps.application_draft import ApplicationDraft
from provision.apps.compose_reading import QUEUES, compose_services, processes_in, used_in
from provision.apps.django_asking import asked, environment_of
from provision.apps.django_reading import (
    ASKED,
    DjangoProject,
    development_settings,
    django_project,
    for_development,
    insecure_cookies,
)
from provision.apps.draft_values import inside, migrates, prefix, process, text_of
from provision.apps.environment_reading import required_variables
from provision.apps.health_reading import health_of
from provision.apps.package_reading import building, other_python, unreadable
from provision.apps.project_files import ProjectFiles
from provision.apps.project_reading import EntryPoint, asks_own_version, celery_of, target_of
from provision.apps.requirements import USUAL, FolderTree, listed_in
from provision.apps.served_reading import named_target, procfile_of, web_of
from provision.declared import serving_roles
from provision.declared.role_folders import BUILTIN
from provision.errors import UsageError
from provision.inventory.masking import names_a_secret
from provision.steps.base import listed
from provision.steps.support.local_projects import MARKS

#: a URL of SQLAlchemy's for a file that is not in the data folder
SQLITE = r"""["'](sqlite(?:\+\w+)?:///(?!/var/|:memory:)[^"'\s{]+)["']"""
#: for each use, the patterns of variables by which an application finds it
ASKED_BY = {"database": r"DATABASE_URL", "queue": r"REDIS_URL|[\"']CELERY_(BROKER_URL|RESULT_BACKEND)[\"']"}
ASKED_BY["cache"] = ASKED_BY["queue"]
#: variables that `uses` sets
PROVIDED = {
    "database": {"DATABASE_URL", "PGHOST", "PGDATABASE", "PGUSER"},
    "queue": {"REDIS_URL", "QUEUE_URL", "RQ_REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"},
    "cache": {"REDIS_URL", "CACHE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"},
}


def draft_of(files: ProjectFiles) -> ApplicationDraft:
    """Find out what the application in a folder needs.

    Raises UsageError if there is no application, and ConfigError for an invalid line of its Procfile.
    """
    return Drafting(files).draft()


class Drafting:
    """Finds one application."""

    def __init__(self, files: ProjectFiles) -> None:
        self._files = files
        self.name = name_of(files.folder)
        self._settings: list[tuple[str, object, str]] = []
        self._unclear: list[str] = []
        self._roles: list[str] = []
        self._procfile = procfile_of(files)
        self._web_in, self._web = web_of(files, self._procfile)
        self._compose, self._services = compose_services(files)
        self._django = django_project(files)

    def draft(self) -> ApplicationDraft:
        """Return the draft, in the order in which people read an entry."""
        served = self._served()
        root, said = self._subdirectory(served)
        self._put("source", "..", "this folder, without this inventory and what git ignores")
        if root:
            self._put("subdirectory", root, said)
        self._put("target", served.place, f"found in {served.said_in}")
        if served.interface == "asgi":
            self._put("interface", "asgi", "`server` chooses what serves it")
        self._server(served)
        if served.pythonpath:
            self._put("pythonpath", [served.pythonpath], "modules are imported from there")
        self._put("domains", [f"{self.name}.test"], "names that it is served under")
        if self._django:
            self._of_django(self._django)
        else:
            self._static(root)
            self._sqlite()
            self._instance()
        self._health(posixpath.join(root, served.pythonpath, served.place.partition(":")[0].split(".")[0]))
        self._requirements(root)
        self._install(root)
        self._unclear += filter(None, [other_python(self._files, root)])
        self._release(served, root)
        processes = self._processes(root)
        uses = self._uses(queue=any(QUEUES.search(text_of(each)) for each in processes.values()))
        self._variables(uses)
        return ApplicationDraft(self.name, self._settings, self._roles, self._unclear)

    def _subdirectory(self, served: EntryPoint) -> tuple[str, str]:
        """Return the folder of the source that is the application, and what says so."""
        if self._django:
            return self._django.root, "where manage.py is"
        if self._web and self._web.folder:
            return self._web.folder, "found in Procfile"
        return served.folder, "a project of its own; its modules are imported from there"

    def _put(self, name: str, value: object, comment: str) -> None:
        self._settings.append((name, value, comment))

    def _served(self) -> EntryPoint:
        django = self._django
        found = named_target(self._files, self._web_in, self._web, django) or (
            django.target if django else target_of(self._files)
        )
        if found is None:
            missing = (
                f"{django.manage} is there, and no wsgi.py or asgi.py with an `application`"
                if django
                else "no manage.py, no Procfile or Dockerfile with a server, no module with an application of Flask,"
                " FastAPI or the like"
            )
            raise UsageError(
                f"{self._files.folder} already exists, and holds no application that prov knows: {missing}",
                hint="For a project of hosts, name a new folder: prov init DIR. For an application that is not found"
                " by reading, write `target` yourself: docs/applications.md.",
            )
        return found

    def _server(self, served: EntryPoint) -> None:
        """Name the server of the Procfile, and what of its command has another place."""
        web = self._web
        if self._procfile.web and web is None:
            self._unclear.append(
                f"the Procfile serves by a command that prov does not know: {self._procfile.web}"
            )
        if web is None:
            return
        if served.interface in serving_roles.named(web.server, [BUILTIN]).serves:
            self._put("server", web.server, f"named in {self._web_in}")
        else:
            self._unclear.append(
                f"{web.server}, the server in {self._web_in}, does not speak {served.interface}"
            )
        options = [each for each in web.options if "$" not in each]
        if options:
            self._unclear.append(
                f"{self._web_in} starts {web.server} with {' '.join(options)}: an application has `workers` and"
                f" `timeout`, and other options are parameters of the role {web.server}"
            )

    def _of_django(self, project: DjangoProject) -> None:
        manage = posixpath.relpath(project.manage, project.root or ".")
        given = {"settings": project.settings, **({"manage": manage} if manage != "manage.py" else {})}
        self._put("django", given, f"settings: {project.settings_path or 'not in the source'}")
        if not project.settings_path:
            self._unclear.append(
                f"the settings {project.settings} are not in the source: give them by `files`"
            )
        if for_development(project.settings):
            self._unclear.append(development_settings(self._files, project))
        values = {**project.values, **self._asked(project)}
        static = inside(values.get("STATIC_ROOT"))
        if static:
            self._put(
                "static", {prefix(values.get("STATIC_URL"), "/static/"): static}, "filled by collectstatic"
            )
        else:
            why = "is outside the project" if values.get("STATIC_ROOT") else "could not be read"
            self._unclear.append(f"STATIC_ROOT {why}: without `static`, the front serves no static files")
        media = inside(values.get("MEDIA_ROOT"))
        if media:
            where = f"release/{media}"
            self._put(
                "media", {prefix(values.get("MEDIA_URL"), "/media/"): where}, "uploads, in the data folder"
            )
            self._put("writable", [media], "kept over releases")
        self._database(project)
        insecure = insecure_cookies(self._texts(project))
        if insecure:
            self._unclear.append(
                f"{project.settings_path} does not set {' and '.join(insecure)}, which Django's check --deploy asks of"
                " each release: set them to True, or `django: {check_deploy: false}`"
            )
        hosts = re.search(r"[\"'](?!PROV_|\w*CORS)(\w+_ALLOWED_HOSTS)[\"']", self._texts(project))
        if hosts:
            self._put(
                "environment", {hosts[1]: f"{self.name}.test"}, "its settings read the domain from there"
            )

    def _texts(self, project: DjangoProject) -> str:
        return "\n".join(self._files.text(path) for path in project.settings_files)

    def _asked(self, project: DjangoProject) -> dict[str, str]:
        """Ask Django itself for what reading could not find."""
        if "STATIC_ROOT" in project.values:
            return {}
        folder = self._files.folder / project.root
        if environment_of(folder) is not None and os.geteuid() == 0:
            self._unclear.append(
                "the settings could be asked in their environment, but not by root: run prov init as a user"
            )
        return asked(folder, project.settings, ASKED)

    def _database(self, project: DjangoProject) -> None:
        """Report SQLite beside the code: it is not writable there, and lost with the next release."""
        text = self._files.text(project.settings_path)
        postgres = "database" in used_in(self._services)
        if "sqlite" in text and "DATABASE_URL" in text and "DATA_DIR" not in text and not postgres:
            self._unclear.append(
                f"without DATABASE_URL, {project.settings_path} keeps data in SQLite in the release, where nothing can"
                " be written: list the role postgres, and set `uses: {database: postgres}`"
            )
        elif "sqlite3" in text and not re.search(r"DATA_DIR|DATABASE_URL|environ|getenv|env\(", text):
            self._unclear.append(
                f"the database of {project.settings_path} is in the release, where nothing can be written: have the "
                'settings take the folder from os.environ["PROV_DATA_DIR"]'
            )

    def _sqlite(self) -> None:
        """Report SQLite in the release, where nothing can be written, or in /tmp, which goes with each restart."""
        path = self._files.mentions(SQLITE)
        found = re.search(SQLITE, self._files.text(path)) if path else None
        if found:
            lasting = f"sqlite:////var/lib/app-{self.name}/{self.name}.db"
            self._unclear.append(
                f"{path} keeps data in {found[1]}, which does not last: have it be {lasting} here, or set "
                "`uses: {database: postgres}`"
            )

    def _static(self, root: str) -> None:
        for folder in ("static", "app/static"):
            start = posixpath.join(root, folder, "")
            if any(path.startswith(start) for path in self._files.paths):
                self._put("static", {"/static/": folder}, "served by the front")
                return

    def _instance(self) -> None:
        """Keep Flask's instance folder, beside the code by default, where it can be written to."""
        path = self._files.mentions(r"instance_relative_config\s*=\s*True|\.instance_path\b")
        if path and not self._files.mentions(r"\binstance_path\s*="):
            self._put(
                "writable", ["instance"], f"Flask's instance folder, which {path} uses; kept over releases"
            )

    def _health(self, package: str) -> None:
        """Name the path of a health check. package: what is served, as a folder, if it is one."""
        one_of_several = any(path.startswith(f"{package}/") for path in self._files.paths)
        path, said_in = health_of(self._files, f"{package}/" if one_of_several else "")
        if path:
            self._put("health", path, f"found in {said_in}; asked before a release goes into service")
        else:
            self._unclear.append(
                "no path for health checks was found: / has to answer with 200 to 399, or set `health`"
            )

    def _requirements(self, root: str) -> None:
        folders = [root, *posixpath.dirname(root).split("/")] if root else [""]
        usual = {posixpath.join(folder, name) for folder in (*folders, "") for name in USUAL}
        path = (
            (listed_in(FolderTree(self._files.folder), root) or "") if usual & set(self._files.paths) else ""
        )
        problem = unreadable(self._files, path) if path else ""
        # many a pyproject.toml only has the settings of tools
        others = [] if path and not (problem and path.endswith("pyproject.toml")) else self._unusual()
        if others:
            path, problem = others[0], ""
            self._put("requirements", posixpath.relpath(path, root or "."), "its packages")
        if not path:
            problem = f"nothing lists its packages: no {', '.join(USUAL)}; set `requirements`"
        self._unclear += filter(None, [problem])
        self._building(path)

    def _unusual(self) -> list[str]:
        """Find lists of packages in a folder of their own, those for production first."""
        found = re.compile(r"requirements/(production|prod|base|main|requirements)\.txt")
        return sorted(filter(found.fullmatch, self._files.paths), key=lambda path: "prod" not in path)

    def _install(self, root: str) -> None:
        path = asks_own_version(self._files)
        if path and any(posixpath.join(root, mark) in self._files.paths for mark in MARKS):
            self._put("install", True, f"{path} asks for its version, which only an installed project has")

    def _building(self, path: str) -> None:
        """Name what building its packages takes."""
        names, needed = building(self._files, path) if path else ([], [])
        if names:
            self._put(
                "packages",
                {"build": needed},
                f"{listed(names)} {'has' if len(names) == 1 else 'have'} to be built",
            )

    def _release(self, served: EntryPoint, root: str) -> None:
        commands: list[object] = [list(words) for words in self._procfile.before if not migrates(words)]
        said = " ".join(" ".join(words) for words in self._procfile.before)
        files = {path for path in self._files.paths if path.endswith("alembic.ini")}
        if (
            posixpath.join(root, "migrations/alembic.ini") in files
            and not self._django
            and "db upgrade" not in said
        ):
            commands.insert(0, {"command": f"flask --app {served.place} db upgrade", "once": "group"})
        if posixpath.join(root, "alembic.ini") in files and "alembic" not in said:
            commands.insert(0, {"command": "alembic upgrade head", "once": "group"})
        if commands:
            self._put("release", commands, "run for each release, before it goes into service")

    def _processes(self, root: str) -> Mapping[str, object]:
        listed = self._procfile.processes
        said_in = "Procfile" if listed else self._compose
        found = {
            name: process(words, self.name)
            for name, words in (listed or processes_in(self._services)).items()
        }
        made_in, module = celery_of(self._files)
        if not found and made_in:
            said_in, module = made_in, module.removeprefix(f"{root.replace('/', '.')}.")
            found["worker"] = f"celery -A {module} worker"
            if self._files.mentions(r"beat_schedule|CELERY_BEAT|django_celery_beat"):
                found["beat"] = process(["celery", "-A", module, "beat"], self.name)
        if found:
            self._put("processes", found, f"found in {said_in}")
        return found

    def _uses(self, *, queue: bool) -> Mapping[str, str]:
        """Find what it uses. queue: whether it has workers, which find their queue in Redis."""
        found = {
            "queue" if queue and name == "cache" else name: role
            for name, role in used_in(self._services).items()
        }
        needed = set(self._needed)
        known = {
            name: role
            for name, role in found.items()
            if self._files.mentions(ASKED_BY[name]) or needed & set(PROVIDED[name])
        }
        for name, role in found.items():
            if name in known:
                self._roles.append(role)
            else:
                variable = f"{'DATABASE' if name == 'database' else 'REDIS'}_URL"
                self._unclear.append(
                    f"{self._compose} has {role}, and no module asks for {variable}: see `uses`"
                )
        if known:
            self._put("uses", known, f"found in {self._compose}; on the same host")
        return known

    @cached_property
    def _needed(self) -> dict[str, str]:
        """Find the variables without which it does not start, and the file that reads each."""
        return required_variables(
            self._files, self._django.settings_files if self._django else self._files.modules
        )

    def _variables(self, uses: Mapping[str, str]) -> None:
        """Report variables without which the application does not start."""
        given = {"DATA_DIR", "ALLOWED_HOSTS", "BEHIND_PROXY"} if self._django else set()
        given = given.union(*(PROVIDED[name] for name in uses))
        for name, path in self._needed.items():
            if name in given or name.startswith("PROV_") or name.endswith("_ALLOWED_HOSTS"):
                continue
            use = next((each for each, names in PROVIDED.items() if name in names), "")
            if use:
                role = "postgres" if use == "database" else "redis"
                where = f"list the role {role}, and set `uses: {{{use}: {role}}}`"
            else:
                where = f"set it in `{'secrets' if names_a_secret(name) else 'environment'}`"
            self._unclear.append(f"{path} needs the variable {name}: {where}")


def name_of(folder: Path) -> str:
    """Return a name for the application: the folder's, as far as units and users can have it."""
    found = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:28].rstrip("-")
    return found if re.match("[a-z]", found) else f"app-{found}"[:28].rstrip("-")
