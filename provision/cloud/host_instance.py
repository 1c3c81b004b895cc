"""The instance of a host: made, started, changed; ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from provision.cloud import instance_tags
from provision.cloud.cloud_errors import NO_CAPACITY, CloudError
from provision.cloud.cloud_host import CloudHost
from provision.cloud.ec2_instances import Instance, described, state_of, wait_for
from provision.cloud.host_key_pairs import HostKeyPair, new_host_key
from provision.cloud.instance_spec import Volume, plain
from provision.cloud.machine_images import MachineImage
from provision.cloud.own_security_group import find_group, group_name
from provision.cloud.pending_launch import PendingLaunch
from provision.cloud.user_data import packed, user_data
from provision.steps.base import Change, Diff


class HostInstance:
    """The instance exists, is as declared, and runs."""

    name = "instance"

    def __init__(self, host: CloudHost) -> None:
        self._host = host
        self._launch = PendingLaunch(host.cache.folder)

    def check(self) -> Diff:
        instance = self._host.instance
        if instance is None:
            self._check_before()
            return Diff(list(self._made()))
        changes = list(self._differences(instance))
        return Diff(changes, "" if changes else f"{instance['InstanceId']} runs")

    # -- a new one

    def _check_before(self) -> None:
        """Refuse what AWS would refuse only once other things have been made. Raises CloudError, ConfigError."""
        host, spec = self._host, self._host.spec
        _ = host.image, host.network
        handed = new_host_key() if spec.host_key == "handed" else None
        packed(user_data(handed, host.own_data), str(spec.user_data or ""))
        checks = (
            ("ec2:DescribeKeyPairs", "KeyNames", [spec.key] if spec.key else [], "InvalidKeyPair"),
            ("ec2:DescribeSecurityGroups", "GroupIds", list(spec.security_groups), "InvalidGroup"),
        )
        for action, argument, names, code in checks:
            try:
                if names:
                    host.aws.call(action, **{argument: names})
            except CloudError as error:
                if not error.code.startswith(code):
                    raise
                hint = "Import it:  aws ec2 import-key-pair --key-name NAME --public-key-material fileb://KEY.pub"
                raise CloudError(
                    f"{spec.region} lacks {', '.join(names)}: {error.message}",
                    hint=hint if "Key" in argument else "",
                ) from None

    def _made(self) -> Iterator[Change]:
        """Yield what a new instance will be, a line for each setting."""
        host, spec = self._host, self._host.spec
        groups = [*spec.security_groups, *([group_name(host)] if spec.rules else [])]
        yield Change("image", "", f"{host.image.id} ({host.image.name})")
        yield Change("type", "", plain(spec.types).replace(", ", ", or without capacity "))
        if spec.spot:
            yield Change("spot", "", "true")
        yield Change("subnet", "", plain(spec.subnet or "of the default VPC"))
        yield Change("security groups", "", ", ".join(groups))
        for volume in volumes_of(host):
            yield Change(
                f"volume {volume.device or host.image.root}", "", described_volume(volume, host.image)
            )
        yield Change("address", "", spec.address)
        yield Change("metadata", "", "IMDSv2 only")
        for what, value in (
            ("key", spec.key),
            ("iam_profile", spec.iam_profile),
            ("user_data", spec.user_data),
        ):
            if value:
                yield Change(what, "", str(value))
        for key, value in host.tags.items():
            yield Change(f"tag {key}", "", value)

    def _request(self, key: HostKeyPair, kind: str, subnet: str | None) -> dict[str, Any]:
        """Return the arguments of RunInstances. kind: of instance."""
        host, spec = self._host, self._host.spec
        own = find_group(host) if spec.rules else None
        handed = spec.host_key == "handed"
        data = packed(user_data(key if handed else None, host.own_data), str(spec.user_data or ""))
        tags = {**host.tags, instance_tags.FIRST_BOOT: instance_tags.PENDING}
        if handed:
            tags[instance_tags.HOST_KEY] = key.public
        interface: dict[str, Any] = {
            "DeviceIndex": 0,
            "Groups": [*spec.security_groups, *([own["GroupId"]] if own else [])],
            "AssociatePublicIpAddress": spec.address == "public",
            "DeleteOnTermination": True,
        }
        request: dict[str, Any] = {
            "ImageId": host.image.id,
            "InstanceType": kind,
            "MinCount": 1,
            "MaxCount": 1,
            "NetworkInterfaces": [interface | ({"SubnetId": subnet} if subnet else {})],
            "BlockDeviceMappings": [as_aws(volume, host.image) for volume in volumes_of(host)],
            "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
            "TagSpecifications": [
                instance_tags.specification("instance", tags),
                instance_tags.specification("volume", host.tags),
            ],
        }
        if data:
            request["UserData"] = data
        if spec.key:
            request["KeyName"] = spec.key
        if spec.iam_profile:
            request["IamInstanceProfile"] = {"Name": spec.iam_profile}
        if spec.spot:
            request["InstanceMarketOptions"] = {"MarketType": "spot"}
        return request

    def _launched(self) -> Instance:
        """Make the instance, of the first type and in the first subnet that have capacity. Raises CloudError."""
        host, spec = self._host, self._host.spec
        key, full = self._launch.begin(), []
        for kind in spec.types:
            for subnet in spec.subnets:
                request = self._request(key, kind, subnet)
                try:
                    answer = host.aws.call(
                        "ec2:RunInstances", ClientToken=self._launch.token(request), **request
                    )
                except CloudError as error:
                    if error.code not in NO_CAPACITY:
                        raise
                    where = f"{kind} in {subnet or spec.region}"
                    full.append(where)
                    host.note(f"no capacity for {where}: {error.message}")
                    continue
                instance: Instance = answer["Instances"][0]
                return instance
        raise CloudError(
            f"AWS has no capacity for {', '.join(full)}",
            hint="List more types (type: [t3.small, t3a.small]) or subnets of other zones, or try again later.",
        )

    # -- one that exists

    def _differences(self, instance: Instance) -> Iterator[Change]:
        """Yield what differs from the inventory and can be changed."""
        host, spec = self._host, self._host.spec
        state = state_of(instance)
        if state != "running":
            yield Change("state", state, "running")
        if instance["InstanceType"] not in spec.types:
            yield Change("type", instance["InstanceType"], f"{spec.types[0]}, stopped for it")
        groups = self._groups_wanted()
        if sorted(self._groups_now(instance)) != sorted(groups):
            own = {group["GroupId"]: group["GroupName"] for group in instance.get("SecurityGroups", ())}
            wanted = [own.get(group, group) for group in groups]
            yield Change("security groups", ", ".join(sorted(own.values())), ", ".join(sorted(wanted)))
        if instance.get("MetadataOptions", {}).get("HttpTokens") != "required":
            yield Change("metadata", "IMDSv1 and IMDSv2", "IMDSv2 only")
        new, gone = self._tags(instance)
        now = instance_tags.of(instance)
        for key, value in new.items():
            yield Change(f"tag {key}", now.get(key, ""), value)
        for key in gone:
            yield Change(f"tag {key}", now[key], "")
        for note in self._fixed(instance):
            host.note(note)

    def _fixed(self, instance: Instance) -> Iterator[str]:
        """Yield what differs and stays until the instance is made again."""
        spec = self._host.spec
        pairs = (
            ("key", instance.get("KeyName", ""), spec.key or ""),
            ("iam_profile", instance.get("IamInstanceProfile", {}).get("Arn", ""), spec.iam_profile or ""),
        )
        for what, now, wanted in pairs:
            if now.rpartition("/")[2] != wanted:
                yield f"{what} is {now or 'not set'} and stays so until the instance is made again"
        if spec.subnet is not None and instance.get("SubnetId") not in spec.subnets:
            yield f"subnet is {instance.get('SubnetId')} and stays so until the instance is made again"

    def _groups_now(self, instance: Instance) -> list[str]:
        return [group["GroupId"] for group in instance.get("SecurityGroups", ())]

    def _groups_wanted(self) -> list[str]:
        own = find_group(self._host) if self._host.spec.rules else None
        name = group_name(self._host)
        mine = [] if not self._host.spec.rules else [own["GroupId"] if own else name]
        return [*self._host.spec.security_groups, *mine]

    def _tags(self, instance: Instance) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return (tags to set, tags to remove); AWS's, and those that follow the instance's life, stay."""
        now, wanted = instance_tags.of(instance), self._host.tags
        new = {key: value for key, value in wanted.items() if now.get(key) != value}
        ours = {*wanted, *instance_tags.OWN}
        return new, tuple(key for key in now if key not in ours and not key.startswith("aws:"))

    def apply(self) -> None:
        host = self._host
        instance = host.instance
        if instance is None:
            instance = self._launched()
        elif instance["InstanceType"] not in host.spec.types:
            self._retype(instance)
        self._start(instance)
        self._settle()
        self._launch.end()

    def _start(self, instance: Instance) -> None:
        """Start the instance if it is stopped, and wait until it runs."""
        aws, host, name = self._host.aws, self._host, instance["InstanceId"]
        state = state_of(instance)
        if state == "stopping":
            state = state_of(wait_for(aws, name, "stopped", host.note))
        if state == "stopped":
            aws.call("ec2:StartInstances", InstanceIds=[name])
        try:
            host.seen(wait_for(aws, name, "running", host.note))
        except CloudError:
            # the same request would get the same instance again, although it has ended
            self._launch.end()
            raise

    def _retype(self, instance: Instance) -> None:
        """Change the type, which EC2 does for stopped instances only. Raises CloudError unless it may be stopped."""
        host, name = self._host, instance["InstanceId"]
        if not host.may_stop and state_of(instance) not in ("stopped", "stopping"):
            raise CloudError(
                f"the type of {name} is {instance['InstanceType']}; changing it stops the instance",
                hint=f"If that is meant:  prov ec2 up {host.name} --stop",
            )
        if state_of(instance) not in ("stopped", "stopping"):
            host.aws.call("ec2:StopInstances", InstanceIds=[name])
        wait_for(host.aws, name, "stopped", host.note)
        kind = {"Value": host.spec.types[0]}
        host.aws.call("ec2:ModifyInstanceAttribute", InstanceId=name, InstanceType=kind)
        instance["State"] = {"Name": "stopped"}

    def _settle(self) -> None:
        """Change what can be changed while the instance runs."""
        host, instance = self._host, self._host.look_again()
        name = instance["InstanceId"]
        groups = self._groups_wanted()
        if sorted(self._groups_now(instance)) != sorted(groups):
            host.aws.call("ec2:ModifyInstanceAttribute", InstanceId=name, Groups=groups)
        if instance.get("MetadataOptions", {}).get("HttpTokens") != "required":
            host.aws.call("ec2:ModifyInstanceMetadataOptions", InstanceId=name, HttpTokens="required")
        new, gone = self._tags(instance)
        if new or gone:
            host.set_tags(new, gone)


