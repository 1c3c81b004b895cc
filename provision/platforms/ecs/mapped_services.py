"""The applications of a target, and what of each ECS can't have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

from provision.apps.app_model import App
from provision.apps.process_parts import ImageSettings
from provision.errors import ConfigError
from provision.inventory import InventoryHost, Problems
from provision.oci.app_image import PLACE, expected_of
from provision.oci.image_builder import fit_for_image, notes_of
from provision.platforms.aws_release import AwsRelease
from provision.platforms.ecs.ecs_names import LONGEST, LONGEST_RULE, log_group, part_name
from provision.platforms.ecs.service_block import BLOCK, ServiceBlock, service_block
from provision.platforms.mapped_release import (
    hosts_services,
    notes_on,
    open_to_all,
    unsaid_schedule,
    without_counterpart,
)
from provision.platforms.rule_times import rule_time
from provision.roles.project import Assignment
from provision.secrets import Secret
from provision.values import dataclass

#: seconds that a task of Fargate may take to stop: ECS, "Container timeouts"
LONGEST_STOP = 120
#: seconds that migrate may take, as a command on a host
MIGRATE_TIMEOUT = 600
#: values that the conditions of a listener's rule may have in all: Elastic Load Balancing, quotas
MOST_CONDITIONS = 5
#: of a standard parameter, in bytes: SSM, PutParameter
MOST_SECRET = 4096
#: where an application may write: it ends with its task
WRITABLE = "/tmp"

Kind = Literal["web", "process", "job", "release"]


@dataclass(frozen=True)
class AppPart:
    """A part of an application. name: as people know it.  seconds: that it may take, or has to stop.

    alone: it never runs twice at once.
    """

    kind: Kind
    name: str
    command: tuple[str, ...]
    seconds: int
    count: int = 1
    alone: bool = False

    @property
    def component(self) -> str:
        """Return what its resources are called."""
        return self.kind if self.kind == "web" else f"{self.kind}-{self.name}"


@dataclass(frozen=True)
class MappedService(AwsRelease):
    """An application on its target. block: where in AWS it is."""

    block: ServiceBlock
    image_settings: ImageSettings

    @property
    def home(self) -> tuple[str, str]:
        """Return its region, and the ARN of a role of its account."""
        return self.block.region, self.block.execution_role

    @property
    def image(self) -> str:
        """Return the reference of its image, as `prov image` tags it."""
        return f"{self.block.registry}/{self.app.name}:{self.release.id}"

    @property
    def log_group(self) -> str:
        """Return the name of its log group."""
        return log_group(self.host.name, self.app.name)

    @property
    def log_days(self) -> int:
        """Return the days for which its lines are kept."""
        return self.block.log_days

    @property
    def own_tags(self) -> list[dict[str, str]]:
        """Return its tags as ECS takes them."""
        return [{"key": key, "value": value} for key, value in self.tags.items()]

    def name_of(self, part: AppPart) -> str:
        """Return the name of a part's service, task definition or rule."""
        return part_name(self.host.name, self.app.name, part.component)

    @cached_property
    def variables(self) -> dict[str, str | Secret]:
        """Return the environment of its containers, besides what its image has."""
        release, names = self.release, expected_of(self.release)
        found: dict[str, str | Secret] = {"PROV_DATA_DIR": WRITABLE}
        for name, value in release.environment.items():
            if name in names or name.startswith("PROV_"):
                if isinstance(value, str):
                    value = value.replace(release.root, release.inside(PLACE)).replace(release.data, WRITABLE)
                found[name] = value
        return found

    @property
    def web(self) -> AppPart:
        """Return the web process."""
        return AppPart("web", "web", (), self.app.timeout + 10, self.block.count)

    @property
    def processes(self) -> list[AppPart]:
        """Return the processes beside it."""
        return [
            AppPart(
                "process",
                name,
                each.command,
                each.stop_timeout,
                each.count,
                each.on == "one" and each.count == 1,
            )
            for name, each in self.app.processes.items()
        ]

    @property
    def jobs(self) -> list[AppPart]:
        """Return its jobs."""
        return [AppPart("job", name, each.command, each.timeout) for name, each in self.app.jobs.items()]

    @property
    def before_service(self) -> list[AppPart]:
        """Return the commands of its release, in order."""
        app, found = self.app, []
        if app.django and app.django.migrate:
            command = ("python", app.django.manage, "migrate", "--noinput")
            found.append(AppPart("release", "migrate", command, MIGRATE_TIMEOUT))
        return [
            *found,
            *(AppPart("release", str(n), c.command, c.timeout) for n, c in enumerate(app.chores, 1)),
        ]

    @property
    def parts(self) -> list[AppPart]:
        """Return all its parts."""
        return [*self.before_service, self.web, *self.processes, *self.jobs]

    @property
    def times(self) -> dict[str, str]:
        """Return the schedule of each job, as EventBridge has it."""
        return {name: rule_time(job.schedule) for name, job in self.app.jobs.items()}

    @property
    def notes(self) -> list[str]:
        """Return what of the application has no counterpart, and what it must do itself."""
        app = self.app
        unlike = [each for each, process in app.processes.items() if process.stop_signal != "TERM"]
        limited = [each for each, process in app.processes.items() if process.memory_max]
        gone = [
            each for each in notes_of(self.release) if each.startswith(("files made", "first", "packages"))
        ]
        left = {
            **without_counterpart(app),
            f"stop_signal of processes ({', '.join(unlike)}): they get the server's": unlike,
            f"memory_max of processes ({', '.join(limited)}): each task has `memory` of the block": limited,
            "writable_paths of the sandbox": app.sandbox.writable_paths,
            **dict.fromkeys(gone, True),
        }
        return notes_on(app, left, app.static)


