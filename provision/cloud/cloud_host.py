"""A host and its instance, as the steps that make, change and remove it share them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from provision.cloud import instance_tags
from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError
from provision.cloud.ec2_instances import Instance, find_instance
from provision.cloud.instance_addresses import AddressCache, address_of_instance
from provision.cloud.instance_spec import InstanceSpec
from provision.cloud.machine_images import MachineImage, check_fits, find_image
from provision.controller.transport import Target
from provision.steps.base import Diff
from provision.values import dataclass


class CloudStep(Protocol):
    """One piece of wanted state in AWS, like a step on a host. name: as plans show it."""

    name: str

    def check(self) -> Diff:
        """Return what differs from what is wanted. Changes nothing. Raises CloudError."""

    def apply(self) -> None:
        """Make it so, after `check` found a difference. Raises CloudError."""


@dataclass
class CloudHost:
    """A host of the inventory in AWS.

    name: in the inventory.  spec: its block `ec2:`.  own_data: the file of user data, if any.
    target: how to log in, but for the address.  note: called with progress.  may_stop: whether a change may stop it.
    """

    name: str
    spec: InstanceSpec
    aws: AwsCalls
    target: Target
    note: Callable[[str], None]
    own_data: Path | None = None
    may_stop: bool = False
    cache: AddressCache = field(init=False)

    def __post_init__(self) -> None:
        self.cache = AddressCache(self.spec, self.name)
        self._instance: Instance | None = None
        self._looked = False

    @property
    def instance(self) -> Instance | None:
        """The instance, as last seen. Raises CloudError if there are two."""
        if not self._looked:
            self.seen(find_instance(self.aws, self.spec.project, self.name))
        return self._instance

    def seen(self, instance: Instance | None) -> None:
        """Set what is known of the instance."""
        self._instance, self._looked = instance, True

    def look_again(self) -> Instance:
        """Return the instance as it is now. Raises CloudError if it has gone."""
        self._looked = False
        if self.instance is None:
            raise CloudError(f"the instance of {self.name} has gone", hint="Run the same command again.")
        return self.instance

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything that is made for the host."""
        return {**self.spec.tags, **instance_tags.identity(self.spec.project, self.name)}

    def set_tags(self, tags: dict[str, str], gone: tuple[str, ...] = ()) -> None:
        """Set tags of the instance, and remove others."""
        resource = [self.look_again()["InstanceId"]]
        if tags:
            self.aws.call("ec2:CreateTags", Resources=resource, Tags=instance_tags.as_aws(tags))
        if gone:
            self.aws.call("ec2:DeleteTags", Resources=resource, Tags=[{"Key": key} for key in gone])

    @cached_property
    def image(self) -> MachineImage:
        """The image of a new instance, which the types of instance can run. Raises CloudError."""
        found = find_image(self.aws, self.spec)
        check_fits(self.aws, found, self.spec.types)
        return found

    @cached_property
    def network(self) -> str:
        """The VPC of the subnets, or the default one. Raises CloudError."""
        wanted = [subnet for subnet in self.spec.subnets if subnet]
        if not wanted:
            filters = [{"Name": "is-default", "Values": ["true"]}]
            networks = list(self.aws.every("ec2:DescribeVpcs", "Vpcs", Filters=filters))
            if not networks:
                raise CloudError(
                    f"the account has no default VPC in {self.spec.region}",
                    hint="Name a subnet: subnet: subnet-...",
                )
            return str(networks[0]["VpcId"])
        found = list(self.aws.every("ec2:DescribeSubnets", "Subnets", SubnetIds=wanted))
        networks_of = {each["VpcId"] for each in found}
        if len(networks_of) != 1:
            raise CloudError(f"the subnets {', '.join(wanted)} are in {len(networks_of)} VPCs, expected one")
        return str(networks_of.pop())

    def remember_address(self) -> None:
        """Look where the instance is, and cache it."""
        found = address_of_instance(self.look_again(), self.spec)
        if not found.address:
            raise CloudError(
                f"{found.id} has no {self.spec.address} address",
                hint="The subnet may assign none: take address: elastic or private, or another subnet.",
            )
        self.cache.write(found)
