"""The elastic address of a host: allocated once, and kept while the instance stops and starts."""

from __future__ import annotations

from typing import Any

from provision.cloud import instance_tags
from provision.cloud.cloud_errors import CloudError
from provision.cloud.cloud_host import CloudHost
from provision.steps.base import Change, Diff


def find_addresses(host: CloudHost) -> list[dict[str, Any]]:
    """Return the elastic addresses that prov allocated for a host."""
    filters = instance_tags.filters(host.spec.project, host.name)
    found: list[dict[str, Any]] = host.aws.call("ec2:DescribeAddresses", Filters=filters)["Addresses"]
    return found


class ElasticAddress:
    """The host has an elastic address, and it leads to the instance."""

    name = "elastic address"

    def __init__(self, host: CloudHost) -> None:
        self._host = host

    def check(self) -> Diff:
        found = find_addresses(self._host)
        instance = self._host.instance
        if not found:
            return Diff([Change("elastic address", "", "a new one")])
        if instance is not None and found[0].get("InstanceId") == instance["InstanceId"]:
            return Diff([], f"is {found[0]['PublicIp']}")
        leads = instance["InstanceId"] if instance else "the new instance"
        return Diff([Change(f"elastic address {found[0]['PublicIp']}", "", f"leads to {leads}")])

    def apply(self) -> None:
        aws, found = self._host.aws, find_addresses(self._host)
        if not found:
            tags = instance_tags.specification("elastic-ip", self._host.tags)
            found = [aws.call("ec2:AllocateAddress", Domain="vpc", TagSpecifications=[tags])]
        instance = self._host.look_again()["InstanceId"]
        aws.call("ec2:AssociateAddress", AllocationId=found[0]["AllocationId"], InstanceId=instance)
        self._host.look_again()


class NoElasticAddress:
    """Addresses that prov allocated for the host are released."""

    name = "elastic address"

    def __init__(self, host: CloudHost) -> None:
        self._host = host

    def check(self) -> Diff:
        found = find_addresses(self._host)
        changes = [Change("elastic address", each["PublicIp"], "") for each in found]
        return Diff(changes, "" if found else "none was allocated")

    def apply(self) -> None:
        for each in find_addresses(self._host):
            try:
                if each.get("AssociationId"):
                    self._host.aws.call("ec2:DisassociateAddress", AssociationId=each["AssociationId"])
                self._host.aws.call("ec2:ReleaseAddress", AllocationId=each["AllocationId"])
            except CloudError as error:
                if error.code not in ("InvalidAllocationID.NotFound", "InvalidAssociationID.NotFound"):
                    raise
