"""The applications of a target, and what of each Elastic Beanstalk can't have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from provision.apps.app_model import SYSTEM, App
from provision.apps.app_releases import Release
from provision.apps.interpreters import unfit
from provision.errors import ConfigError, ProvError
from provision.inventory import InventoryHost, Problems
from provision.oci.image_builder import notes_of
from provision.platforms.aws_release import AwsRelease
from provision.platforms.elastic_beanstalk.beanstalk_names import (
    LONGEST,
    SECOND,
    SHORTEST,
    environment_name,
    log_group,
)
from provision.platforms.elastic_beanstalk.environment_block import (
    BLOCK,
    EnvironmentBlock,
    environment_block,
)
from provision.platforms.mapped_release import hosts_services, notes_on, open_to_all, without_counterpart
from provision.roles.project import Assignment
from provision.secrets import Secret
from provision.serving.imaginary_host import program_offline
from provision.serving.instances import Program
from provision.steps.support.local_projects import locals_in
from provision.values import dataclass

#: the Pythons of its platforms on Amazon Linux 2023
PYTHONS = ("3.9", "3.11", "3.12", "3.13", "3.14")
USUAL_PYTHON = "3.13"
#: seconds that migrate or collectstatic may take, as a command on a host
MIGRATE_TIMEOUT = 600
#: seconds of an instance for all commands of a deploy: aws:elasticbeanstalk:command, Timeout
USUAL_COMMANDS, MOST_COMMANDS = 600, 3600
#: bytes of all variables and names together: developer guide, "Environment properties"
MOST_ENVIRONMENT = 4096
#: of a standard parameter, in bytes: SSM, PutParameter
MOST_SECRET = 4096
#: where an application may write: it ends with its instance
WRITABLE = "/tmp"
#: where a bundle serves
CURRENT = "/var/app/current"


@dataclass(frozen=True)
class MappedEnvironment(AwsRelease):
    """An application on its target. block: where in AWS it is.  python: version.  program: how its server starts."""

    block: EnvironmentBlock
    python: str
    program: Program

    @property
    def name(self) -> str:
        """Return the name of its environment."""
        return self.block.environment or environment_name(self.host.name, self.app.name)

    @property
    def application(self) -> str:
        """Return the name of its application in Elastic Beanstalk."""
        return self.block.application or environment_name(self.host.name, self.app.name)

    @property
    def cname(self) -> str:
        """Return the prefix of its address."""
        return self.block.cname or self.name.lower()

    @property
    def home(self) -> tuple[str, str]:
        """Return its region, and the ARN of a role of its account."""
        return self.block.region, self.block.service_role

    @property
    def log_group(self) -> str:
        """Return the log group of its web process."""
        return log_group(self.name, "web")

    @property
    def log_days(self) -> int:
        """Return the days for which its lines are kept."""
        return self.block.log_days

    @property
    def stack(self) -> str:
        """Return the pattern of its solution stack."""
        return self.block.stack or f"64bit Amazon Linux 2023 * running Python {self.python}"

    @property
    def health_path(self) -> str:
        """Return the path that answers once a release is ready."""
        return self.app.path.rstrip("/") + self.app.health

    @cached_property
    def variables(self) -> dict[str, str | Secret]:
        """Return the environment of its processes, besides what its bundle has."""
        release, found = self.release, {}
        for name, value in release.environment.items():
            if isinstance(value, str):
                value = value.replace(release.root, release.inside(CURRENT)).replace(release.data, WRITABLE)
            found[name] = value
        # its own PYTHONPATH is in the bundle
        return {name: value for name, value in found.items() if name != "PYTHONPATH"}

    @property
    def static_folders(self) -> dict[str, str]:
        """Return the folders that the proxy serves: folder in the bundle, by path."""
        return {place.rstrip("/"): path for place, path in self._static if place.endswith("/")}

    @property
    def static_files(self) -> dict[str, str]:
        """Return the single files that the proxy serves: file in the bundle, by path."""
        return {place: path for place, path in self._static if not place.endswith("/")}

    @property
    def _static(self) -> list[tuple[str, str]]:
        app = self.app
        return [(app.path.rstrip("/") + place, app.in_source(path)) for place, path in app.static.items()]

    @property
    def before_service(self) -> list[tuple[tuple[str, ...], int]]:
        """Return the commands of its release, in order: words and seconds."""
        app, found = self.app, []
        if app.django and app.django.migrate:
            found.append((("python", app.django.manage, "migrate", "--noinput"), MIGRATE_TIMEOUT))
        return [*found, *((chore.command, chore.timeout) for chore in app.chores)]

    @property
    def command_seconds(self) -> int:
        """Return the seconds that an instance has for all commands of a deploy."""
        collects = MIGRATE_TIMEOUT if self.app.collects_static else 0
        return USUAL_COMMANDS + collects + sum(seconds for _, seconds in self.before_service)

    @property
    def notes(self) -> list[str]:
        """Return what of the application has no counterpart, and what it must do itself."""
        app, block = self.app, self.block
        unlike = [each for each, process in app.processes.items() if process.stop_signal != "TERM"]
        limited = [each for each, process in app.processes.items() if process.memory_max]
        gone = [
            each for each in notes_of(self.release) if each.startswith(("files made", "first", "packages"))
        ]
        left = {
            **without_counterpart(app),
            f"stop_signal of processes ({', '.join(unlike)}): they get TERM": unlike,
            f"memory_max of processes ({', '.join(limited)})": limited,
            "writable_paths of the sandbox": app.sandbox.writable_paths,
            **dict.fromkeys(gone, True),
        }
        found = notes_on(app, left, ())
        if app.jobs and block.most > 1:
            found.append(
                f"{app.name}: jobs run on the leader of the last deploy; if that instance ends, none run until the next"
                " deploy"
            )
        if block.deployment_policy == "all_at_once" and not block.swap:
            found.append(
                f"{app.name}: requests fail while instances get another version (`policy: all_at_once`);"
                f" {'immutable does' if block.type == 'single' else 'the others do'} without that"
            )
        return found


def check(assignment: Assignment) -> None:
    """Raise ConfigErrors for what a target can't have."""
    mapped_environments(assignment)


