"""Whether what was applied runs: Deployments that roll out, Jobs that end, and why they do not.

Source: Kubernetes documentation, "Deployment status" and "Pod Lifecycle"; API reference, ContainerStateWaiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from provision.errors import ProvError, UnreachableError
from provision.platforms.kubernetes.cluster_calls import ClusterCalls, Object
from provision.platforms.platform_run import Note

#: seconds between looks
PERIOD = 1.0
#: reasons of waiting containers that do not pass
FINAL = ("InvalidImageName", "ImagePullBackOff", "ErrImageNeverPull", "CreateContainerConfigError")
#: restarts of a container after which it is not waited for any longer
MOST_RESTARTS = 2
STAYS = "Pods that ran before go on serving. Correct it, and deploy again."


def unfinished(live: Object) -> str:
    """Return what a Deployment or a Job still has to do; "" if it is done."""
    return of_job(live) if live["kind"] == "Job" else of_deployment(live)


def of_deployment(live: Object) -> str:
    """Return how many pods a Deployment lacks. Its status is as old as the generation that it names."""
    status, wanted = live.get("status") or {}, live["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 1):
        return "not looked at by the cluster yet"
    updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} pods are new"
    if status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} old pods still run"
    return f"{ready} of {wanted} pods are ready" if ready < wanted else ""


def of_job(live: Object) -> str:
    """Return how a Job's commands stand."""
    for condition in conditions(live):
        if condition["type"] == "Complete":
            return ""
        if condition["type"] == "Failed":
            return "failed"
    return "not ended"


def conditions(live: Object) -> Iterator[Object]:
    """Yield the conditions of an object that hold."""
    for condition in (live.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True":
            yield condition


def wait(
    calls: ClusterCalls, live: Object, seconds: float, note: Note, pause: Callable[[float], None] = time.sleep
) -> None:
    """Wait until an object is done. Raises ProvError with the reason if it does not get there in time."""
    kind, name = live["kind"], live["metadata"]["name"]
    end, said = time.monotonic() + seconds, ""
    while missing := unfinished(live):
        why, final = reason(calls, live)
        if final or time.monotonic() > end:
            lines = f"{kind} {name} is not done: {missing}"
            raise ProvError(f"{lines}; {why}" if why else lines, hint=STAYS if kind != "Job" else "")
        text = f"{kind} {name}: {missing}{f' ({why})' if why else ''}"
        if text != said:
            note(text)
            said = text
        pause(PERIOD)
        found = calls.get(kind, name)
        if found is None:
            raise ProvError(f"{kind} {name} was removed by another client", hint="Deploy again.")
        live = {**found, "kind": kind}


def reason(calls: ClusterCalls, live: Object) -> tuple[str, bool]:
    """Return why an object is not done, "" if nothing says so, and whether waiting is of no use."""
    for condition in (live.get("status") or {}).get("conditions") or ():
        kind, holds = condition.get("type"), condition.get("status")
        said = condition.get("message") or condition.get("reason", "")
        if kind == "ReplicaFailure" and holds == "True":
            return said, "quota" in said or "forbidden" in said
        if (kind, holds) in (("Progressing", "False"), ("Failed", "True")):
            found, _ = of_pods(calls, live)
            return found or said, True
    return of_pods(calls, live)


def of_pods(calls: ClusterCalls, live: Object) -> tuple[str, bool]:
    """Return what keeps the pods of an object, and whether it lasts. The newest pods are looked at first."""
    labels = live["spec"]["template"]["metadata"]["labels"]
    if live["kind"] == "Job":
        labels = {"job-name": live["metadata"]["name"]}
    try:
        pods = calls.list("Pod", labels)
    except UnreachableError:
        raise
    except ProvError as error:
        # a login may deploy, and not see pods
        return f"why is not known: {error.message}", False
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        found, final = of_pod(calls, pod)
        if found:
            return found, final
    return "", False


def of_pod(calls: ClusterCalls, pod: Object) -> tuple[str, bool]:
    """Return what keeps a pod, and whether it lasts."""
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    for condition in status.get("conditions") or ():
        if condition.get("reason") == "Unschedulable":
            return f"{name} finds no node: {condition.get('message', '')}", False
    every = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    for container in every:
        state, inner = container.get("state") or {}, container["name"]
        waiting = state.get("waiting") or {}
        word, said = waiting.get("reason", ""), waiting.get("message", "")
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
        if word in FINAL:
            return f"{inner} of {name}: {word}: {said}", True
        if ended.get("exitCode"):
            lines = calls.last_lines(name, inner)
            final = container.get("restartCount", 0) >= MOST_RESTARTS
            code = ended["exitCode"]
            return f"{inner} of {name} ended with {code}{f': {lines}' if lines else ''}", final
    return "", False
