"""Pods of an application: one image, and a user, limits and folders that all of them share.

Source: Kubernetes API reference, PodSpec; Pod Security Standards, "restricted".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from provision.apps.app_releases import short_hash
from provision.inventory.fields import encoded
from provision.platforms.kubernetes.mapped_apps import CREDENTIALS, MappedApp, memory_of
from provision.platforms.kubernetes.object_labels import APP, COMPONENT, MANAGED, OWNED, VERSION
from provision.serving.sites import server_name

Object = dict[str, Any]

#: seconds in which fronts take note that a pod ends, before its server is told
DRAIN = 5
#: seconds between questions about the health path: while a pod starts, and later
START_PERIOD, PERIOD = 2, 10
#: seconds for a health path to answer, and how often it may fail before the container is started again
PROBE_TIMEOUT, MOST_FAILURES = 5, 6
#: digests of secrets take 0.1 s each, and are cut: who reads them can't try passwords out (RFC 7914)
COST, DIGEST = 2**15, 6
#: annotation of pods with the digest of their secrets
SECRETS = "prov/secrets"
#: mode of files with secrets: of root, and of the group `fsGroup`
READABLE = 0o440
MAKE_FOLDERS = "import os, sys; [os.makedirs(path, exist_ok=True) for path in sys.argv[1:]]"
WAIT = "import sys, time; time.sleep(float(sys.argv[1]))"


def labels(mapped: MappedApp, component: str) -> Object:
    """Return the labels of an object. component: `web`, `process-NAME`, `job-NAME`, `release`."""
    return {**selector(mapped, component), **MANAGED}


def selector(mapped: MappedApp, component: str = "") -> Object:
    """Return the labels that find pods, which never change; those of all components by default."""
    found = {APP: mapped.app.name, OWNED: mapped.host.name}
    return {**found, **({COMPONENT: component} if component else {})}


def words(command: Sequence[str]) -> list[str]:
    """Return a command that Kubernetes replaces nothing in: $(NAME) would be a variable."""
    return [word.replace("$", "$$") for word in command]


def container(mapped: MappedApp, name: str, command: Sequence[str] = (), **more: Any) -> Object:
    """Return a container of the application's image. command: instead of its server.  more: further fields."""
    sources: list[Object] = [{"configMapRef": {"name": mapped.app.name}}] if mapped.plain else []
    if mapped.secrets:
        sources.append({"secretRef": {"name": mapped.app.name}})
    block = mapped.block
    found = {
        "name": name,
        "image": mapped.image,
        "command": words(command),
        "envFrom": sources,
        "resources": {
            "requests": block.requests.model_dump(exclude_none=True),
            "limits": block.limits.model_dump(exclude_none=True),
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "data", "mountPath": mapped.release.data},
            *(
                {"name": each["name"], "mountPath": CREDENTIALS, "readOnly": True}
                for each in credentials(mapped)
            ),
        ],
        **more,
    }
    return {key: value for key, value in found.items() if value not in ([], {})}


def pod(mapped: MappedApp, component: str, containers: Sequence[Object], **more: Any) -> Object:
    """Return the template of a pod. more: further fields of its specification."""
    block, user = mapped.block, mapped.image_settings.user
    shared = {"persistentVolumeClaim": {"claimName": mapped.app.name}} if block.storage else {"emptyDir": {}}
    spec = {
        "automountServiceAccountToken": False,
        # or a Service `port` would set PORT
        "enableServiceLinks": False,
        "imagePullSecrets": [{"name": block.pull_secret}] if block.pull_secret else [],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": list(containers),
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "data", **shared}, *credentials(mapped)],
        **more,
    }
    spec["initContainers"] = [*folders(mapped), *spec.get("initContainers", ())]
    version = {VERSION: mapped.release.id}
    return {
        "metadata": {"labels": {**labels(mapped, component), **version}, "annotations": digests(mapped)},
        "spec": {key: value for key, value in spec.items() if value != []},
    }


def credentials(mapped: MappedApp) -> list[Object]:
    """Return the volume of the secrets that containers find as files, which their group may read."""
    secret = {"secretName": mapped.credentials_secret, "defaultMode": READABLE}
    return [{"name": "credentials", "secret": secret}] if mapped.credentials else []


def folders(mapped: MappedApp) -> list[Object]:
    """Return the container that makes the folders that the application writes to."""
    wanted = mapped.folders
    return [container(mapped, "folders", ["python", "-c", MAKE_FOLDERS, *wanted])] if wanted else []