class NoInstanceLeft:
    """Every instance of the host has ended."""

    name = "instance"

    def __init__(self, host: CloudHost) -> None:
        self._host = host

    def check(self) -> Diff:
        running = self._left()
        changes = [Change("instance", f"{each['InstanceId']} ({state_of(each)})", "") for each in running]
        for disk in (disk for each in running for disk in each.get("BlockDeviceMappings", ())):
            if not disk.get("Ebs", {}).get("DeleteOnTermination", True):
                volume = disk["Ebs"]["VolumeId"]
                self._host.note(
                    f"{disk['DeviceName']} stays, and costs money: aws ec2 delete-volume"
                    f" --region {self._host.spec.region} --volume-id {volume}"
                )
        return Diff(changes, "" if changes else "does not exist")

    def _left(self) -> list[Instance]:
        found = described(self._host.aws, self._host.spec.project, self._host.name)
        return [each for each in found if state_of(each) != "terminated"]

    def apply(self) -> None:
        left = [each["InstanceId"] for each in self._left()]
        self._host.cache.forget()
        PendingLaunch(self._host.cache.folder).end()
        if left:
            self._host.aws.call("ec2:TerminateInstances", InstanceIds=left)
        for each in left:
            wait_for(self._host.aws, each, "terminated", self._host.note)


