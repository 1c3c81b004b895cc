"""Reads a docker-compose.yml for an application: its processes, and what it uses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from provision.apps.project_files import ProjectFiles

NAMES = (
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
    "docker/docker-compose.yml",
)
#: programs of queues: services that run them are processes
QUEUES = re.compile(
    r"(^|[\s/])(celery|rq|rqworker|run_huey|huey_consumer(\.py)?|dramatiq|arq|db_worker|qcluster)(\s|$)"
)
#: images, and the entry in `uses` for each
USED = {
    "postgres": ("database", "postgres"),
    "postgis/postgis": ("database", "postgres"),
    "redis": ("cache", "redis"),
    "valkey": ("cache", "redis"),
    "valkey/valkey": ("cache", "redis"),
}


def compose_services(files: ProjectFiles) -> tuple[str, Mapping[str, Any]]:
    """Return the file's path and its services; both empty if there is no readable file."""
    for name in NAMES:
        try:
            found = yaml.safe_load(files.text(name)) if name in files.paths else None
        except yaml.YAMLError:
            continue
        services = found.get("services") if isinstance(found, Mapping) else None
        if isinstance(services, Mapping):
            return name, {str(key): each for key, each in services.items() if isinstance(each, Mapping)}
    return "", {}


def processes_in(services: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return commands of services that are workers of a queue, by name."""
    found: dict[str, list[str]] = {}
    for name, service in services.items():
        command = service.get("command")
        text = shlex.join(map(str, command)) if isinstance(command, list) else str(command or "")
        plain = re.fullmatch(r"[^$`|<>;&]*", text)
        part = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        if QUEUES.search(text) and plain and part:
            found[part] = shlex.split(text)
    return found


def used_in(services: Mapping[str, Any]) -> dict[str, str]:
    """Return what the application uses: {"database": "postgres"}."""
    images = [
        str(service.get("image", "")).partition("@")[0].partition(":")[0] for service in services.values()
    ]
    known = [
        USED[image.removeprefix("docker.io/")] for image in images if image.removeprefix("docker.io/") in USED
    ]
    return dict(known)
