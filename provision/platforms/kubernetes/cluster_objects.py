"""The objects of an application in a cluster, in the order in which they are to be applied."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from provision.apps.app_releases import short_hash
from provision.inventory.fields import encoded
from provision.platforms.cron_times import cron_time
from provision.platforms.kubernetes.cluster_block import client
from provision.platforms.kubernetes.mapped_apps import MappedApp, tls_secret
from provision.platforms.kubernetes.pod_templates import (
    Object,
    job_pod,
    labels,
    process_pod,
    release_pod,
    selector,
    web_pod,
)
from provision.values import dataclass

#: Argo CD, "Sync Phases and Waves": an object of a wave waits until those of the waves before it are healthy
WAVE = "argocd.argoproj.io/sync-wave"
#: seconds that migrate may take, as a command on a host
MIGRATE_TIMEOUT = 600
#: Jobs of a CronJob that are kept
HISTORY_LIMIT = 3


@dataclass(frozen=True)
class ClusterObject:
    """One object. key: what names its file: it stays the same where a name changes with each release."""

    document: Object
    key: str

    @property
    def kind(self) -> str:
        """Return its kind, such as Deployment."""
        return str(self.document["kind"])

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.document["metadata"]["name"])

    @property
    def is_secret(self) -> bool:
        """Return whether it has values that must not be seen."""
        return self.kind == "Secret"


def objects_of(mapped: MappedApp) -> Iterator[ClusterObject]:
    """Yield the objects of an application: first what its pods read, then the release's commands, then the pods."""
    name, block = mapped.app.name, mapped.block
    if mapped.plain:
        yield made(mapped, "v1", "ConfigMap", name, "web", wave=-2, data=mapped.plain)
    for secret, values in ((name, mapped.secrets), (mapped.credentials_secret, mapped.credentials)):
        if values:
            data = {key: in_base64(value.reveal()) for key, value in values.items()}
            yield made(mapped, "v1", "Secret", secret, "web", wave=-2, type="Opaque", data=data)
    if block.storage:
        wanted = {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": block.storage.size}},
            **({"storageClassName": block.storage.storage_class} if block.storage.storage_class else {}),
        }
        yield made(mapped, "v1", "PersistentVolumeClaim", name, "web", wave=-2, spec=wanted)
    yield from network_policies(mapped)
    yield from release_job(mapped)
    yield from web(mapped)
    for process in mapped.app.processes:
        yield process_deployment(mapped, process)
    for job in mapped.app.jobs:
        yield cron_job(mapped, job)


def made(
    mapped: MappedApp, version: str, kind: str, name: str, component: str, *, wave: int = 0, **rest: Any
) -> ClusterObject:
    """Return an object. version: its apiVersion.  rest: its other parts."""
    metadata: Object = {
        "name": name,
        "namespace": mapped.block.namespace,
        "labels": labels(mapped, component),
    }
    if wave:
        metadata["annotations"] = {WAVE: str(wave)}
    document = {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
    return ClusterObject(document, f"{name}-{kind.lower()}")


def in_base64(text: str) -> str:
    """Return text as a Secret has it."""
    return base64.b64encode(text.encode()).decode()


def network_policies(mapped: MappedApp) -> Iterator[ClusterObject]:
    """Yield what lets nothing reach the pods, but clients the server's port: it believes what they say of theirs."""
    name = mapped.app.name
    kind = ("networking.k8s.io/v1", "NetworkPolicy")
    closed = {"podSelector": {"matchLabels": selector(mapped)}, "policyTypes": ["Ingress"]}
    yield made(mapped, *kind, f"{name}-closed", "web", wave=-2, spec=closed)
    allowed = {
        "podSelector": {"matchLabels": selector(mapped, "web")},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [peer(each) for each in mapped.block.clients],
                "ports": [{"port": "http", "protocol": "TCP"}],
            }
        ],
    }
    yield made(mapped, *kind, name, "web", wave=-2, spec=allowed)


def peer(text: str) -> Object:
    """Return a namespace or a network as a policy has it."""
    if "/" in client(text):
        return {"ipBlock": {"cidr": text}}
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": text}}}


