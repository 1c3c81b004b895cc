"""Task definitions: what a part of an application runs as. Source: ECS API reference, RegisterTaskDefinition."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from provision.errors import ProvError
from provision.inventory.fields import encoded
from provision.inventory.masking import is_secret
from provision.platforms.document_changes import differences, without_empty
from provision.platforms.ecs.ecs_calls import EcsCalls, tags_of
from provision.platforms.ecs.mapped_services import LONGEST_STOP, AppPart, MappedService
from provision.platforms.platform_run import Note
from provision.serving.sites import server_name
from provision.steps.base import Change, Diff

Document = dict[str, Any]

#: variable with the versions of a task's secrets: another value has other tasks
VERSIONS = "PROV_SECRET_VERSIONS"
#: what ECS notes of a task definition
NOTED = (
    *("taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt"),
    *("registeredBy", "deregisteredAt", "tags"),
)
#: tag of a revision whose command has ended well
DONE = "prov:done"
#: ECS's names of architectures, by Go's
ARCHITECTURES = {"amd64": "X86_64", "arm64": "ARM64"}
#: seconds between health checks, for an answer, and how often one may fail before the task is replaced
PERIOD, ANSWER, FAILURES = 10, 5, 3
#: ECS: the longest `startPeriod`, in seconds
LONGEST_START = 300
#: asks for the health path as a front would. Arguments: URL, host, statuses, and X-Forwarded-Proto
ASK = (
    "import sys, urllib.error, urllib.request as u\n"
    "url, host, wanted, proto = sys.argv[1:]\n"
    "class Stay(u.HTTPRedirectHandler):\n"
    "    def redirect_request(self, *_): return None\n"
    "request = u.Request(url, headers={'Host': host, 'X-Forwarded-Proto': proto})\n"
    "try: status = u.build_opener(Stay).open(request, timeout=4).status\n"
    "except urllib.error.HTTPError as error: status = error.code\n"
    "sys.exit(str(status) not in wanted.split(',') if wanted else not 200 <= status < 400)"
)
#: ends a job after its time. Arguments: seconds, and its words
TIMED = (
    "import subprocess, sys\n"
    "try: sys.exit(subprocess.run(sys.argv[2:], timeout=int(sys.argv[1])).returncode)\n"
    "except subprocess.TimeoutExpired: sys.exit(f'stopped after {sys.argv[1]} s')"
)


def document_of(mapped: MappedService, part: AppPart, versions: Mapping[str, int]) -> Document:
    """Return the task definition of a part. versions: of the parameters with its secrets."""
    block = mapped.block
    found: Document = {
        "family": mapped.name_of(part),
        "networkMode": "awsvpc",
        "requiresCompatibilities": [block.launch.upper()],
        "cpu": str(block.cpu),
        "memory": str(block.memory),
        "executionRoleArn": block.execution_role,
        "runtimePlatform": {
            "cpuArchitecture": ARCHITECTURES[mapped.image_settings.architecture],
            "operatingSystemFamily": "LINUX",
        },
        "containerDefinitions": [container(mapped, part)],
    }
    if block.task_role:
        found["taskRoleArn"] = block.task_role
    return with_versions(found, versions)


def container(mapped: MappedService, part: AppPart) -> Document:
    """Return the container of a part."""
    block = mapped.block
    found: Document = {
        "name": part.name if part.kind == "process" else part.kind,
        "image": mapped.image,
        "essential": True,
        "environment": [{"name": name, "value": value} for name, value in sorted(mapped.plain.items())],
        "secrets": [
            {"name": name, "valueFrom": mapped.arn("ssm", f"parameter{mapped.parameter_path}/{name}")}
            for name in sorted(mapped.secrets)
        ],
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": mapped.log_group,
                "awslogs-region": block.region,
                "awslogs-stream-prefix": part.component,
            },
        },
        **started(mapped, part),
    }
    if block.pull_secret:
        found["repositoryCredentials"] = {"credentialsParameter": block.pull_secret}
    return found


def started(mapped: MappedService, part: AppPart) -> Document:
    """Return how a part is started, asked and stopped."""
    if part.kind == "web":
        port = mapped.image_settings.port
        mapping = {"containerPort": port, "hostPort": port, "protocol": "tcp"}
        return {
            "portMappings": [mapping],
            "healthCheck": health_check(mapped),
            "stopTimeout": min(part.seconds, LONGEST_STOP),
        }
    if part.kind == "job":
        return {"entryPoint": ["python", "-c", TIMED, str(part.seconds)], "command": list(part.command)}
    stop = {"stopTimeout": part.seconds} if part.kind == "process" else {}
    return {"entryPoint": list(part.command[:1]), "command": list(part.command[1:]), **stop}


def health_check(mapped: MappedService) -> Document:
    """Return the health check of the web process: a load balancer can't ask for a path of the application's domain."""
    app = mapped.app
    url = f"http://127.0.0.1:{mapped.image_settings.port}{encoded(app.path.rstrip('/') + app.health)}"
    proto = "https" if app.tls != "none" else "http"
    statuses = ",".join(map(str, app.expect))
    return {
        "command": ["CMD", "python", "-c", ASK, url, server_name(app), statuses, proto],
        "interval": PERIOD,
        "timeout": ANSWER,
        "retries": FAILURES,
        "startPeriod": min(app.start_timeout, LONGEST_START),
    }


def with_versions(document: Document, versions: Mapping[str, int]) -> Document:
    """Return a task definition that says the versions of its secrets."""
    (only,) = document["containerDefinitions"]
    own = {each["name"]: versions[each["name"]] for each in only["secrets"] if each["name"] in versions}
    if not own:
        return document
    said = {"name": VERSIONS, "value": json.dumps(own, sort_keys=True, separators=(",", ":"))}
    environment = [*(each for each in only["environment"] if each["name"] != VERSIONS), said]
    return {**document, "containerDefinitions": [{**only, "environment": environment}]}


class TaskDefinition:
    """The newest revision of a task definition. wanted: returns it, once the secrets before it were checked."""

    def __init__(
        self, calls: EcsCalls, family: str, tags: list[dict[str, str]], wanted: Callable[[], Document]
    ):
        self.family = family
        self.name = f"task definition {family}"
        #: whether the tags say that it has done its commands
        self.done = False
        self.changes = True
        self._calls, self._tags, self._wanted = calls, tags, wanted
        self._live: Document | None = None

    @property
    def arn(self) -> str:
        """Return the ARN of the wanted revision, or what plans say of one that is still to be registered."""
        return (
            f"a new revision of {self.family}"
            if self.changes
            else str((self._live or {})["taskDefinitionArn"])
        )

    def check(self) -> Diff:
        """Compare the newest revision."""
        live = self._live = self._calls.definition(self.family)
        wanted = self._wanted()
        if live is None:
            found = [Change("revision", "", wanted["containerDefinitions"][0]["image"])]
        else:
            found = list(differences(compared(live), compared(wanted), hidden))
            if not self._is_tagged(live):
                self._refuse_anothers()
                found.append(Change("tags", "", ", ".join(each["key"] for each in self._tags)))
        self.changes, self.done = bool(found), live is not None and DONE in tags_of(live)
        return Diff(found, "" if found else "as declared")

    def _is_tagged(self, definition: Document) -> bool:
        """Return whether prov has made a revision for this target."""
        return {each["key"]: each["value"] for each in self._tags}.items() <= tags_of(definition).items()

    def _refuse_anothers(self) -> None:
        """Raise ProvError if prov did not make the first revision either: another client has registered later ones."""
        first = self._calls.first_definition(self.family)
        if first is None or not self._is_tagged(first):
            raise ProvError(
                f"the task definition {self.family} exists, and prov did not make it for this target",
                hint="Give the target or the application another name, or deregister it.",
            )

    def apply(self, note: Note) -> None:
        """Register a revision."""
        answer = self._calls.call("ecs:RegisterTaskDefinition", **self._wanted(), tags=self._tags)
        self._live, self.changes, self.done = answer["taskDefinition"], False, False

    def note_done(self) -> None:
        """Tag it as one that has done its commands."""
        self._calls.call("ecs:TagResource", resourceArn=self.arn, tags=[{"key": DONE, "value": "true"}])


def compared(definition: Document | None) -> Document:
    """Return a task definition without what ECS notes and fills in."""
    found = {name: value for name, value in (definition or {}).items() if name not in NOTED}
    containers = [by_name(each) for each in found.get("containerDefinitions", [])]
    plain: Document = without_empty({**found, "containerDefinitions": containers})
    return plain


def by_name(each: Document) -> Document:
    """Return a container whose variables and secrets are found by their names."""
    environment = {str(one["name"]): str(one.get("value", "")) for one in each.get("environment", [])}
    secrets = {str(one["name"]): str(one["valueFrom"]) for one in each.get("secrets", [])}
    return {**each, "environment": environment, "secrets": secrets}


def hidden(path: str, value: str) -> bool:
    """Return whether a value is a secret that another client has put there."""
    _, found, name = path.rpartition(".environment.")
    return bool(found) and name != VERSIONS and is_secret(name, value)
