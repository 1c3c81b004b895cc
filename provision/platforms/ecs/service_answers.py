"""What AWS says of a target's applications: how they are doing, and what they have logged.

Source: ECS API reference, Service; CloudWatch Logs API reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from provision.apps.application import Application
from provision.errors import UsageError
from provision.inventory import InventoryHost
from provision.platforms.aws_logs import last_events
from provision.platforms.aws_requests import aws_line
from provision.platforms.ecs.ecs_calls import EcsCalls
from provision.platforms.ecs.ecs_names import log_group, part_name
from provision.platforms.ecs.service_block import service_block
from provision.platforms.ecs.task_states import primary_of, reason, unfinished
from provision.platforms.mapped_release import instead_by_prov, only_app
from provision.platforms.platform_model import LogsWanted

#: prov's commands for hosts -> words of `aws ecs update-service`
UPDATES = {"restart": ("--force-new-deployment",), "stop": ("--desired-count", "0")}


def instead(host: InventoryHost, command: str) -> str:
    """Return what to do instead of a command for hosts; "" if nothing is known. Raises ConfigErrors."""
    if command not in UPDATES:
        return instead_by_prov(host, command)
    block = service_block(host)
    service = part_name(host.name, only_app(host), "web")
    words = ("ecs", "update-service", "--cluster", block.cluster, "--service", service, *UPDATES[command])
    return f"aws does it:  {aws_line(block.region, block.profile, *words)}"


def status_of(host: InventoryHost, apps: Sequence[Application]) -> dict[str, Any]:
    """Return how applications are doing. Raises ConfigErrors, ProvError.

    "ok", and for each application in "apps" its "release", "parts" (each with "name", "state" and "restarts") and
    "problems".
    """
    calls = EcsCalls(service_block(host))
    live = calls.services_below(f"{host.name}-")
    found = {app.name: app_status(calls, host.name, app, live) for app in apps}
    return {"ok": not any(each["problems"] for each in found.values()), "apps": found}


def app_status(
    calls: EcsCalls, target: str, app: Application, live: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Return how one application is doing. live: services of the target."""
    parts, problems, release = [], [], ""
    for component in ("web", *(f"process-{name}" for name in app.processes)):
        name, label = part_name(target, app.name, component), component.removeprefix("process-")
        service = live.get(name)
        if service is None:
            problems.append(f"{label}: has no service: it has not been deployed, or was removed")
            continue
        missing, primary = unfinished(service), primary_of(service)
        state = missing or f"{service['runningCount']} of {service['desiredCount']} tasks run"
        parts.append({"name": label, "state": state, "restarts": primary.get("failedTasks", 0)})
        if missing:
            why = reason(calls, name, primary.get("taskDefinition", ""))
            problems.append(f"{label}: {missing}{f'; {why}' if why else ''}")
        if not service["desiredCount"]:
            problems.append(f"{label}: is stopped: its service wants no tasks")
        if component == "web":
            definition = calls.definition(service["taskDefinition"])
            image = definition["containerDefinitions"][0]["image"] if definition else ""
            release = image.rpartition(":")[2]
    for job in app.jobs:
        rule = calls.found("events:DescribeRule", Name=part_name(target, app.name, f"job-{job}"))
        said = (
            f"{rule.get('ScheduleExpression', '')} {rule.get('State', '').lower()}" if rule else "has no rule"
        )
        parts.append({"name": f"job {job}", "state": said, "restarts": 0})
        if rule is None or rule.get("State") != "ENABLED":
            problems.append(f"job {job}: {said}")
    return {"release": release, "parts": parts, "problems": problems}


def logs_of(host: InventoryHost, apps: Sequence[Application], wanted: LogsWanted) -> Iterator[dict[str, Any]]:
    """Yield the lines of applications' tasks: "time", "source", "text".

    Raises ConfigErrors, UsageError, ProvError.
    """
    if wanted.process == "front":
        hint = "The load balancer's logs are in S3, if it writes them."
        raise UsageError(f"{host.name} has no front of prov's, and so none of its logs", hint=hint)
    known = {"", "web", "release", *(name for app in apps for name in (*app.processes, *app.jobs))}
    if wanted.process not in known:
        raise UsageError(
            f"{host.name} has no process {wanted.process!r}",
            hint=f"It has {', '.join(sorted(known - {''}))}.",
        )
    block = service_block(host)
    if wanted.follow:
        line = aws_line(
            block.region, block.profile, "logs", "tail", "--follow", log_group(host.name, apps[0].name)
        )
        raise UsageError("--follow is for hosts", hint=f"aws does it:  {line}")
    calls = EcsCalls(block)
    for app in apps:
        for event in last_events(calls, log_group(host.name, app.name), wanted):
            component, _, rest = str(event.get("logStreamName", "")).partition("/")
            kind, _, name = component.partition("-")
            if wanted.process in ("", kind if kind in ("web", "release") else name):
                source = f"{app.name} {component} {rest.rpartition('/')[2][:8]}"
                text = str(event["message"]).rstrip("\n")
                yield {"time": event["timestamp"] / 1000, "source": source, "text": text}