def check(assignment: Assignment) -> None:
    """Raise ConfigErrors for what a target can't have."""
    mapped_services(assignment)


def mapped_services(assignment: Assignment) -> list[MappedService]:
    """Return the applications of a target. Raises ConfigErrors with all that is wrong, and ProvError for sources that
    can't be read."""
    host, problems = assignment.host, Problems()
    blocks: list[ServiceBlock] = []
    found: list[MappedService] = []
    with problems.gathered():
        blocks.append(service_block(host))
    for app in assignment.served.apps:
        for error in unmapped(host, app):
            problems.add(error)
        with problems.gathered():
            settings = fit_for_image(host, app.release)
            if blocks:
                mapped = MappedService(host, app.release, blocks[0], settings)
                for error in unfit(mapped):
                    problems.add(error)
                found.append(mapped)
    for error in named_twice(host, found):
        problems.add(error)
    problems.raise_any()
    return found


def unmapped(host: InventoryHost, app: App) -> Iterator[ConfigError]:
    """Yield an error for each setting that ECS can't have."""
    at = ("apps", app.name)
    yield from open_to_all(host, app, "ECS", "Do it in the application, or by the listener's rules.")
    yield from hosts_services(host, app, "tasks")
    for name in ("media", "writable"):
        if getattr(app, name):
            message = f"needs files that last, and what a task writes (to {WRITABLE}) ends with it"
            yield host.error((*at, name), message, "Keep them in S3 (django-storages, for example).")
    if app.collects_static:
        message = "are collected for each release on a host, and an image has them already or not at all"
        hint = (
            "Collect them before: `build: {command: python manage.py collectstatic --noinput}`, and `collectstatic: "
            "false` in `django`."
        )
        yield host.error((*at, "static"), message, hint)
    if app.secrets and app.secrets_as == "credentials":
        message = "gives secrets as files, and ECS gives them as environment variables alone"
        yield host.error((*at, "secrets_as"), message, "Remove it in this target.")
    for name in app.jobs:
        yield from unsaid_schedule(host, app, name, rule_time)


def unfit(mapped: MappedService) -> Iterator[ConfigError]:
    """Yield an error for each part that AWS would not take."""
    host, app, block, at = mapped.host, mapped.app, mapped.block, ("apps", mapped.app.name)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", host.name):
        message = (
            f"{host.name} can't be part of the name of a service, which has letters, digits, '-' and '_'"
        )
        yield host.error(at, message, "Give the target another name.")
    for part in mapped.parts:
        name, longest = mapped.name_of(part), LONGEST_RULE if part.kind == "job" else LONGEST
        if len(name) > longest:
            message = f"{name} is longer than the {longest} characters of a name of AWS's"
            yield host.error(at, message, "Give the target, the application or the part a shorter name.")
    for part in mapped.processes:
        if block.launch == "fargate" and part.seconds > LONGEST_STOP:
            message = f"may take {part.seconds} s to stop, and Fargate kills a task after {LONGEST_STOP} s"
            hint = "Let it stop sooner, or run it on instances (`launch: ec2`)."
            yield host.error((*at, "processes", part.name, "stop_timeout"), message, hint)
    if app.jobs and block.schedule_role is None:
        hint = "Name a role that trusts events.amazonaws.com and may ecs:RunTask and iam:PassRole."
        yield host.error((BLOCK,), "lacks `schedule_role`, by which EventBridge starts jobs", hint)
    for name, value in mapped.secrets.items():
        if len(value.reveal().encode()) > MOST_SECRET:
            message = f"{name} is longer than the {MOST_SECRET} bytes of a parameter of SSM"
            yield host.error((*at, "secrets"), message, "Let the application read it from S3 itself.")
    values = len(app.domains) + (2 if app.path.rstrip("/") else 0)
    if block.listener and values > MOST_CONDITIONS:
        message = f"has {len(app.domains)} names, and a rule of a listener {MOST_CONDITIONS}, with those of its path"
        yield host.error((*at, "domains"), message, "Redirect some of them by a rule of your own.")


def named_twice(host: InventoryHost, apps: Sequence[MappedService]) -> Iterator[ConfigError]:
    """Yield an error for each application whose resources would have the names of another's."""
    whose: dict[str, str] = {}
    for mapped in apps:
        for part in mapped.parts:
            name = mapped.name_of(part)
            if whose.setdefault(name, mapped.app.name) != mapped.app.name:
                message = f"{name} would also be the name of a part of {whose[name]}"
                yield host.error(("apps", mapped.app.name), message, "Give one of both another name.")
