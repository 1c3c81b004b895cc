"""Interpreters, virtual environments and the packages in them. Shipped to hosts (Python 3.8, standard library)."""

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, listed, mode_text, step, wanted
from provision.steps.support.build_errors import NO_PYTHON, NO_VENV
from provision.steps.support.environment import Environment, check_environment, revealed
from provision.steps.support.index_lines import (
    REORDERED,
    check_no_logins,
    index_changes,
    other_requirements,
    requirement_lines,
    without_hashes,
)
from provision.steps.support.installed import (
    STAMP,
    entries,
    folders,
    interpreter_folders,
    minor_version,
    name_version,
    read_stamp,
)
from provision.steps.support.installers import Installer, find_uv, named_paths
from provision.steps.support.local_projects import (
    archives,
    as_a_build_sees,
    at,
    copied,
    dropped,
    local,
    locals_in,
    state,
)
from provision.system.builds.build_user import is_builder
from provision.system.builds.sandbox import Build, building
from provision.system.memory.removal import take_away

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Host, Outcome, StepOptions
    from provision.system.host import System

#: where the installer finds the constraints
CONSTRAINTS = "prov-constraints.txt"
#: what venv(1) creates in an environment's folder
ENVIRONMENT = ("bin", "lib", "lib64", "include", "pyvenv.cfg")
#: how descriptions of changes to folder modes begin
MODE = "mode of "