def mapped_environments(assignment: Assignment) -> list[MappedEnvironment]:
    """Return the applications of a target. Raises ConfigErrors with all that is wrong, and ProvError for sources that
    can't be read."""
    host, problems = assignment.host, Problems()
    blocks: list[EnvironmentBlock] = []
    found: list[MappedEnvironment] = []
    with problems.gathered():
        blocks.append(environment_block(host))
    apps = assignment.served.apps
    for block in blocks:
        named = [name for name in ("application", "environment", "cname") if getattr(block, name)]
        if named and len(apps) > 1:
            message = f"is for one application, and {host.name} has {len(apps)}"
            problems.add(host.error((BLOCK, named[0]), message, "Give each of them a target of its own."))
    for app in apps:
        for error in unmapped(host, app):
            problems.add(error)
        with problems.gathered():
            python = python_of(host, app.release)
            for block in blocks:
                mapped = MappedEnvironment(host, app.release, block, python, program_offline(assignment, app))
                for error in unfit_for_aws(mapped):
                    problems.add(error)
                found.append(mapped)
    problems.raise_any()
    return found


def python_of(host: InventoryHost, release: Release) -> str:
    """Return the version of Python that a release runs on. Raises ConfigError for what instances could not install."""
    app, at = release.app, ("apps", release.app.name)
    if app.server_role.package is None:
        message = f"{app.server!r} is not a Python package, which instances could install"
        raise host.error((*at, "server"), message, "Name a server that is a Python package.")
    version = USUAL_PYTHON if app.python == SYSTEM else app.python
    known = f"Name one of its versions: {', '.join(PYTHONS)}."
    if version not in PYTHONS:
        raise host.error((*at, "python"), f"Elastic Beanstalk has no Python {version}", known)
    if why := unfit(release, version):
        raise host.error((*at, "python"), why, known)
    if locals_in(release.requirements.splitlines()):
        hint = "Set `install: false` and `pythonpath: [src]`, or publish the project to an index."
        message = "install a project of the source, which instances could not find at its place"
        raise host.error((*at, "requirements"), message, hint)
    if any(isinstance(value, Secret) for value in release.installing.values()):
        message = "need a login, which instances do not have when they install packages"
        hint = (
            "Let instances reach the index without one: a mirror in your VPC, or CodeArtifact by their role."
        )
        raise host.error((*at, "indexes"), message, hint)
    try:
        _ = release.packages
    except ProvError as error:
        raise host.error(at, error.message, error.hint) from None
    return version


