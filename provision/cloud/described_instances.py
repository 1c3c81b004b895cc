"""The instances of regions as Ansible's inventory plugin shows them: names and variables.

Source: Ansible, amazon.aws.aws_ec2 (inventory): its documentation of `hostnames`, `filters` and the variables of hosts.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from provision.cloud import instance_tags
from provision.cloud.aws_calls import AwsCalls

Filters = Mapping[str, Any]
#: without a filter for the state, what has ended is left out
STATES = ("running", "pending", "stopping", "stopped")
#: names that a host may have -> where the description has them
NAMES = {
    "dns-name": "PublicDnsName",
    "private-dns-name": "PrivateDnsName",
    "ip-address": "PublicIpAddress",
    "private-ip-address": "PrivateIpAddress",
    "instance-id": "InstanceId",
    "instance-type": "InstanceType",
    "image-id": "ImageId",
    "key-name": "KeyName",
    "vpc-id": "VpcId",
    "subnet-id": "SubnetId",
    "architecture": "Architecture",
    "availability-zone": "Placement.AvailabilityZone",
    "network-interface.addresses.private-ip-address": "NetworkInterfaces.0.PrivateIpAddress",
    "network-interface.addresses.association.public-ip": "NetworkInterfaces.0.Association.PublicIp",
}
#: names of hosts that are tried if the file says nothing
DEFAULT_NAMES = ("dns-name", "private-dns-name")


def as_aws(filters: Filters) -> list[dict[str, Any]]:
    """Return filters as the API takes them; a single value is a list of one."""
    found = [
        {"Name": name, "Values": [str(v) for v in (value if isinstance(value, list) else [value])]}
        for name, value in filters.items()
    ]
    if "instance-state-name" not in filters:
        found.append({"Name": "instance-state-name", "Values": list(STATES)})
    return found


def instances_in(
    regions: Sequence[str], profile: str | None, include: Sequence[Filters], exclude: Sequence[Filters]
) -> list[dict[str, Any]]:
    """Return the instances that one of the filters matches, and none of the excluding ones, by their ids.

    regions: none means those that the account has enabled. Raises CloudError.
    """
    found: dict[str, dict[str, Any]] = {}
    for region in regions or enabled_regions(profile):
        aws = AwsCalls(region, profile)
        for filters in include:
            found.update({each["InstanceId"]: each for each in matching(aws, filters)})
        for filters in exclude:
            for each in matching(aws, filters):
                found.pop(each["InstanceId"], None)
    return [found[name] for name in sorted(found)]


def enabled_regions(profile: str | None) -> list[str]:
    """Return the regions that the account has enabled."""
    answer = AwsCalls("us-east-1", profile).call("ec2:DescribeRegions")
    return [each["RegionName"] for each in answer["Regions"]]


def matching(aws: AwsCalls, filters: Filters) -> Iterator[dict[str, Any]]:
    """Yield the instances of one region that match, with the id of their owner."""
    for each in aws.every("ec2:DescribeInstances", "Reservations", Filters=as_aws(filters)):
        for instance in each["Instances"]:
            yield {
                **instance,
                "OwnerId": each.get("OwnerId", ""),
                "RequesterId": each.get("RequesterId", ""),
                "ReservationId": each.get("ReservationId", ""),
            }


def host_names(instance: Mapping[str, Any], wanted: Sequence[Any], *, every: bool) -> list[str]:
    """Return the names of an instance: the first that it has, or every one. wanted: entries of `hostnames`."""
    found: list[str] = []
    for entry in wanted or DEFAULT_NAMES:
        names = names_of(instance, entry)
        found += names if every else names[:1]
        if found and not every:
            break
    return [safe_name(name) if ":" in name else name for name in dict.fromkeys(found)]


def names_of(instance: Mapping[str, Any], entry: Any) -> list[str]:
    """Return the names that one entry of `hostnames` gives: a filter, `tag:Name`, or a mapping with a prefix."""
    if isinstance(entry, Mapping):
        found = names_of(instance, str(entry["name"]))
        before = names_of(instance, str(entry["prefix"])) if "prefix" in entry else []
        separator = str(entry.get("separator", "_"))
        return [f"{before[0]}{separator}{name}" for name in found] if before else found
    if entry.startswith("tag:"):
        return tag_names(instance_tags.of(instance), entry.removeprefix("tag:"))
    value = at(instance, NAMES.get(entry, entry))
    return [str(value)] if value else []


def tag_names(tags: Mapping[str, str], words: str) -> list[str]:
    """Return the values of tags: "Name", or "Role=web" for those that have that value."""
    found = []
    for word in words.split(","):
        name, equals, value = word.partition("=")
        if equals and tags.get(name) == value:
            found.append(f"{name}_{value}")
        elif not equals and tags.get(name):
            found.append(tags[name])
    return found


def at(value: Any, path: str) -> Any:
    """Return the part of a description at a path like Placement.AvailabilityZone; None if there is none."""
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if step.isdecimal() and int(step) < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def host_variables(instance: Mapping[str, Any], prefix: str = "", suffix: str = "") -> dict[str, Any]:
    """Return the variables of an instance's host: its description in snake_case, its tags as a mapping."""
    found: dict[str, Any] = snake_case({key: value for key, value in instance.items() if key != "Tags"})
    found["tags"] = instance_tags.of(instance)
    zone = found.get("placement", {}).get("availability_zone", "")
    found.setdefault("placement", {})["region"] = zone[:-1]
    return {f"{prefix}{key}{suffix}": value for key, value in found.items()}


def snake_case(value: Any) -> Any:
    """Return a value with all keys in snake_case; times are text."""
    if isinstance(value, Mapping):
        return {snake_key(key): snake_case(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [snake_case(part) for part in value]
    return value.isoformat() if isinstance(value, datetime.datetime) else value


def snake_key(name: str) -> str:
    """Return PublicIpAddress as public_ip_address."""
    plural = re.sub(r"[A-Z]{3,}s$", lambda m: "_" + m[0].lower(), name)
    name = plural.lstrip("_") if not name.startswith("_") else plural
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def safe_name(name: str) -> str:
    """Return the name of a group as Ansible makes it: of letters, digits and underscores."""
    return re.sub(r"^[\d\W]|[^\w]", "_", name)
