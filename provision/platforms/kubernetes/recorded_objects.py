"""Releases as a cluster's record has them: their objects, and of secrets the names alone; and going back to one.

What decides who reaches an application (Service, Ingress, NetworkPolicy) stays as it is now, and so do volumes.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.app_releases import short_hash
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.platforms.kubernetes.cluster_access import AccessOf
from provision.platforms.kubernetes.cluster_answers import label
from provision.platforms.kubernetes.cluster_calls import ClusterCalls, Object
from provision.platforms.kubernetes.cluster_objects import ClusterObject
from provision.platforms.kubernetes.cluster_records import ClusterRecords
from provision.platforms.kubernetes.object_labels import APP, COMPONENT, OWNED, owned_by
from provision.platforms.kubernetes.object_steps import AppliedObject, RemovedObject
from provision.platforms.kubernetes.pod_templates import SECRETS, secrets_digest
from provision.platforms.kubernetes.rollouts import of_job
from provision.platforms.platform_model import EarlierRelease, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.record_reading import GONE, obstacle_in, refuse_unserved, without_secrets
from provision.platforms.release_steps import ReleaseBook, ReleaseRecorded
from provision.system.memory.records import TEXT
from provision.system.shapes import having, listing, mapping

#: kinds that a release has of its own
KINDS = ("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "CronJob")
DOCUMENT = having(
    {"kind": TEXT, "metadata": having({"name": TEXT, "namespace": TEXT, "labels": mapping(TEXT)})}
)
ABOUT = having({"objects": listing(DOCUMENT), "secrets": mapping(listing(TEXT)), "migrations": listing(TEXT)})


def about_of(objects: Sequence[ClusterObject], migrations: Sequence[str]) -> dict[str, Any]:
    """Return what going back to a release takes: no value of a secret."""
    documents = [copy.deepcopy(each.document) for each in objects if each.kind in KINDS]
    for document in documents:
        annotations_of(document).pop(SECRETS, None)
    return {
        "objects": documents,
        "secrets": {each.name: sorted(each.document["data"]) for each in objects if each.is_secret},
        "migrations": list(migrations),
    }


def instance_of(about: Mapping[str, Any]) -> str:
    """Return the name of an instance: the same objects have the same."""
    return short_hash(json.dumps([about["objects"], about["secrets"]], sort_keys=True))


def annotations_of(document: Object) -> dict[str, str]:
    """Return the annotations of an object's pods, to be read or changed; {} if it has no pods."""
    spec = document.get("spec", {})
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    found: dict[str, str] = template.get("metadata", {}).setdefault("annotations", {}) if template else {}
    return found


def obstacles(
    access_of: AccessOf, host: InventoryHost, abouts: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return why instances can't be served again, by name. Raises ConfigErrors, ProvError."""
    calls = ClusterCalls(access_of(host))
    live = secrets_now(calls, host.name)
    return {name: obstacle(about, live) for name, about in abouts.items()}


def obstacle(about: Mapping[str, Any], live: Mapping[str, Mapping[str, str]]) -> str:
    """Return why an instance can't be served again; "" if it can. live: secrets of the target, by Secret."""
    return obstacle_in(
        ABOUT,
        about,
        lambda found: without_secrets(
            [key for name, keys in found["secrets"].items() for key in keys if key not in live.get(name, {})]
        ),
    )


def secrets_now(calls: ClusterCalls, target: str) -> dict[str, dict[str, str]]:
    """Return the secrets of a target, by Secret and key, as the cluster has them. Raises ProvError."""
    labels = owned_by(target)
    return {each["metadata"]["name"]: each.get("data") or {} for each in calls.list("Secret", labels)}


def back_to(access_of: AccessOf, host: InventoryHost, release: EarlierRelease) -> Steps:
    """Prepare going back to a release. Raises ConfigErrors, UsageError."""
    access = access_of(host)
    return partial(steps_back, ClusterCalls(access), access.block.namespace, host.name, release)


def steps_back(
    calls: ClusterCalls, namespace: str, target: str, release: EarlierRelease, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what a cluster has to an earlier release. Raises ProvError."""
    note(f"{release.app} goes back to release {release.release}; secrets keep their values of now")
    app = release.app
    live: dict[tuple[str, str], Object] = {}
    labels = {**owned_by(target), APP: app}
    for kind in (*KINDS, "Secret", "Job"):
        live.update({(kind, each["metadata"]["name"]): each for each in calls.list(kind, labels)})
    secrets = {name: each.get("data") or {} for (kind, name), each in live.items() if kind == "Secret"}
    refuse_unserved(release, obstacle(release.about, secrets))
    wanted = [*secret_objects(release, live), *workloads(release, target, namespace, secrets)]
    steps: list[PlatformStep] = [
        AppliedObject(calls, each, live.get((each.kind, each.name))) for each in wanted
    ]
    then = {(each.kind, each.name) for each in wanted}
    for (kind, name), each in live.items():
        ended = kind != "Job" or (label(each, COMPONENT) == "release" and of_job(each) != "not ended")
        if (kind, name) not in then and ended and not each["metadata"].get("ownerReferences"):
            steps.append(RemovedObject(calls, each))
    book = ReleaseBook(ClusterRecords(calls, target), app)
    return [*steps, ReleaseRecorded(book, release.instance, release.release, None, hold=release.hold)]


def secret_objects(
    release: EarlierRelease, live: Mapping[tuple[str, str], Object]
) -> Iterator[ClusterObject]:
    """Yield the Secrets of a release, with the values that the cluster has now."""
    for name, keys in release.about["secrets"].items():
        now = live["Secret", name]
        data = {key: now["data"][key] for key in keys}
        # what prov set of it, and no more: other fields stay with those who set them
        names = ("name", "namespace", "labels", "annotations")
        metadata = {key: value for key, value in now["metadata"].items() if key in names}
        document = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": now["type"]}
        yield ClusterObject({**document, "data": data}, name)


def workloads(
    release: EarlierRelease, target: str, namespace: str, secrets: Mapping[str, Mapping[str, str]]
) -> Iterator[ClusterObject]:
    """Yield the recorded objects of a release. Raises ProvError for one that no release of prov's has."""
    keys = release.about["secrets"].items()
    values = {key: base64.b64decode(secrets[name][key]).decode() for name, names in keys for key in names}
    digest = secrets_digest(target, release.app, values) if values else ""
    for recorded in release.about["objects"]:
        document: Object = copy.deepcopy(recorded)
        metadata = document["metadata"]
        name, own = metadata["name"], metadata["labels"]
        of_app = name == release.app or name.startswith(f"{release.app}-")
        mine = (own.get(APP), own.get(OWNED), metadata["namespace"]) == (release.app, target, namespace)
        if document["kind"] not in KINDS or not of_app or "/" in name or not mine:
            said = (
                f"the record of release {release.release} of {release.app} has an object that is not its own"
            )
            raise ProvError(f"{said}: {document['kind']} {name}", hint=GONE)
        if digest and (annotations := annotations_of(document)):
            annotations[SECRETS] = digest
        yield ClusterObject(document, name)