def unmapped(host: InventoryHost, app: App) -> Iterator[ConfigError]:
    """Yield an error for each setting that Elastic Beanstalk can't have."""
    at = ("apps", app.name)
    yield from open_to_all(host, app, "Elastic Beanstalk", "Do it in the application.")
    yield from hosts_services(host, app, "instances")
    for name in ("media", "writable"):
        if getattr(app, name):
            message = "needs files that last, and an instance's files end with it"
            yield host.error((*at, name), message, "Keep them in S3 (django-storages, for example).")
    if app.build is not None and not app.build.here:
        hint = "Build on this machine instead: set `here: true`."
        yield host.error((*at, "build"), "builds on a host, and instances get what is built", hint)
    if app.secrets and app.secrets_as == "credentials":
        message = "gives secrets as files, and Elastic Beanstalk gives them as environment variables alone"
        yield host.error((*at, "secrets_as"), message, "Remove it in this target.")
    for place, path in app.static.items():
        if place == "/" or "$" in path:
            message = f"{place}: the proxy passes everything else on, and its paths have no '$'"
            yield host.error((*at, "static"), message, "Let the application serve it (WhiteNoise).")


def unfit_for_aws(mapped: MappedEnvironment) -> Iterator[ConfigError]:
    """Yield an error for each part that AWS would not take."""
    host, app, block, at = mapped.host, mapped.app, mapped.block, ("apps", mapped.app.name)
    second = [f"{name}{SECOND}" for name in (mapped.name, mapped.cname)] if block.swap else []
    for name in dict.fromkeys([mapped.name, mapped.cname, *second]):
        if not SHORTEST <= len(name) <= LONGEST or not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", name):
            message = (
                f"{name} can't be the name of an environment: {SHORTEST} to {LONGEST} letters, digits and '-'"
            )
            yield host.error(at, message, f"Name it by `environment` and `cname` of the block `{BLOCK}`.")
    for name, process in app.processes.items():
        if process.on == "one" and block.most > 1:
            message = f"runs once, and each of up to {block.most} instances would run it"
            hint = "Give it a target of its own with `type: single`."
            yield host.error((*at, "processes", name, "on"), message, hint)
    for part in (part for part in ("processes", "jobs") if block.swap and getattr(app, part)):
        message = "would run in both environments of `swap` at once"
        yield host.error((*at, part), message, "Give them a target of their own, without `swap`.")
    if "PORT" in mapped.variables:
        message = "is where the platform's proxy expects the server: 8000"
        yield host.error((*at, "environment", "PORT"), message, "Remove it in this target.")
    if "web" in app.processes:
        hint = "Give it another name."
        yield host.error((*at, "processes", "web"), "is the name of the web process there", hint)
    if mapped.command_seconds > MOST_COMMANDS:
        message = (
            f"may take {mapped.command_seconds} s with what the platform does, and it has {MOST_COMMANDS} s"
        )
        yield host.error((*at, "release"), message, "Give commands a shorter `timeout`.")
    for name, value in mapped.secrets.items():
        if len(value.reveal().encode()) > MOST_SECRET:
            message = f"{name} is longer than the {MOST_SECRET} bytes of a parameter of SSM"
            yield host.error((*at, "secrets"), message, "Let the application read it from S3 itself.")
    sized = {**mapped.plain, **dict.fromkeys(mapped.secrets, "x" * 120)}
    if sum(len(name) + len(value.encode()) + 2 for name, value in sized.items()) > MOST_ENVIRONMENT:
        message = f"is longer than the {MOST_ENVIRONMENT} bytes of all variables"
        yield host.error((*at, "environment"), message, "Put long values into files of the application.")
