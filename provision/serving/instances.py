"""What server roles and fronts share: an instance of an application, its units, sockets and settings
(decision D9).

Every state of an application that is served (release, unit files, settings) is an instance with a name of
its own. It runs as NAME@INSTANCE.service on its own socket beside the previous one, until the front has
switched; so any change is a change of instances, and no request meets a restart.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provision.apps.app_model import App
from provision.apps.app_releases import OURS, Release, short_hash, visible
from provision.inventory.fields import encoded
from provision.roles.params import wrong_function
from provision.roles.role_model import extended
from provision.roles.server_params import ServerParams, check_program, program_of
from provision.secrets import Secret
from provision.serving import workers
from provision.serving.app_parts import part_of
from provision.serving.credential_files import credential_lines, credential_paths
from provision.serving.unit_texts import unit_text
from provision.steps import command, files, service_environment
from provision.system.writers import HERE, systemd_environment
from provision.values import dataclass

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.controller.outcome import Outcome
    from provision.roles.role_host import Host

T = TypeVar("T")

ENVIRONMENT_FOLDER = "/etc/prov"
#: the module that wraps the application (roles/app/files), and the object in it that servers serve
SHIM = "behind_front"
SERVED = f"{SHIM}:application"


@dataclass(frozen=True)
class Program:
    """How a server is started on a socket that systemd passes as file descriptor 3 (sd_listen_fds(3)).

    argv: the program, from the release's environment, and its arguments, words without blanks; what it serves
    is SERVED. HERE in them stands for the instance's name.
    notifies: it tells systemd when it is ready.  reload_signal: restarts its workers, if it can.
    stop_signal: lets it finish its requests and end. environment: variables of its own.
    files: further files for `.prov/` in the release: name, text.
    processes: how many of it make up an instance, for one that has no workers.
    keeps_connections: the front keeps its connections to it for more requests. Otherwise each ends
    with its answer, so that no connection closes during a request when a server restarts its processes.
    units: templates of the role for its "service", "process" and "job", if those of all servers do not fit.
    about: further values for these templates.  inside: what runs in an image, for a server that runs images.
    """

    argv: Sequence[str]
    notifies: bool = False
    reload_signal: str = ""
    stop_signal: str = "TERM"
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1
    keeps_connections: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    inside: Program | None = None


@dataclass(frozen=True)
class Instance:
    """One instance of an application. service, socket: texts of its units.  files: in `.prov/` of its
    release.

    processes: how many services, with a socket each, make it up.  keeps_connections: as of its Program.
    workers: texts of the units of the application's own processes, by their names.  jobs: texts of the units
    of its jobs, by the units' names.  reads: paths of files that its processes read when they start.
    proved: it has been in service before, so that its workers start after the front has switched.
    holds: further deploys of the application are held once it is in service.
    """

    release: Release
    service: str
    socket: str
    files: Mapping[str, str]
    processes: int = 1
    keeps_connections: bool = False
    workers: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)
    reads: Sequence[str] = ()
    proved: bool = False
    holds: bool = False

    @property
    def app(self) -> App:
        return self.release.app

    @cached_property
    def id(self) -> str:
        """Twelve hex digits: a hash of everything in the instance except secrets."""
        parts = [self.release.id, self.service, self.socket, dict(self.files), self.processes]
        counts = {name: self.app.processes[name].count for name in self.workers}
        return short_hash(json.dumps([*parts, visible(self.release.environment), dict(self.workers), counts]))

    @property
    def names(self) -> tuple[str, ...]:
        """The part of its units' names after the @: its id, with a number if there are several."""
        if self.processes == 1:
            return (self.id,)
        return tuple(f"{self.id}-{n}" for n in range(1, self.processes + 1))

    @property
    def all_names(self) -> tuple[str, ...]:
        """The same, of its web process and of all others."""
        counts = [self.app.processes[name].count for name in self.workers]
        others = [each for count in counts for each in workers.instances(self.id, count)]
        return tuple(dict.fromkeys([*self.names, *others]))

    @property
    def listens(self) -> tuple[str, ...]:
        """Paths of its sockets, which the front talks to."""
        return tuple(f"{socket_folder(self.app)}/{name}.sock" for name in self.names)


def instance_of(c: Host, release: Release, program: Program, p: ServerParams) -> Instance:
    """The instance in which a program serves a release, in the unit that all servers share (roles/app)."""
    app = release.app
    link = release.instance_link(HERE)
    folder = release.inside(link)
    modules = release.search_path(link)
    argv = [word for words in program.argv for word in words.split()]
    read = credential_paths(c, release, in_image=program.inside is not None)
    values = {
        "app": app,
        "p": p,
        "program": program,
        "argv": [f"{link}/.venv/bin/{argv[0]}", *argv[1:]],
        "environment": {
            "PYTHONPATH": f"{link}/{OURS[0]}:{modules}",
            "PROV_INTERFACE": app.interface,
            "PROV_TARGET": app.target,
            "PROV_PREFIX": app.path.rstrip("/"),
            **program.environment,
        },
        "folder": folder,
        "guarded": app.auth is not None and app.auth.by == "django",
        "environment_path": environment_path(app),
        "credentials": credential_lines(read),
        "socket_folder": socket_folder(app),
        "health": health_url(app),
        "current_folder": release.inside(release.current),
        "current_environment": {"PYTHONPATH": release.search_path(release.current)},
    }
    plain = {**values, "environment": {"PYTHONPATH": modules}}
    shim = shim_file()
    return Instance(
        release,
        service=unit_text(c, "service", values),
        socket=c.render("socket.j2", role="app", **values),
        files={shim.name: shim.read_text(encoding="utf-8"), **program.files},
        processes=program.processes,
        keeps_connections=program.keeps_connections,
        workers=workers.texts(c, release, plain),
        jobs=workers.job_units(c, release, plain),
        reads=(
            environment_path(app),
            *read.values(),
            *(f"{release.root}/{file}" for file in app.files),
        ),
    )


