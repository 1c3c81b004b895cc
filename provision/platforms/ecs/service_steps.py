"""Steps over what runs: services that roll out, and the commands of a release before them.

Source: ECS API reference, CreateService, UpdateService, RunTask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from provision.errors import ProvError
from provision.platforms.document_changes import differences
from provision.platforms.ecs.ecs_calls import EcsCalls, tags_of
from provision.platforms.ecs.listener_steps import group_of
from provision.platforms.ecs.service_block import ServiceBlock
from provision.platforms.ecs.task_definitions import TaskDefinition
from provision.platforms.ecs.task_states import (
    GRACE,
    STAYS,
    exit_codes,
    id_of,
    last_lines,
    of_task,
    unfinished,
    wait_ended,
    wait_steady,
)
from provision.platforms.platform_run import Note
from provision.steps.base import Change, Diff
from provision.values import dataclass

#: what UpdateService does not take
FIXED = ("serviceName", "launchType", "tags")


class HasArn(Protocol):
    """A target group: all that a service needs is its ARN."""

    @property
    def arn(self) -> str:
        """Return its ARN."""


@dataclass(frozen=True)
class ServiceWanted:
    """A service as it is to be. count: its tasks.  alone: they never run twice at once.  port: of the web process.

    start_timeout: seconds in which the health path must answer.
    """

    name: str
    tags: list[dict[str, str]]
    count: int
    alone: bool = False
    container: str = ""
    port: int = 0
    start_timeout: int = 0


def network(block: ServiceBlock) -> dict[str, Any]:
    """Return where tasks are, as ECS takes it."""
    found = {"subnets": sorted(block.subnets), "securityGroups": sorted(block.security_groups)}
    return {"awsvpcConfiguration": {**found, "assignPublicIp": "ENABLED" if block.public_ip else "DISABLED"}}


class EcsService:
    """A service. definition, group: what it runs, and what passes requests on to it; checked and applied before it.

    live: as ECS has it, or None.
    """

    def __init__(
        self,
        calls: EcsCalls,
        block: ServiceBlock,
        wanted: ServiceWanted,
        definition: TaskDefinition,
        group: HasArn | None,
        live: dict[str, Any] | None,
    ) -> None:
        self.name = f"service {wanted.name}"
        self._calls, self._block, self._wanted = calls, block, wanted
        self._definition, self._group, self._live = definition, group, live

    def request(self) -> dict[str, Any]:
        """Return the wanted service, as CreateService takes it."""
        wanted, group = self._wanted, self._group
        balancers = []
        if group is not None:
            to = {
                "targetGroupArn": group.arn,
                "containerName": wanted.container,
                "containerPort": wanted.port,
            }
            balancers = [to]
        return {
            "serviceName": wanted.name,
            "taskDefinition": self._definition.arn,
            "desiredCount": wanted.count,
            "launchType": self._block.launch.upper(),
            "networkConfiguration": network(self._block),
            "deploymentConfiguration": {
                "maximumPercent": 100 if wanted.alone else 200,
                "minimumHealthyPercent": 0 if wanted.alone else 100,
                "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            },
            "loadBalancers": balancers,
            "healthCheckGracePeriodSeconds": wanted.start_timeout if group else 0,
            "enableExecuteCommand": False,
            "tags": wanted.tags,
        }

    def check(self) -> Diff:
        """Compare each setting, and how its rollout stands."""
        live = self._live
        if live is None:
            return Diff([Change("service", "", f"{self._wanted.count} x {self._definition.arn}")])
        wanted = self.request()
        if live.get("launchType") != wanted["launchType"]:
            raise ProvError(
                f"{self.name} has the launch type {live.get('launchType')}, which ECS can't change",
                hint="Give the target another name; remove this service once the other one serves.",
            )
        changes = list(differences(compared(live), compared(wanted)))
        missing = unfinished(live)
        if not changes and missing:
            changes = [Change("rollout", missing, "done")]
        return Diff(changes, "" if changes else "as declared")

    def apply(self, note: Note) -> None:
        """Create or update it, and wait until it is steady."""
        calls, wanted = self._calls, self.request()
        if self._live is None:
            answer = calls.call("ecs:CreateService", cluster=calls.cluster, **wanted)
        else:
            changed = {name: value for name, value in wanted.items() if name not in FIXED}
            answer = calls.call(
                "ecs:UpdateService", cluster=calls.cluster, service=self._wanted.name, **changed
            )
            if missing_tags(self._live, wanted["tags"]):
                calls.call("ecs:TagResource", resourceArn=self._live["serviceArn"], tags=wanted["tags"])
        wait_steady(calls, answer["service"], GRACE + self._wanted.start_timeout, note)


def compared(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return a service as plans compare it."""
    deployment = service.get("deploymentConfiguration") or {}
    breaker = deployment.get("deploymentCircuitBreaker") or {}
    placed = (service.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    return {
        "task definition": service.get("taskDefinition", ""),
        "tasks": service.get("desiredCount"),
        "subnets": ", ".join(sorted(placed.get("subnets") or ())),
        "security groups": ", ".join(sorted(placed.get("securityGroups") or ())),
        "public address": placed.get("assignPublicIp", "DISABLED"),
        "largest percent": deployment.get("maximumPercent"),
        "smallest healthy percent": deployment.get("minimumHealthyPercent"),
        "circuit breaker": bool(breaker.get("enable")),
        "going back": bool(breaker.get("rollback")),
        "load balancer": ", ".join(
            f"{group_of(each.get('targetGroupArn', ''))} {each.get('containerName')}:{each.get('containerPort')}"
            for each in service.get("loadBalancers") or ()
        ),
        "health grace": service.get("healthCheckGracePeriodSeconds") or 0,
        "commands from outside": bool(service.get("enableExecuteCommand")),
        "tags": {name: value for name, value in tags_of(dict(service)).items() if name.startswith("prov:")},
    }


def missing_tags(live: dict[str, Any], wanted: list[dict[str, str]]) -> bool:
    """Return whether a service lacks a tag of prov's."""
    return any(tags_of(live).get(each["key"]) != each["value"] for each in wanted)


class ReleaseCommand:
    """A command of a release, which runs once for each task definition. definition: checked and applied before it."""

    def __init__(
        self, calls: EcsCalls, block: ServiceBlock, definition: TaskDefinition, command: str, seconds: int
    ) -> None:
        self.name = f"command {definition.family}"
        self._calls, self._block, self._definition = calls, block, definition
        self._command, self._seconds = command, seconds

    def check(self) -> Diff:
        """Return the command if it has not ended well yet."""
        done = self._definition.done and not self._definition.changes
        return Diff.none("has ended well") if done else Diff([Change("runs", "", self._command)])

    def apply(self, note: Note) -> None:
        """Run it as a task, and believe its exit code."""
        calls, family = self._calls, self._definition.family
        note(f"{family}: runs {self._command}")
        answer = calls.call(
            "ecs:RunTask",
            cluster=calls.cluster,
            taskDefinition=self._definition.arn,
            launchType=self._block.launch.upper(),
            networkConfiguration=network(self._block),
            count=1,
            startedBy="prov",
        )
        for failure in answer.get("failures") or ():
            said = ": ".join(filter(None, (failure.get("reason"), failure.get("detail"))))
            raise ProvError(f"{family} could not be started: {said}", hint=STAYS)
        task = wait_ended(calls, answer["tasks"][0], self._seconds + GRACE)
        codes = exit_codes(task)
        if codes != [0] * len(codes) or not codes:
            why = of_task(calls, task) or f"task {id_of(task)}: {task.get('stoppedReason', '')}"
            raise ProvError(f"{self._command} failed; {why}", hint=STAYS)
        for line in last_lines(calls, task):
            note(f"{family}: {line}")
        self._definition.note_done()
