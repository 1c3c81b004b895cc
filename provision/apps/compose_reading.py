"""What a docker-compose.yml says of an application: its processes, and what it uses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from provision.apps.project_reading import ProjectFiles

NAMES = (
    "docker-compose.yml",
    "docker-compose.yaml",
    "compose.yml",
    "compose.yaml",
    "docker/docker-compose.yml",
)
#: programs of queues, whose services are processes
QUEUES = re.compile(
    r"(^|[\s/])(celery|rq|rqworker|run_huey|huey_consumer(\.py)?|dramatiq|arq|db_worker|qcluster)(\s|$)"
)
#: images, and what applications use them as: `uses` of an application
USED = {
    "postgres": ("database", "postgres"),
    "postgis/postgis": ("database", "postgres"),
    "redis": ("cache", "redis"),
    "valkey": ("cache", "redis"),
    "valkey/valkey": ("cache", "redis"),
}


def compose_services(files: ProjectFiles) -> tuple[str, Mapping[str, Any]]:
    """The file's path and its services; both empty without one that can be read."""
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
    """Commands of services that are workers of a queue, by their names."""
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
    """What the application uses: {"database": "postgres"}."""
    images = [
        str(service.get("image", "")).partition("@")[0].partition(":")[0] for service in services.values()
    ]
    known = [
        USED[image.removeprefix("docker.io/")] for image in images if image.removeprefix("docker.io/") in USED
    ]
    return dict(known)