@wanted()
class Venv(Step):
    """A virtual environment with these packages (PEP 668: never the system's Python).

        python.venv(c, "/srv/shop/venv", requirements=python.requirements(c, "uv.lock"), project="/srv/shop/src")

    path: of the environment.  python: the interpreter it is made with (see python.interpreter).
    requirements: the text of a requirements file; python.requirements also reads lock files, pyproject.toml.
    If it has hashes, a requirement without one is refused. A line such as "./libs/x" is a project in
    `folder`.
    packages: further requirement specifiers. Beside requirements with hashes they need none: they are
    installed last, and change none of those.
    constraints: the text of a constraints file (pip: "Constraints Files").
    folder: a folder of the host, to which relative paths in the requirements refer.
    project: a folder of the host with a Python project, which is installed as well, as a copy. If
    requirements are given, they are taken to be all that it needs. The same holds for projects in
    requirements that have hashes.
    installer: "uv", "pip", or "" for uv if the host has it (see python.uv), else pip, with the same result.
    environment: for the installer, such as PIP_INDEX_URL; values may be Secrets. Index settings in
    /etc/pip.conf and PIP_ variables apply to uv as well. A login for an index belongs there, as a Secret.
    like: the environment before, which differences of a new one are shown to.
    cache: a name; environments with the same name share what was downloaded and built for them. A user who
    can put a package into one of them can put it into all of them. "" keeps nothing.
    Packages run their authors' code while they are built and installed. If the step acts as root, that code
    runs as a user of its own, in a systemd sandbox that can write to the environment only; see
    docs/builds.md. The environment then belongs to root. Don't start its Python as root: the installed
    packages decide what it runs. Packages that were removed from the environment by hand are installed again,
    and its folders are opened to every user who may enter the environment itself. The environment is made
    again if a run left it unfinished, if its interpreter is gone or has become another Python, or if a
    requirement is dropped, because installers do not remove what a dropped requirement brought along.
    The outcome's `why` names the installer, and `stdout` lists what is installed.
    """

    path: str
    python: str = "/usr/bin/python3"
    requirements: str = ""
    packages: Sequence[str] = ()
    constraints: str = ""
    folder: str = ""
    project: str = ""
    installer: str = ""
    environment: Environment = ()  # type: ignore[assignment]
    cache: str = ""
    like: str = ""

    DEADLINE = 1800.0

    def label(self) -> str:
        return "venv %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_path(self.python, "python")
        for name, path in (("project", self.project), ("folder", self.folder), ("like", self.like)):
            if path:
                check_path(path, name)
        for name, text in (("requirements", self.requirements), ("constraints", self.constraints)):
            if not isinstance(text, str) or "\0" in text:
                raise ValueError("%s must be the text of a %s file" % (name, name))
        if isinstance(self.packages, str):
            raise ValueError("packages must be a list of requirements")
        for name in self.packages:
            if not isinstance(name, str) or not name.strip() or name.startswith("-") or "\n" in name:
                raise ValueError("%r is not a requirement" % (name,))
        if self.installer not in ("", "uv", "pip"):
            raise ValueError('installer must be "uv" or "pip", not %r' % (self.installer,))
        named = locals_in(self._lines())
        if named and not self.folder:
            raise ValueError("the requirements name ./%s: give `folder`, where that is" % named[0].path)
        check_environment(self.environment)
        check_no_logins(self.requirements, self.packages)
        if not isinstance(self.cache, str) or not re.match(r"^([A-Za-z0-9][\w.-]*)?\Z", self.cache):
            raise ValueError("cache must be a name of letters, digits, '.', '-' and '_': %r" % (self.cache,))

    def check(self, host: "System") -> Diff:
        if not self.as_user:
            # what a build has left is made again; no other user may change the folder that it is in
            place = os.path.dirname(self.path) if self._is_a_builds(host) else self.path
            host.files.refuse_shared(place, "root would run what they put there")
        uv = self._uv(host)
        found = self._differences(host)
        if found:
            return Diff(found, why="by uv" if uv else "by pip")
        return Diff.none("has these packages")

    def apply(self, host: "System", diff: Diff) -> None:
        held = self.path + "/" + CONSTRAINTS if self.constraints.strip() else ""
        installer = Installer(self._uv(host), self.path, revealed(self.environment), held)
        before = read_stamp(host, self.path) or {}
        kinds = {change.what for change in diff.changes if not change.what.startswith(MODE)}
        for change in diff.changes:
            if change.what.startswith(MODE):
                host.files.set_mode("%s/%s" % (self.path, change.what[len(MODE) :]), int(change.after, 8))
        if not kinds:
            return
        if kinds & {"new environment", "environment"}:
            self._clear(host)
            if not host.planned and not host.runnable(self.python):
                raise StepError("%s: not found" % self.python, hint=NO_PYTHON)
            host.files.keep(self.path)
            if host.files.stat(self.path) is None:
                host.files.mkdir(self.path, 0o755, *host.owner(None, None))
        host.files.filling(self.path)
        if held:
            host.files.write(held, self.constraints.encode(), 0o644, *host.owner(None, None))
        first = installer.pinned(host, self.requirements, self.constraints)
        self._remove_stamp(host)
        with building(
            host, self.path, STAMP, self._shows(host, installer), [self.python], self.cache
        ) as build:
            if kinds & {"new environment", "environment"}:
                self._make(host, build)
                before = {"base": entries(host, self.path)}
            if self._lines() and kinds != {"project"}:
                again = ["--force-reinstall"] if "missing" in kinds else []
                first.install(build, self._with_sources(host, build), *again)
                if "--hash=" in self.requirements and self.packages:
                    installer.install(
                        build, "\n".join([*self.packages, *map(without_hashes, self._in_index())])
                    )
            if kinds - {"requirement"}:
                self._install_projects(host, build, installer, alone=kinds == {"project"})
        stamp = self.path + "/" + STAMP
        host.files.write(stamp, self._record(host, before), 0o644, *host.owner(None, None))

    def fingerprint(self, host: "System") -> str:
        stamp = self.path + "/" + STAMP
        return host.files.sha256(stamp) if host.files.exists(stamp) else "absent"

    # -- the current state

    def _differences(self, host: "System") -> List[Change]:
        if self._is_a_builds(host):
            return [Change("environment", "unfinished", "made again"), *self._wants(host)]
        if not host.files.exists(self.path + "/bin/python"):
            why = "interpreter is gone" if host.files.stat(self.path) is not None else ""
            return [Change("new environment", why, self.python), *self._wants(host)]
        now = read_stamp(host, self.path)
        reason = "unfinished" if now is None else self._unfit(host, now)
        if now is None or reason:
            return [Change("environment", reason, "made again"), *self._wants(host)]
        there = entries(host, self.path)
        self._tell(there)
        same = now["digest"] == self._digest()
        found = [] if same else other_requirements(now["requirements"], self._lines()) or [REORDERED]
        gone = [name for name in now["installed"] if name not in there]
        if gone:
            found.append(Change("missing", listed(gone), "installed again"))
        if self._projects() and now["project"] != state(host, self._projects()):
            found.append(Change("project", "another state", listed(self._projects())))
        return found + self._closed(host)

    def _is_a_builds(self, host: "System") -> bool:
        """Return whether a build has not finished: root then follows none of its links."""
        found = [host.files.stat(self.path + below) for below in ("", "/bin", "/bin/python")]
        return any(now is not None and is_builder(now.uid) for now in found)

    def _closed(self, host: "System") -> List[Change]:
        """Return folders closed to users who may enter the environment: its programs would not start."""
        top = host.files.end(self.path)
        assert top is not None  # its interpreter was checked before
        found = []
        for name in folders(host, self.path):
            now = host.files.stat("%s/%s" % (self.path, name))
            wanted_mode = now.mode | (top.mode & 0o555) if now is not None and now.kind == "dir" else 0
            if now is not None and wanted_mode & ~now.mode:
                found.append(Change(MODE + name, mode_text(now.mode), mode_text(wanted_mode)))
        return found

    def _unfit(self, host: "System", now: Dict[str, Any]) -> str:
        """Return why the environment cannot be brought to the wanted state; "" if it can."""
        if not host.files.exists(self.path + "/pyvenv.cfg"):
            # without this file, the interpreter looks for packages elsewhere (PEP 405)
            return "pyvenv.cfg is gone"
        if now["python"] != self.python:
            return "made with %s" % now["python"]
        version = minor_version(host, self.path + "/bin/python")
        if version and now["version"] and version != now["version"]:
            return "made with Python %s, which is %s now" % (now["version"], version)
        gone = dropped(now["requirements"], self._lines())
        if gone:
            return "has %s, dropped" % listed([without_hashes(line) for line in gone])
        return "has a project, dropped" if now["project"] and not self._projects() else ""

    def _wants(self, host: "System") -> List[Change]:
        """Return what goes into a new environment, besides what the one before has."""
        before = read_stamp(host, self.like) if self.like else None
        found = list(index_changes(self.environment))
        found += other_requirements(before["requirements"] if before else (), self._lines())
        return [*found, Change("project", "", self.project)] if self.project else found

    def _lines(self) -> List[str]:
        return [*requirement_lines(self.requirements), *self.packages]

    def _in_index(self) -> List[str]:
        """Return the requirements, without projects of the source."""
        return [line for line in requirement_lines(self.requirements) if local(line) is None]

    def _projects(self) -> List[str]:
        """Return folders and archives of the host that are installed."""
        return [at(self.folder, each) for each in locals_in(self._lines())] + (
            [self.project] if self.project else []
        )

    def _digest(self) -> str:
        held = ["constraints", self.constraints] if self.constraints.strip() else []
        return hashlib.sha256("\n".join([*self._lines(), *held]).encode()).hexdigest()

    def _tell(self, there: Sequence[str]) -> None:
        names = (name[: -len(".dist-info")] for name in there if name.endswith(".dist-info"))
        self.scratch["stdout"] = "".join("%s %s\n" % name_version(name) for name in names)

    # -- bringing it to the wanted state

    def _uv(self, host: "System") -> str:
        found = "" if self.installer == "pip" else find_uv(host, self.as_user)
        if self.installer == "uv" and not found:
            raise StepError("there is no uv on this host", hint="Add python.uv(c) before this step.")
        return found

    def _remove_stamp(self, host: "System") -> None:
        """Remove the stamp first: an interrupted installation must not be taken for a finished one."""
        stamp = self.path + "/" + STAMP
        if host.files.stat(stamp) is not None:
            host.files.remove(stamp)

    def _shows(self, host: "System", installer: Installer) -> List[str]:
        """Return what a build must see: the interpreter, uv, and the paths that the settings name."""
        given = [self.requirements, *self.packages, *revealed(self.environment).values()]
        words = [*named_paths(host, given), *archives(host, self._projects())]
        return [*interpreter_folders(host, self.python), *filter(None, [installer.uv]), *words]

    def _with_sources(self, host: "System", build: Build) -> str:
        """Return what is installed together: everything, or the requirements with hashes if some have them."""
        lines = self._in_index() if "--hash=" in self.requirements else self._lines()
        return as_a_build_sees(host, build, lines, self.folder, leave=self.path)

    def _clear(self, host: "System") -> None:
        """Remove what makes up the environment. Other files in its folder stay."""
        if host.ledger.has_made(self.path):
            take_away(host, self.path)
        elif any(host.files.stat(self.path + name) is not None for name in ("/pyvenv.cfg", "/bin/python")):
            for path in ("%s/%s" % (self.path, name) for name in ENVIRONMENT):
                if host.files.stat(path) is not None:
                    host.files.remove(path)

    def _make(self, host: "System", build: Build) -> None:
        result = build.run([self.python, "-m", "venv", self.path])
        result.require("making the virtual environment", NO_VENV)
        if host.planned:
            owner = host.owner(None, None)
            if host.files.stat(self.path + "/bin") is None:
                host.files.mkdir(self.path + "/bin", 0o755, *owner)
            host.files.link(self.path + "/bin/python", self.python)
            host.files.write(self.path + "/pyvenv.cfg", b"", 0o644, *owner)

    def _install_projects(self, host: "System", build: Build, installer: Installer, *, alone: bool) -> None:
        """Install the projects that the requirements left out. alone: nothing else has changed."""
        named = locals_in(self._lines()) if alone or "--hash=" in self.requirements else []
        left = [(at(self.folder, each), each.rest) for each in named] + [(self.project, "")]
        # an unchanged version does not mean unchanged contents
        lines = [copied(host, build, path, leave=self.path) + rest for path, rest in left if path]
        if lines:
            complete = ["--no-deps"] if self._lines() else []
            installer.install(build, "\n".join(lines), "--force-reinstall", *complete)

    def _record(self, host: "System", before: Dict[str, Any]) -> bytes:
        there = entries(host, self.path)
        self._tell(there)
        base = before.get("base", [])
        stamp = {
            "python": self.python,
            "version": minor_version(host, self.path + "/bin/python"),
            "digest": self._digest(),
            "requirements": self._lines(),
            "project": state(host, self._projects()),
            "base": base,
            "installed": [name for name in there if name not in base],
        }
        return json.dumps(stamp, indent=1).encode() + b"\n"


