"""The steps of a target: what its applications are to be, and what of it is no longer declared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from provision.platforms.kubernetes.cluster_calls import PLACES, ClusterCalls
from provision.platforms.kubernetes.cluster_objects import objects_of
from provision.platforms.kubernetes.mapped_apps import MappedApp, mapped_apps
from provision.platforms.kubernetes.object_steps import OWNED, AppliedObject, RemovedObject, of_prov
from provision.platforms.platform_model import Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.roles.project import Assignment

#: kinds that are listed; a volume has data, and is not removed by prov
PRUNED = [kind for kind in PLACES if kind not in ("Pod", "PersistentVolumeClaim")]


def steps_of(assignment: Assignment, *, prune: bool) -> Steps:
    """Return what makes the steps of a target. Raises ConfigErrors, UsageError. prune: as of StepsOf."""
    apps = mapped_apps(assignment)
    calls = ClusterCalls(assignment.host, apps[0].block)
    return partial(compared_with, calls, apps, prune=prune)


def compared_with(
    calls: ClusterCalls, apps: Sequence[MappedApp], note: Note, *, prune: bool
) -> Sequence[PlatformStep]:
    """Return the steps from what a cluster has to what applications are to be. Raises ProvError."""
    host = apps[0].host
    labels = {"app.kubernetes.io/managed-by": "prov", OWNED: host.name}
    live: dict[tuple[str, str], dict[str, Any]] = {}
    for kind in PLACES:
        if kind != "Pod":
            live.update({(kind, each["metadata"]["name"]): each for each in calls.list(kind, labels)})
    steps: list[PlatformStep] = []
    declared = set()
    for mapped in apps:
        for wanted in objects_of(mapped):
            key = wanted.kind, wanted.name
            declared.add(key)
            now = live.get(key) or of_prov(wanted, calls.get(*key), host.name)
            steps.append(AppliedObject(calls, wanted, now))
    for (kind, name), each in live.items():
        if (kind, name) in declared or kind not in PRUNED or each["metadata"].get("ownerReferences"):
            continue
        if prune or kind == "Job":
            # Jobs are of releases before
            steps.append(RemovedObject(calls, each))
        else:
            note(f"{kind} {name} is no longer declared (--prune removes it)")
    return steps
