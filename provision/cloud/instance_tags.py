"""The tags by which prov knows what it made. They are all the state that prov keeps of instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

PROJECT = "prov:project"
HOST = "prov:host"
#: the public host key by which the instance is known, and the one that is to replace it
HOST_KEY = "prov:host-key"
NEXT_HOST_KEY = "prov:host-key-next"
#: "pending" until the first boot has been seen through, then "done"
FIRST_BOOT = "prov:first-boot"
PENDING, DONE = "pending", "done"
#: tags that follow the instance's own life, and not the inventory
OWN = (HOST_KEY, NEXT_HOST_KEY, FIRST_BOOT)

AwsTags = list[dict[str, str]]


def identity(project: str, host: str) -> dict[str, str]:
    """Return the tags of everything that belongs to a host."""
    return {"Name": host, PROJECT: project, HOST: host}


def filters(project: str, host: str) -> list[dict[str, Any]]:
    """Return the filters that find what belongs to a host."""
    return [
        {"Name": f"tag:{PROJECT}", "Values": [project]},
        {"Name": f"tag:{HOST}", "Values": [host]},
    ]


def as_aws(tags: Mapping[str, str]) -> AwsTags:
    """Return tags as the API takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def specification(kind: str, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return tags for a resource that is made with them: it never exists without. kind: "instance", ..."""
    return {"ResourceType": kind, "Tags": as_aws(tags)}


def of(resource: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a resource as the API describes it."""
    found: Iterable[Mapping[str, str]] = resource.get("Tags", ())
    return {tag["Key"]: tag["Value"] for tag in found}
