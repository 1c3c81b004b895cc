"""What a cluster says of a target's applications: how they are doing, and what they have logged.

Source: Kubernetes API reference, DeploymentStatus, CronJobStatus, PodStatus; "Pod log".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from provision.apps.application import Application
from provision.errors import UsageError
from provision.inventory import InventoryHost
from provision.platforms.kubernetes.cluster_access import AccessOf
from provision.platforms.kubernetes.cluster_calls import ClusterCalls, Object
from provision.platforms.kubernetes.object_labels import APP, COMPONENT, VERSION, owned_by
from provision.platforms.kubernetes.rollouts import of_job, reason, unfinished
from provision.platforms.mapped_release import instead_by_prov, only_app
from provision.platforms.platform_model import LogsWanted

#: prov's commands for hosts -> kubectl's for an application's pods
KUBECTL = {
    "restart": ("rollout", "restart", "deployment/APP"),
    "stop": ("scale", "--replicas=0", "deployment/APP"),
    "exec": ("exec", "-it", "deployment/APP", "--", "COMMAND"),
    "manage": ("exec", "-it", "deployment/APP", "--", "python", "manage.py", "COMMAND"),
}


def instead(access_of: AccessOf, host: InventoryHost, command: str) -> str:
    """Return what to do instead of a command for hosts; "" if nothing is known. Raises ConfigErrors."""
    if command not in KUBECTL:
        return instead_by_prov(host, command)
    app = only_app(host)
    line = access_of(host).kubectl(*(word.replace("APP", app) for word in KUBECTL[command]))
    return f"kubectl does it:  {line}"


def status_of(access_of: AccessOf, host: InventoryHost, apps: Sequence[Application]) -> dict[str, Any]:
    """Return how applications are doing. Raises ConfigErrors, ProvError.

    "ok", and for each application in "apps" its "release", "parts" (each with "name", "state" and "restarts") and
    "problems".
    """
    calls = ClusterCalls(access_of(host))
    labels = owned_by(host.name)
    live = {kind: calls.list(kind, labels) for kind in ("Deployment", "CronJob", "Job", "Pod")}
    found = {}
    for name in (app.name for app in apps):
        own = {kind: [each for each in items if label(each, APP) == name] for kind, items in live.items()}
        found[name] = app_status(calls, own)
    return {"ok": not any(each["problems"] for each in found.values()), "apps": found}


def app_status(calls: ClusterCalls, own: dict[str, list[Object]]) -> dict[str, Any]:
    """Return how one application is doing. own: its objects, by kind."""
    parts, problems, release = [], [], ""
    for each in own["Deployment"]:
        name, missing = part_name(each), unfinished(each)
        wanted = each["spec"].get("replicas", 1)
        restarts = sum(
            restarts_of(pod) for pod in own["Pod"] if label(pod, COMPONENT) == label(each, COMPONENT)
        )
        parts.append(
            {"name": name, "state": missing or f"{wanted} of {wanted} pods are ready", "restarts": restarts}
        )
        if missing:
            why, _ = reason(calls, each)
            problems.append(f"{name}: {missing}{f'; {why}' if why else ''}")
        if label(each, COMPONENT) == "web":
            release = str(each["spec"]["template"]["metadata"]["labels"].get(VERSION, ""))
    if not release:
        problems.append("has no Deployment: it has not been deployed, or was removed")
    for each in own["CronJob"]:
        name, status = part_name(each), each.get("status") or {}
        runs = [job for job in own["Job"] if label(job, COMPONENT) == label(each, COMPONENT)]
        state, failed = last_run(runs, str(status.get("lastSuccessfulTime") or ""))
        if failed:
            problems.append(f"job {name}: {state}")
        parts.append({"name": f"job {name}", "state": state, "restarts": 0})
    for each in own["Job"]:
        if label(each, COMPONENT) == "release" and (missing := of_job(each)):
            problems.append(f"commands of the release: {missing}")
    return {"release": release, "parts": parts, "problems": problems}


def last_run(jobs: Sequence[Object], succeeded: str) -> tuple[str, bool]:
    """Return how a job ran last, and whether it failed. jobs: its runs that are kept."""
    if jobs:
        last = max(jobs, key=lambda job: str(job["metadata"].get("creationTimestamp", "")))
        if missing := of_job(last):
            return ("failed", True) if missing == "failed" else ("runs now", False)
        succeeded = succeeded or str((last.get("status") or {}).get("completionTime", ""))
    return (f"succeeded {succeeded}".strip(), False) if jobs or succeeded else ("has not run yet", False)


def logs_of(
    access_of: AccessOf, host: InventoryHost, apps: Sequence[Application], wanted: LogsWanted
) -> Iterator[dict[str, Any]]:
    """Yield the lines of applications' pods: "time", "source", "text". Raises ConfigErrors, UsageError, ProvError."""
    if wanted.process == "front":
        hint = "Ask the Ingress controller's pods, in their own namespace."
        raise UsageError(f"{host.name} has no front of prov's, and so none of its logs", hint=hint)
    known = {"", "web", "release", *(part for app in apps for part in (*app.processes, *app.jobs))}
    if wanted.process not in known:
        hint = f"It has {', '.join(sorted(known - {''}))}."
        raise UsageError(f"{host.name} has no process {wanted.process!r}", hint=hint)
    if wanted.follow:
        line = access_of(host).kubectl("logs", "--follow", "--prefix", "--selector", f"{APP}={apps[0].name}")
        raise UsageError("--follow is for hosts", hint=f"kubectl does it:  {line}")
    calls, names = ClusterCalls(access_of(host)), [app.name for app in apps]
    for pod in calls.list("Pod", owned_by(host.name)):
        part = part_name(pod)
        if label(pod, APP) not in names or wanted.process not in ("", part):
            continue
        spec = pod["spec"]
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            name = container["name"]
            source = f"{pod['metadata']['name']}{'' if name == part else f' {name}'}"
            said = calls.log(pod["metadata"]["name"], name, lines=wanted.lines, seconds=wanted.seconds)
            for line in said.splitlines():
                at, _, text = line.partition(" ")
                yield {"time": seconds_of(at), "source": source, "text": text}


def seconds_of(timestamp: str) -> float:
    """Return a timestamp of the server's in seconds; 0 for what is none."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def label(live: Object, name: str) -> str:
    """Return a label of an object; "" if it lacks it."""
    return str((live["metadata"].get("labels") or {}).get(name, ""))


def part_name(live: Object) -> str:
    """Return the part of the application that an object is of: "web", or the name of a process or job."""
    kind, _, name = label(live, COMPONENT).partition("-")
    return name or kind


def restarts_of(pod: Object) -> int:
    """Return how often containers of a pod were started again."""
    return sum(
        each.get("restartCount", 0) for each in (pod.get("status") or {}).get("containerStatuses") or ()
    )
