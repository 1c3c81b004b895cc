"""The applications of a target, and what of each a function can't have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property

from provision.apps.app_model import SYSTEM, App
from provision.apps.app_releases import Release, named_in
from provision.apps.interpreters import unfit
from provision.errors import ConfigError, ProvError
from provision.inventory import InventoryHost, Problems
from provision.inventory.fields import encoded
from provision.oci import image_packages
from provision.platforms.aws_release import AwsRelease
from provision.platforms.lambda_.function_block import LONGEST, FunctionBlock, function_block
from provision.platforms.lambda_.function_names import function_name, log_group, rule_name
from provision.platforms.lambda_.health_questions import HealthQuestion
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
from provision.serving.sites import server_name
from provision.values import dataclass

#: where Lambda unpacks a bundle
TASK = "/var/task"
#: Lambda's Pythons, newest last, and the minor version of the C library that each has
GLIBC = {"3.10": 26, "3.11": 26, "3.12": 34, "3.13": 34, "3.14": 34}
USUAL_PYTHON = "3.13"
#: Lambda API reference, CreateFunction: of a name, in characters; of the environment, in bytes
LONGEST_NAME, MOST_ENVIRONMENT = 64, 4096
#: of a standard parameter, in bytes: SSM, PutParameter
MOST_SECRET = 4096
#: Lambda, "Reserved environment variables"
RESERVED = (
    *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV"),
    *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
)
#: an adapter for each interface, as packages
ADAPTERS = {"asgi": "mangum>=0.19,<1", "wsgi": "apig-wsgi>=2.19,<3"}


@dataclass(frozen=True)
class MappedFunction(AwsRelease):
    """An application on its target. block: where in AWS it is.  python: version, such as "3.13"."""

    block: FunctionBlock
    python: str

    @property
    def name(self) -> str:
        """Return the name of its function."""
        return function_name(self.host.name, self.app.name)

    @property
    def home(self) -> tuple[str, str]:
        """Return its region, and the ARN of a role of its account."""
        return self.block.region, self.block.role

    @property
    def log_days(self) -> int:
        """Return the days for which its lines are kept."""
        return self.block.log_days

    @property
    def log_group(self) -> str:
        """Return the name of its log group, which Lambda writes to."""
        return log_group(self.name)

    @cached_property
    def variables(self) -> dict[str, str | Secret]:
        """Return the environment of its processes."""
        release, block = self.release, self.block
        found: dict[str, str | Secret] = {}
        for name, value in {**release.environment, **release.credentials}.items():
            if isinstance(value, str):
                value = value.replace(release.root, release.inside(TASK)).replace(release.data, "/tmp")
                if name in ("ALLOWED_HOSTS", "PROV_ALLOWED_HOSTS") and name not in self.app.environment:
                    # AWS routes by this name: a request can't come with another function's
                    own = [f".lambda-url.{block.region}.on.aws"] if block.url != "none" else []
                    value = ",".join([value, *own])
            found[name] = value
        # its own PYTHONPATH is in the bundle
        return {name: value for name, value in found.items() if name != "PYTHONPATH"}

    @property
    def before_service(self) -> dict[str, tuple[tuple[str, ...], int]]:
        """Return the commands of a release, in order: words and seconds, by name."""
        app = self.app
        found: dict[str, tuple[tuple[str, ...], int]] = {}
        if app.django and app.django.migrate:
            found["migrate"] = (("python", app.django.manage, "migrate", "--noinput"), LONGEST)
        for n, chore in enumerate(app.chores, 1):
            found[f"release {n}"] = (chore.command, chore.timeout)
        return found

    @property
    def commands(self) -> dict[str, tuple[tuple[str, ...], int]]:
        """Return all commands that it can be asked to run."""
        jobs = {f"job {name}": (job.command, job.timeout) for name, job in self.app.jobs.items()}
        return {**self.before_service, **jobs}

    @property
    def timeout(self) -> int:
        """Return the seconds after which Lambda stops it."""
        every = [self.app.timeout, *(seconds for _, seconds in self.commands.values())]
        return self.block.timeout or min(max(every), LONGEST)

    @property
    def schedules(self) -> dict[str, str]:
        """Return the schedule of each job, as EventBridge has it."""
        return {name: rule_time(job.schedule) for name, job in self.app.jobs.items()}

    @property
    def health(self) -> HealthQuestion:
        """Return how it is asked whether it is healthy."""
        app = self.app
        path = encoded(app.path.rstrip("/") + app.health)
        return HealthQuestion(path, server_name(app), tuple(app.expect), app.start_timeout)

    @property
    def notes(self) -> list[str]:
        """Return what of the application has no counterpart, and what it must do itself."""
        app = self.app
        left = {
            **without_counterpart(app),
            f"files made from templates ({', '.join(app.files)})": app.files,
            f"packages of the distribution ({', '.join(app.packages.run)})": app.packages.run,
        }
        return notes_on(app, left, app.static)


def check(assignment: Assignment) -> None:
    """Raise ConfigErrors for what a target can't have."""
    mapped_functions(assignment)


def mapped_functions(assignment: Assignment) -> list[MappedFunction]:
    """Return the applications of a target. Raises ConfigErrors with all that is wrong, and ProvError for sources that
    can't be read."""
    host, problems = assignment.host, Problems()
    blocks: list[FunctionBlock] = []
    found: list[MappedFunction] = []
    with problems.gathered():
        blocks.append(function_block(host))
    for app in assignment.served.apps:
        for error in unmapped(host, app):
            problems.add(error)
        with problems.gathered():
            python = python_of(host, app.release)
            if blocks:
                mapped = MappedFunction(host, app.release, blocks[0], python)
                for error in too_large(mapped):
                    problems.add(error)
                found.append(mapped)
    problems.raise_any()
    return found


