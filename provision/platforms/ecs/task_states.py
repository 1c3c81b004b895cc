"""Whether what was asked for runs: services that become steady, tasks that end, and why they do not.

Source: ECS API reference, Deployment, Task, Container; developer guide, "Deployment circuit breaker".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from provision.errors import ProvError
from provision.platforms.aws_logs import stream_end
from provision.platforms.ecs.ecs_calls import EcsCalls
from provision.platforms.platform_run import Note

#: seconds between looks
PERIOD = 3.0
#: seconds for a rollout besides the time in which the health path must answer: images are pulled, tasks placed
GRACE = 900
#: seconds in which ECS may not know yet what it has just made: API reference, RunTask, "eventual consistency"
KNOWN_WITHIN = 20.0
#: lines of a log that a failure shows
SHOWN = 12
STAYS = "Tasks that ran before go on serving. Correct it, and deploy again."


def primary_of(service: dict[str, Any]) -> dict[str, Any]:
    """Return the deployment that a service is to have."""
    every = service.get("deployments") or [{}]
    return next((each for each in every if each.get("status") == "PRIMARY"), every[0])


def unfinished(service: dict[str, Any]) -> str:
    """Return what the rollout of a service still has to do; "" if it is done."""
    primary, wanted = primary_of(service), service.get("desiredCount", 0)
    running, state = primary.get("runningCount", 0), primary.get("rolloutState", "COMPLETED")
    if state == "FAILED":
        return f"failed: {primary.get('rolloutStateReason', '')}"
    if running < wanted:
        return f"{running} of {wanted} tasks run"
    if state != "COMPLETED":
        return "tasks are not healthy yet"
    # deployments that have ended may still be listed
    old = sum(each.get("runningCount", 0) for each in service.get("deployments") or () if each is not primary)
    return f"{old} old tasks still run" if old else ""


def wait_steady(
    calls: EcsCalls,
    service: dict[str, Any],
    seconds: float,
    note: Note,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Wait until a service is steady, and show its events. Raises ProvError with the reason if it does not get there.

    service: as the request that changed it was answered.
    """
    name, wanted = str(service["serviceName"]), service["taskDefinition"]
    began, said = time.monotonic(), ""
    seen = {each["id"] for each in service.get("events") or ()}
    while True:
        primary = primary_of(service)
        gone_back = primary.get("taskDefinition") != wanted
        failed = primary.get("rolloutState") == "FAILED" or gone_back
        missing = unfinished(service)
        if not failed and not missing:
            return
        if failed or time.monotonic() - began > seconds:
            why = reason(calls, name, wanted)
            what = (
                "its deployment failed, and ECS has gone back" if gone_back else f"is not steady: {missing}"
            )
            raise ProvError(f"service {name}: {what}{f'; {why}' if why else ''}", hint=STAYS)
        if missing != said:
            note(f"{name}: {missing}")
            said = missing
        pause(PERIOD)
        found = calls.service(name)
        if found is None:
            if time.monotonic() - began < KNOWN_WITHIN:
                continue
            raise ProvError(f"the service {name} was removed by another client", hint="Deploy again.")
        service = found
        for event in reversed(service.get("events") or ()):
            if event["id"] not in seen:
                seen.add(event["id"])
                note(f"{name}: {event['message']}")


def reason(calls: EcsCalls, service: str, definition: str) -> str:
    """Return why tasks of a service have stopped; "" if nothing says so. definition: that they run."""
    for task in calls.tasks(serviceName=service, desiredStatus="STOPPED"):
        if task.get("taskDefinitionArn") == definition and (found := of_task(calls, task)):
            return found
    return ""


def of_task(calls: EcsCalls, task: dict[str, Any]) -> str:
    """Return why a task has stopped, with its last lines if it crashed; "" if it was told to."""
    code = task.get("stopCode", "")
    if code in ("ServiceSchedulerInitiated", "UserInitiated", ""):
        return ""
    containers = task.get("containers") or []
    exits = [f"{each['name']} ended with {each['exitCode']}" for each in containers if each.get("exitCode")]
    reasons = [each["reason"] for each in containers if each.get("reason")]
    said = "; ".join([str(task.get("stoppedReason", "")), *exits, *reasons])
    lines = last_lines(calls, task) if code == "EssentialContainerExited" else []
    return "\n    ".join([f"task {id_of(task)}: {said}", *lines])


def last_lines(calls: EcsCalls, task: dict[str, Any]) -> list[str]:
    """Return the last lines of a task's container."""
    definition = calls.definition(str(task["taskDefinitionArn"]))
    if definition is None:
        return []
    (only, *_) = definition["containerDefinitions"]
    options = (only.get("logConfiguration") or {}).get("options") or {}
    stream = f"{options.get('awslogs-stream-prefix')}/{only['name']}/{id_of(task)}"
    events = stream_end(calls, str(options.get("awslogs-group")), stream, SHOWN)
    return [str(each["message"]).rstrip("\n") for each in events]


def id_of(task: dict[str, Any]) -> str:
    """Return the ID of a task."""
    return str(task["taskArn"]).rpartition("/")[2]


def wait_ended(
    calls: EcsCalls, task: dict[str, Any], seconds: float, pause: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Return a task once it has stopped. Raises ProvError if it has not in time: it is stopped then."""
    began = time.monotonic()
    while task.get("lastStatus") != "STOPPED":
        if time.monotonic() - began > seconds:
            said = f"not done after {seconds:g} s"
            calls.call("ecs:StopTask", cluster=calls.cluster, task=task["taskArn"], reason=f"prov: {said}")
            lines = "\n    ".join(["", *last_lines(calls, task)])
            raise ProvError(f"task {id_of(task)} was stopped: {said}{lines}", hint=STAYS)
        pause(PERIOD)
        found = calls.call("ecs:DescribeTasks", cluster=calls.cluster, tasks=[task["taskArn"]])["tasks"]
        if not found:
            raise ProvError(
                f"task {id_of(task)} is gone, and how it ended is not known", hint="Deploy again."
            )
        task = found[0]
    return task


def exit_codes(task: dict[str, Any]) -> list[int | None]:
    """Return the exit codes of a task's containers; None for one that did not start."""
    return [each.get("exitCode") for each in task.get("containers") or ()]