def volumes_of(host: CloudHost) -> list[Volume]:
    """Return the volumes of a new instance; the image's own is always one, and encrypted unless refused."""
    given = list(host.spec.volumes)
    if any(volume.device in (None, host.image.root) for volume in given):
        return given
    return [Volume.model_validate({}), *given]


def size_of(volume: Volume, image: MachineImage) -> int:
    """Return the GiB of a volume: what the block says, or what the image has; 0 if unknown."""
    return volume.size or (image.size if volume.device in (None, image.root) else 0)


def described_volume(volume: Volume, image: MachineImage) -> str:
    """Return a volume as a plan shows it."""
    size = f"{size_of(volume, image)} GiB, " if size_of(volume, image) else ""
    stays = ", kept by down" if volume.keep else ""
    return f"{size}{volume.type}, {'encrypted' if volume.encrypted else 'NOT encrypted'}{stays}"


def as_aws(volume: Volume, image: MachineImage) -> dict[str, Any]:
    """Return a volume as RunInstances takes it."""
    disk: dict[str, Any] = {
        "Encrypted": volume.encrypted,
        "VolumeType": volume.type,
        "DeleteOnTermination": not volume.keep,
    }
    for key, value in (
        ("VolumeSize", size_of(volume, image) or None),
        ("KmsKeyId", volume.kms_key),
        ("Iops", volume.iops),
        ("Throughput", volume.throughput),
    ):
        if value is not None:
            disk[key] = value
    return {"DeviceName": volume.device or image.root, "Ebs": disk}