def python_of(host: InventoryHost, release: Release) -> str:
    """Return the version of Lambda's Python that a release runs on. Raises ConfigError."""
    app, at = release.app, ("apps", release.app.name, "python")
    version = USUAL_PYTHON if app.python == SYSTEM else app.python
    if version not in GLIBC:
        raise host.error(
            at, f"Lambda has no Python {version}", f"Name one of its versions: {', '.join(GLIBC)}."
        )
    if why := unfit(release, version):
        raise host.error(at, why, f"Name another `python`: {', '.join(GLIBC)}.")
    try:
        image_packages.refuse_local(release)
        adapter_of(release)
    except ConfigError:
        raise
    except ProvError as error:
        raise host.error(("apps", app.name), error.message, error.hint) from None
    return version


def adapter_of(release: Release) -> list[str]:
    """Return the adapter that its packages need besides; none if they list it. Raises ProvError if they have hashes."""
    wanted = ADAPTERS[release.app.interface]
    name = wanted.partition(">")[0]
    if name in named_in(release.requirements):
        return []
    if "--hash=" in release.requirements and not release.wanted.locked:
        raise ProvError(
            f"the requirements of {release.app.name} have hashes but do not list {name}, which Lambda needs",
            hint=f"Add {name} with its hash: every package of a requirements file with hashes needs one.",
        )
    return [wanted]


def unmapped(host: InventoryHost, app: App) -> Iterator[ConfigError]:
    """Yield an error for each setting that a function can't have."""
    at = ("apps", app.name)
    inside = "Do it in the application, or set `url: iam` in the block `lambda`."
    yield from open_to_all(host, app, "Lambda", inside)
    yield from hosts_services(host, app, "functions")
    if app.processes:
        message = "runs processes that do not end, and a function runs for one request or job at a time"
        hint = (
            "Let a job do its work, or run it on a host, on Kubernetes or in another target; remove it here."
        )
        yield host.error((*at, "processes"), message, hint)
    for name in ("media", "writable"):
        if getattr(app, name):
            message = "needs files that last, and what a function writes (to /tmp) ends with it"
            yield host.error((*at, name), message, "Keep them in S3 (django-storages, for example).")
    if app.collects_static:
        message = "collects static files for each release on a host, and a function's files are read-only"
        hint = (
            "Collect them before: `build: {command: python manage.py collectstatic --noinput}`, and `collectstatic: "
            "false` in `django`."
        )
        yield host.error((*at, "static"), message, hint)
    if app.build is not None and not app.build.here:
        hint = "Build on this machine instead: set `here: true`."
        yield host.error((*at, "build"), "builds on a host, which a function does not have", hint)
    yield from unscheduled(host, app)


def unscheduled(host: InventoryHost, app: App) -> Iterator[ConfigError]:
    """Yield an error for each command that can't run as it should."""
    at = ("apps", app.name)
    for name, job in app.jobs.items():
        yield from unsaid_schedule(host, app, name, rule_time)
        if job.timeout > LONGEST and "timeout" in job.model_fields_set:
            message = f"may take {job.timeout} s, and Lambda stops a function after {LONGEST} s"
            yield host.error((*at, "jobs", name, "timeout"), message, "Do it in parts, or run it on a host.")
        rule = rule_name(function_name(host.name, app.name), name)
        if len(rule) > LONGEST_NAME:
            message = f"{rule} is longer than the {LONGEST_NAME} characters of a rule's name"
            yield host.error((*at, "jobs", name), message, "Give the target or the job a shorter name.")

    for n, chore in enumerate(app.chores):
        if chore.timeout > LONGEST:
            message = f"may take {chore.timeout} s, and Lambda stops a function after {LONGEST} s"
            yield host.error(
                (*at, "release", n, "timeout"), message, "Do it in parts, or from another machine."
            )


def too_large(mapped: MappedFunction) -> Iterator[ConfigError]:
    """Yield an error for each name and value that AWS would not take."""
    host, at = mapped.host, ("apps", mapped.app.name)
    if not re.fullmatch(r"[\w-]+", mapped.name, re.ASCII):
        message = f"{mapped.name} can't be the name of a function, which has letters, digits, '-' and '_'"
        yield host.error(at, message, "Give the target another name.")
    if len(mapped.name) > LONGEST_NAME:
        message = f"{mapped.name} is longer than the {LONGEST_NAME} characters of a function's name"
        yield host.error(at, message, "Give the target or the application a shorter name.")
    for name in mapped.variables:
        if name in RESERVED:
            setting = "secrets" if name in mapped.app.secrets else "environment"
            hint = "The function has the rights of its `role`, in its own region; remove the variable."
            yield host.error((*at, setting, name), "is a variable that Lambda sets", hint)
    for name, value in mapped.secrets.items():
        if len(value.reveal().encode()) > MOST_SECRET:
            message = f"is longer than the {MOST_SECRET} bytes of a parameter of SSM"
            yield host.error(
                (*at, "secrets"), f"{name} {message}", "Let the application read it from S3 itself."
            )
    pins = dict.fromkeys(mapped.secrets, 999)
    if len(json.dumps({**mapped.plain, **pins})) + len(mapped.parameter_path) > MOST_ENVIRONMENT:
        message = f"is longer than the {MOST_ENVIRONMENT} bytes of a function's environment"
        yield host.error((*at, "environment"), message, "Put long values into files of the application.")