venv = step(Venv)


# -- on the controller


def interpreter(
    c: "Host", version: str = "", *, archive: str = "", sha256: str = "", **options: "Unpack[StepOptions]"
) -> str:
    """Have a Python on the host; return its path, for python.venv.

        python3 = python.interpreter(c)
        python3 = python.interpreter(c, "3.12.7", archive="https://...-install_only.tar.gz", sha256="...")

    version: "" for the distribution's default, "3.13" for another version it packages, "3.12.7" with an
    archive.
    archive: a URL or a path on the host, of a tar with a whole Python in its only folder, such as those of
    python-build-standalone; unpacked to /opt/python/VERSION.  sha256: of the archive.
    """
    from provision.errors import ConfigError
    from provision.steps import fetch, files, package

    if archive:
        if not re.match(r"^3\.\d+\.\d+\Z", version):
            raise ConfigError("python.interpreter: the version of an archive must be whole, such as 3.12.7")
        files.directory(c, "/opt/python", mode=0o755, **options)
        fetch.unpack(c, archive, "/opt/python/" + version, sha256, strip=1, name="python", **options)
        return "/opt/python/%s/bin/python3" % version
    if version and not re.match(r"^3\.\d+\Z", version):
        raise ConfigError(
            "python.interpreter: distributions have versions such as 3.12; %r needs an archive" % version
        )
    name = "python" + (version or "3")
    package.packages(c, [name, name + "-venv"], **options)
    return "/usr/bin/" + name


def uv(c: "Host", version: str = "", **options: "Unpack[StepOptions]") -> "Outcome":
    """Have uv on the host, from PyPI, in an environment of its own at /opt/uv, with a link in /usr/local/bin.

    version: of uv; "" installs the newest version, and does not upgrade it later.
    """
    from provision.steps import files

    venv(c, "/opt/uv", packages=["uv==" + version if version else "uv"], installer="pip", **options)
    return files.link(c, "/usr/local/bin/uv", "/opt/uv/bin/uv", **options)


def requirements(c: "Host", origin: str) -> str:
    """Return the text of a requirements file, for python.venv, made from a local file: requirements.txt,
    pyproject.toml (the project's dependencies), pylock.toml or uv.lock (with hashes; uv.lock needs uv on this
    machine).

    origin: absolute, or relative to the role's files/ folder.
    Raises ConfigError if there is no such local file, or if it can't be read.
    """
    from provision.steps.on_controller import requirements_of, role_file

    return requirements_of(role_file(c, "files", origin))