def release_job(mapped: MappedApp) -> Iterator[ClusterObject]:
    """Yield the Job of a release's commands; another release, image or environment has another."""
    template = release_pod(mapped)
    if template is None:
        return
    app = mapped.app
    longest = sum(chore.timeout for chore in app.chores)
    longest += MIGRATE_TIMEOUT if app.django and app.django.migrate else 0
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": longest, "template": template}
    name = f"{app.name}-release-{short_hash(json.dumps(spec, sort_keys=True))}"
    job = made(mapped, "batch/v1", "Job", name, "release", wave=-1, spec=spec)
    yield ClusterObject(job.document, f"{app.name}-release-job")


def web(mapped: MappedApp) -> Iterator[ClusterObject]:
    """Yield the web process: its pods, their number, and how requests reach them."""
    name, block = mapped.app.name, mapped.block
    found = {"matchLabels": selector(mapped, "web")}
    deployment: Object = {
        "selector": found,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}},
        "revisionHistoryLimit": mapped.app.keep_releases,
        # beyond the time in which the health path must answer, an image is pulled and commands run
        "progressDeadlineSeconds": 600 + mapped.app.start_timeout,
        "template": web_pod(mapped),
    }
    if not block.autoscale:
        deployment["replicas"] = block.replicas
    yield made(mapped, "apps/v1", "Deployment", name, "web", spec=deployment)
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    yield made(
        mapped, "v1", "Service", name, "web", spec={"selector": selector(mapped, "web"), "ports": [port]}
    )
    if block.autoscale:
        cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": block.autoscale.cpu}}
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": block.replicas,
            "maxReplicas": block.autoscale.most,
            "metrics": [{"type": "Resource", "resource": cpu}],
        }
        yield made(mapped, "autoscaling/v2", "HorizontalPodAutoscaler", name, "web", spec=spec)
    if block.replicas > 1:
        budget = {"maxUnavailable": 1, "selector": found}
        yield made(mapped, "policy/v1", "PodDisruptionBudget", name, "web", spec=budget)
    if block.ingress:
        yield ingress(mapped)


def ingress(mapped: MappedApp) -> ClusterObject:
    """Return the Ingress of an application's domains."""
    app, settings = mapped.app, mapped.block.ingress
    assert settings is not None
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    place = {"path": encoded(app.path.rstrip("/") or "/"), "pathType": "Prefix", "backend": backend}
    spec: Object = {
        "ingressClassName": settings.ingress_class,
        "rules": [{"host": domain, "http": {"paths": [place]}} for domain in app.domains],
    }
    if app.tls != "none":
        spec["tls"] = [{"hosts": list(app.domains), "secretName": tls_secret(mapped)}]
    found = made(mapped, "networking.k8s.io/v1", "Ingress", app.name, "web", spec=spec)
    if settings.annotations:
        found.document["metadata"]["annotations"] = dict(settings.annotations)
    return found


def process_deployment(mapped: MappedApp, name: str) -> ClusterObject:
    """Return the Deployment of a process. One that runs never twice is stopped before the next one starts."""
    process, component = mapped.app.processes[name], f"process-{name}"
    alone = process.on == "one" and process.count == 1
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    spec = {
        "replicas": process.count,
        "selector": {"matchLabels": selector(mapped, component)},
        "strategy": {"type": "Recreate"} if alone else rolling,
        "revisionHistoryLimit": mapped.app.keep_releases,
        "template": process_pod(mapped, name),
    }
    return made(mapped, "apps/v1", "Deployment", f"{mapped.app.name}-{name}", component, spec=spec)


def cron_job(mapped: MappedApp, name: str) -> ClusterObject:
    """Return the CronJob of a job, which never runs twice at once, as a timer of systemd's."""
    job, component = mapped.app.jobs[name], f"job-{name}"
    template = {
        "backoffLimit": 0,
        "activeDeadlineSeconds": job.timeout,
        "template": job_pod(mapped, name),
    }
    spec = {
        "schedule": cron_time(job.schedule),
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": HISTORY_LIMIT,
        "failedJobsHistoryLimit": HISTORY_LIMIT,
        "jobTemplate": {"metadata": {"labels": labels(mapped, component)}, "spec": template},
    }
    return made(mapped, "batch/v1", "CronJob", f"{mapped.app.name}-{name}", component, spec=spec)