def shipped(release: Release, name: str) -> str:
    """Where an instance finds one of the `files` of its Program."""
    return f"{release.instance_link(HERE)}/{OURS[0]}/{name}"


def unit_name(app: App) -> str:
    """Return the prefix of the application's units: app-NAME@."""
    return f"app-{app.name}"


def socket_folder(app: App) -> str:
    """Folder of the sockets. Not the service's RuntimeDirectory, which goes when it stops
    (systemd.exec(5))."""
    return f"/run/app-{app.name}"


def environment_path(app: App) -> str:
    """The file that the unit reads the environment from; root's alone."""
    return f"{ENVIRONMENT_FOLDER}/{app.name}.env"


def environment_file(c: Host, release: Release) -> Outcome:
    """Return the settings of an application as an environment file (systemd.exec(5), EnvironmentFile=)."""
    files.directory(c, ENVIRONMENT_FOLDER, mode=0o755)
    # systemd.exec(5): what is in the file wins over Environment=, where the unit has PYTHONPATH
    values = {name: value for name, value in release.environment.items() if name != "PYTHONPATH"}
    text = "".join(
        f"{name}={systemd_environment(value.reveal() if isinstance(value, Secret) else value)}\n"
        for name, value in sorted(values.items())
    )
    # also without a secret: the last secret may have just been removed, and diffs would show it
    path = environment_path(release.app)
    return service_environment.environment_file(c, path, Secret(text), mode=0o600, owner="root")


def served(c: Host) -> list[Application]:
    """The applications of this host that the running role serves."""
    return [app for app in c.apps if app.server == running_role(c)]


def running_role(c: Host) -> str:
    """The name of the role whose task is running."""
    return c.role_folders[0].name


def instance(c: Host, app: Application) -> Instance:
    """The instance in which its server serves an application on this host, whatever role is running."""
    if app.name in c.recorded:
        found: Instance = c.recorded[app.name]
        return found
    return as_its_server(c, app, lambda program, p: instance_of(c, app.release, program, p))


def program_for(c: Host, app: Application) -> Program:
    """How its server starts an application."""
    return as_its_server(c, app, lambda program, p: program)


def as_its_server(c: Host, app: Application, make: Callable[[Program, ServerParams], T]) -> T:
    """Return what is made of the program of an application's server, while the server's templates and files are
    found first."""
    module = importlib.import_module(f"roles.{app.server}")
    chain = [module, *extended(module)]
    p = c.params_of(app.server, check_program(chain))
    # templates and files are the server's, also while a front asks
    running, c.role_folders = c.role_folders, tuple(Path(str(m.__file__)).parent for m in chain)
    function = program_of(chain)
    try:
        return make(checked(function, function(c, app.release, p)), p)
    finally:
        c.role_folders = running


def checked(function: Callable[..., Any], found: Any) -> Program:
    """What the function `program` of a role has returned. Raises ConfigError, with its line, if that starts
    nothing."""
    if not isinstance(found, Program):
        raise wrong_function(function, f"must return a Program, not {found!r}")
    words = found.argv
    if (
        isinstance(words, str)
        or not all(isinstance(word, str) for word in words)
        or not " ".join(words).split()
    ):
        hint = 'Write:  Program(["my-server --option"])'
        raise wrong_function(function, f"argv must be a list of words, not {words!r}", hint)
    if found.processes < 1:
        raise wrong_function(function, f"processes must be at least 1, not {found.processes}")
    return found


def loads(c: Host, release: Release) -> None:
    """Import the application once as its own user, so that one that can't be shows its own traceback,
    before anything is started, and before a database is migrated for it."""
    app = release.app
    path, text = f"{release.path}/{OURS[0]}/{SHIM}.py", shim_file().read_text(encoding="utf-8")
    files.file(c, path, text, mode=0o644)
    state = [visible(release.environment), app.interface, app.target, text, *sorted(release.credentials)]
    environment = {
        **release.environment,
        "PYTHONPATH": release.search_path(release.path),
        "PROV_INTERFACE": app.interface,
        "PROV_TARGET": app.target,
        "PROV_PREFIX": "",
    }
    with part_of(c, app, "import", "target"):
        command.command(
            c,
            [f"{release.path}/.venv/bin/python", path],
            stamp=(f"{release.path}/{OURS[0]}/loads", short_hash(json.dumps(state))),
            user=app.user,
            cwd=release.root,
            environment=environment,
            credentials=release.credentials,
        )


def shim_file() -> Path:
    """The module that stands before the application, on this machine."""
    # here, as only a deploy needs it: it brings fabric
    from provision.roles.role_host import role_file

    return role_file("app", "files", f"{SHIM}.py")


def health_url(app: App) -> str:
    """Return the URL at which the front is asked for an application's health."""
    domain = app.domains[0].removeprefix("*.")
    return (
        f"{'http' if app.tls == 'none' else 'https'}://{domain}{encoded(app.path.rstrip('/') + app.health)}"
    )
