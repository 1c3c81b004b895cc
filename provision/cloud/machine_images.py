"""The image of a new instance: by its id, the newest of a name, or what a parameter of Systems Manager says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError
from provision.cloud.instance_spec import ImageByName, ImageByParameter, InstanceSpec
from provision.values import dataclass


@dataclass(frozen=True)
class MachineImage:
    """An image. root: the device that it starts from.  size: GiB of its disk, 0 if unknown.

    architecture: "x86_64", "arm64", ...
    """

    id: str
    name: str
    architecture: str
    root: str
    size: int = 0


def find_image(aws: AwsCalls, spec: InstanceSpec) -> MachineImage:
    """Return the image that a new instance gets. Raises CloudError if there is none."""
    wanted = spec.image
    if isinstance(wanted, ImageByName):
        names = [{"Name": "name", "Values": [wanted.name]}, {"Name": "state", "Values": ["available"]}]
        found = list(aws.every("ec2:DescribeImages", "Images", Owners=[wanted.owner], Filters=names))
        if not found:
            raise CloudError(
                f"{wanted.owner} has no image named {wanted.name!r} in {spec.region}",
                hint="Compare:  aws ec2 describe-images --owners OWNER --filters 'Name=name,Values=PATTERN'",
            )
        return described(max(found, key=lambda image: (image.get("CreationDate", ""), image["ImageId"])))
    name = by_parameter(aws, wanted) if isinstance(wanted, ImageByParameter) else wanted
    found = []
    try:
        found = list(aws.every("ec2:DescribeImages", "Images", ImageIds=[name]))
    except CloudError as error:
        if not error.code.startswith("InvalidAMIID"):
            raise
    if not found:
        raise CloudError(
            f"the image {name} does not exist in {spec.region}, or is not shared with this account",
            hint="Images belong to one region. A name and an owner find it in each: {name: ..., owner: ...}",
        )
    return described(found[0])


def by_parameter(aws: AwsCalls, wanted: ImageByParameter) -> str:
    """Return the id of the image that a parameter names."""
    try:
        answer = aws.call("ssm:GetParameter", Name=wanted.ssm)
    except CloudError as error:
        if error.code != "ParameterNotFound":
            raise
        raise CloudError(f"Systems Manager has no parameter {wanted.ssm} in {aws.region}") from None
    value: str = answer["Parameter"]["Value"]
    if not value.startswith("ami-"):
        raise CloudError(f"the parameter {wanted.ssm} is {value[:60]!r}, expected the id of an image")
    return value


def described(image: dict[str, Any]) -> MachineImage:
    """Return an image from AWS's description."""
    root = image.get("RootDeviceName", "/dev/xvda")
    disks = {each.get("DeviceName"): each.get("Ebs", {}) for each in image.get("BlockDeviceMappings", ())}
    return MachineImage(
        image["ImageId"],
        image.get("Name", ""),
        image.get("Architecture", ""),
        root,
        int(disks.get(root, {}).get("VolumeSize", 0)),
    )


def check_fits(aws: AwsCalls, image: MachineImage, types: Sequence[str]) -> None:
    """Raise CloudError for a type of instance that does not exist, or can't run the image."""
    try:
        found = list(aws.every("ec2:DescribeInstanceTypes", "InstanceTypes", InstanceTypes=list(types)))
    except CloudError as error:
        if error.code != "InvalidInstanceType":
            raise
        raise CloudError(f"{aws.region} lacks a type of instance: {error.message}") from None
    for each in found:
        architectures = each.get("ProcessorInfo", {}).get("SupportedArchitectures", [])
        if architectures and image.architecture and image.architecture not in architectures:
            raise CloudError(
                f"{each['InstanceType']} runs {', '.join(architectures)}, and the image {image.id} is for"
                f" {image.architecture}",
                hint="Take an image of that architecture, or another type.",
            )