def digests(mapped: MappedApp) -> Object:
    """Return annotations that change with the environment, so that pods are replaced."""
    found = {"prov/environment": short_hash(json.dumps(mapped.plain, sort_keys=True))}
    if secrets := {**mapped.secrets, **mapped.credentials}:
        values = {name: value.reveal() for name, value in secrets.items()}
        found[SECRETS] = secrets_digest(mapped.host.name, mapped.app.name, values)
    return found


def secrets_digest(target: str, app: str, values: Mapping[str, str]) -> str:
    """Return a digest of secrets that does not help to guess them."""
    text, salt = json.dumps(values, sort_keys=True), f"{target}/{app}".encode()
    return hashlib.scrypt(text.encode(), salt=salt, n=COST, r=8, p=1, maxmem=1 << 26).hex()[:DIGEST]


def web_pod(mapped: MappedApp) -> Object:
    """Return the template of the web process's pods."""
    app = mapped.app
    collecting = [
        {"name": f"static-{n}", "mountPath": folder} for n, folder in enumerate(mapped.collected, 1)
    ]
    server = container(
        mapped,
        "web",
        ports=[{"name": "http", "containerPort": mapped.image_settings.port}],
        startupProbe=probe(mapped, START_PERIOD, -(-app.start_timeout // START_PERIOD)),
        readinessProbe=probe(mapped, PERIOD, 3),
        livenessProbe=probe(mapped, PERIOD, MOST_FAILURES),
        lifecycle={"preStop": {"exec": {"command": ["python", "-c", WAIT, str(DRAIN)]}}},
    )
    first = []
    if collecting:
        assert app.django is not None
        command = ["python", app.django.manage, "collectstatic", "--noinput"]
        first.append(container(mapped, "collectstatic", command))
        for each in (server, *first):
            each["volumeMounts"] = [*each["volumeMounts"], *collecting]
    if app.django and app.django.migrate:
        # fails, and is tried again, until the Job of the release has migrated
        first.append(container(mapped, "migrated", ["python", app.django.manage, "migrate", "--check"]))
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(mapped, "web")},
    }
    found = pod(
        mapped,
        "web",
        [server],
        initContainers=first,
        terminationGracePeriodSeconds=DRAIN + app.timeout + 10,
        topologySpreadConstraints=[spread],
    )
    found["spec"]["volumes"] += [{"name": each["name"], "emptyDir": {}} for each in collecting]
    return found


def probe(mapped: MappedApp, period: int, failures: int) -> Object:
    """Return a probe of the health path, as the front would ask for it."""
    app = mapped.app
    headers = [{"name": "Host", "value": server_name(app)}]
    if app.tls != "none":
        headers.append({"name": "X-Forwarded-Proto", "value": "https"})
    path = encoded(app.path.rstrip("/") + app.health)
    return {
        "httpGet": {"path": path, "port": "http", "httpHeaders": headers},
        "periodSeconds": period,
        "timeoutSeconds": PROBE_TIMEOUT,
        "failureThreshold": failures,
    }


def process_pod(mapped: MappedApp, name: str) -> Object:
    """Return the template of a process's pods."""
    process = mapped.app.processes[name]
    found = container(mapped, name, process.command)
    limit = memory_of(process.memory_max or "")
    if limit:
        asked = {key: value for key, value in found["resources"]["requests"].items() if key != "memory"}
        limits = {**found["resources"]["limits"], "memory": limit}
        found["resources"] = {"requests": {**asked, "memory": limit}, "limits": limits}
    component = f"process-{name}"
    return pod(mapped, component, [found], terminationGracePeriodSeconds=process.stop_timeout)


def job_pod(mapped: MappedApp, name: str) -> Object:
    """Return the template of a job's pods."""
    run = container(mapped, name, mapped.app.jobs[name].command)
    return pod(mapped, f"job-{name}", [run], restartPolicy="Never")


def release_pod(mapped: MappedApp) -> Object | None:
    """Return the template of the pod that does a release's commands in order; None if it has none."""
    app = mapped.app
    commands = [chore.command for chore in app.chores]
    if app.django and app.django.migrate:
        commands.insert(0, ("python", app.django.manage, "migrate", "--noinput"))
    if not commands:
        return None
    runs = [container(mapped, f"command-{n}", command) for n, command in enumerate(commands, 1)]
    return pod(mapped, "release", runs[-1:], initContainers=runs[:-1], restartPolicy="Never")
