"""The steps of a target: what its applications are to be, and what of it is no longer declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.code_migrations import schema_of
from provision.apps.migration_risks import risks_of
from provision.platforms.kubernetes.cluster_access import AccessOf
from provision.platforms.kubernetes.cluster_calls import PLACES, ClusterCalls
from provision.platforms.kubernetes.cluster_objects import ClusterObject, objects_of
from provision.platforms.kubernetes.cluster_records import ClusterRecords, is_record
from provision.platforms.kubernetes.mapped_apps import MappedApp, mapped_apps
from provision.platforms.kubernetes.object_labels import owned_by
from provision.platforms.kubernetes.object_steps import AppliedObject, RemovedObject, of_prov
from provision.platforms.kubernetes.recorded_objects import about_of, instance_of
from provision.platforms.platform_model import DeployOrder, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.release_steps import (
    DeploysAllowed,
    MigrationsRecorded,
    ReleaseBook,
    ReleaseRecorded,
)
from provision.roles.project import Assignment

#: kinds that are listed; a volume has data, and is not removed by prov
PRUNED = [kind for kind in PLACES if kind not in ("Pod", "PersistentVolumeClaim")]


def steps_of(access_of: AccessOf, assignment: Assignment, order: DeployOrder) -> Steps:
    """Return what makes the steps of a target. Raises ConfigErrors, UsageError."""
    apps = mapped_apps(access_of, assignment)
    calls = ClusterCalls(access_of(assignment.host))
    return partial(compared_with, calls, apps, order)


def compared_with(
    calls: ClusterCalls, apps: Sequence[MappedApp], order: DeployOrder, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what a cluster has to what applications are to be. Raises ProvError."""
    host = apps[0].host
    live = live_objects(calls, host.name)
    steps: list[PlatformStep] = []
    declared: set[tuple[str, str]] = set()
    for mapped in apps:
        book = ReleaseBook(ClusterRecords(calls, host.name), mapped.app.name)
        steps.append(DeploysAllowed(book, note, plan=order.plan))
        objects = list(objects_of(mapped))
        release = mapped.release
        risks = partial(risks_of, release)
        migrated = MigrationsRecorded(book, schema_of(release), force=order.force, risks=risks)
        # what has run is noted before pods of another release begin
        at = next((n for n, wanted in enumerate(objects) if wanted.kind == "Deployment"), len(objects))
        applied = [step_of(calls, wanted, live, host.name) for wanted in objects]
        steps += [*applied[:at], migrated, *applied[at:], recorded_step(book, mapped, objects)]
        declared.update((wanted.kind, wanted.name) for wanted in objects)
    for (kind, name), each in live.items():
        if (kind, name) in declared or kind not in PRUNED or each["metadata"].get("ownerReferences"):
            continue
        if order.prune or kind == "Job":
            # Jobs are of releases before
            steps.append(RemovedObject(calls, each))
        else:
            note(f"{kind} {name} is no longer declared (--prune removes it)")
    return steps


def live_objects(calls: ClusterCalls, target: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what a cluster has of a target, by kind and name, without what prov remembers. Raises ProvError."""
    labels = owned_by(target)
    return {
        (kind, each["metadata"]["name"]): each
        for kind in PLACES
        if kind != "Pod"
        for each in calls.list(kind, labels)
        if not is_record(each)
    }


def step_of(
    calls: ClusterCalls, wanted: ClusterObject, live: Mapping[tuple[str, str], dict[str, Any]], target: str
) -> AppliedObject:
    """Return the step of a wanted object. Raises ProvError if it is not prov's."""
    key = wanted.kind, wanted.name
    return AppliedObject(calls, wanted, live.get(key) or of_prov(wanted, calls.get(*key), target))


def recorded_step(book: ReleaseBook, mapped: MappedApp, objects: Sequence[ClusterObject]) -> ReleaseRecorded:
    """Return the step that notes the release in service."""
    about = about_of(objects, schema_of(mapped.release))
    return ReleaseRecorded(book, instance_of(about), mapped.release.id, about, keep=mapped.app.keep_releases)
