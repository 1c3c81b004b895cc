"""The block `ec2:` of a host or group: the instance that the host is to be.

Source: Amazon EC2 API Reference, RunInstances, for what each value may be.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

#: characters that a tag's value may have (EC2 User Guide, "Tag restrictions")
MOST_TAG_KEY, MOST_TAG_VALUE, MOST_TAGS = 128, 256, 40
#: prov's own tags, and AWS's, begin with these
RESERVED_TAGS = ("aws:", "prov:")
SSH_PORT = 22


def like(pattern: str, what: str) -> AfterValidator:
    """Return a validator for text of a certain form; the error reads "'x y' is not <what>"."""

    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {what}")
        return text

    return AfterValidator(checked)


def network_of(text: str) -> str:
    """Return an address or a network as EC2 has it: 192.0.2.1/32. Raises ValueError."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a network like 192.0.2.0/24") from None


Project = Annotated[
    str, like(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "a name of letters, digits, '.', '-' and '_'")
]
Region = Annotated[str, like(r"[a-z]{2,}(-[a-z]+)+-\d+", "a region like eu-central-1")]
ImageId = Annotated[str, like(r"ami-[0-9a-f]{8,17}", "the id of an image, like ami-0123456789abcdef0")]
InstanceType = Annotated[str, like(r"[a-z0-9-]+\.[a-z0-9-]+", "a type of instance like t3.small")]
SubnetId = Annotated[str, like(r"subnet-[0-9a-f]{8,17}", "the id of a subnet, like subnet-0123456789abcdef0")]
GroupId = Annotated[str, like(r"sg-[0-9a-f]{8,17}", "the id of a security group, like sg-0123456789abcdef0")]
Source = Annotated[str, AfterValidator(network_of)]
Ports = Annotated[str, like(r"\d{1,5}(-\d{1,5})?", "a port or a range like 8000-8100")]
Device = Annotated[str, like(r"/dev/[a-z0-9]+|xvd[a-z]+", "the name of a device like /dev/sdf")]
Word = Annotated[str, like(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", "one line of text")]


class Ec2Part(BaseModel):
    """Base of all parts of the block: unknown names are refused, values are not changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class ImageByName(Ec2Part):
    """The newest image whose name matches a pattern."""

    name: Word
    owner: Word


class ImageByParameter(Ec2Part):
    """The image whose id a parameter of Systems Manager has."""

    ssm: Annotated[str, like(r"/[A-Za-z0-9_./-]+", "the path of a parameter, like /aws/service/...")]


class IngressRule(Ec2Part):
    """Traffic that the instance's own security group lets in."""

    port: int | Ports
    protocol: Literal["tcp", "udp"] = "tcp"
    sources: tuple[Source, ...] = Field(alias="from", min_length=1)

    @property
    def ports(self) -> tuple[int, int]:
        """The first and the last port."""
        first, _, last = str(self.port).partition("-")
        return int(first), int(last or first)

    @model_validator(mode="after")
    def in_range(self) -> IngressRule:
        """Refuse ports that no packet can have."""
        first, last = self.ports
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"{self.port!r} is not a port, or a range of ports, from 1 to 65535")
        return self


class Volume(Ec2Part):
    """A disk. device: None is the one that the image starts from.  size: GiB."""

    device: Device | None = None
    size: int | None = Field(None, ge=1, le=65536)
    type: Literal["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"] = "gp3"
    encrypted: bool = True
    kms_key: Word | None = None
    iops: int | None = Field(None, ge=100, le=256000)
    throughput: int | None = Field(None, ge=125, le=2000)
    keep: bool = False

    @model_validator(mode="after")
    def fits(self) -> Volume:
        """Refuse what EC2 refuses only after the request."""
        if self.device is not None and self.size is None:
            raise ValueError("a volume besides the image's own needs a size in GiB")
        if self.kms_key and not self.encrypted:
            raise ValueError("kms_key encrypts, and encrypted is false")
        return self


class InstanceSpec(Ec2Part):
    """The instance that a host is to be. One is found again by the tags prov:project and prov:host."""

    project: Project
    region: Region
    profile: Word | None = None
    image: ImageId | ImageByName | ImageByParameter
    type: InstanceType | tuple[InstanceType, ...]
    key: Word | None = None
    subnet: SubnetId | tuple[SubnetId, ...] | None = None
    security_groups: tuple[GroupId, ...] = Field((), max_length=5)
    rules: tuple[IngressRule, ...] = Field((), max_length=60)
    volumes: tuple[Volume, ...] = ()
    address: Literal["public", "elastic", "private", "ssm"] = "public"
    iam_profile: Annotated[str, like(r"[\w+=,.@-]{1,128}", "the name of an instance profile")] | None = None
    tags: dict[str, str] = {}
    user_data: Path | None = None
    host_key: Literal["handed", "console"] = "handed"
    spot: bool = False
    count: int | None = Field(None, ge=1, le=100)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of instance to try, in order."""
        return (self.type,) if isinstance(self.type, str) else self.type

    @property
    def subnets(self) -> tuple[str | None, ...]:
        """The subnets to try, in order; None is the region's default."""
        return (self.subnet,) if self.subnet is None or isinstance(self.subnet, str) else self.subnet

    @model_validator(mode="after")
    def whole(self) -> InstanceSpec:
        """Refuse what can't work together."""
        if not self.types or not self.subnets:
            raise ValueError("a list of types or subnets needs at least one")
        devices = [volume.device for volume in self.volumes]
        twice = next((device for device in devices if devices.count(device) > 1), "")
        if twice != "":
            raise ValueError(f"two volumes are {twice or 'the one of the image: give others a device'}")
        if not self.rules and not self.security_groups:
            raise ValueError("give rules, or the security_groups that let prov in")
        check_tags(self.tags)
        return self


def check_tags(tags: dict[str, str]) -> None:
    """Raise ValueError for tags that EC2, or prov, does not take."""
    if len(tags) > MOST_TAGS:
        raise ValueError(f"{len(tags)} tags; EC2 takes 50, and prov has some of its own: at most {MOST_TAGS}")
    for key, value in tags.items():
        if key.lower().startswith(RESERVED_TAGS) or key == "Name":
            raise ValueError(f"the tag {key!r} is set by prov or AWS")
        if not 1 <= len(key) <= MOST_TAG_KEY or len(value) > MOST_TAG_VALUE:
            raise ValueError(
                f"the tag {key!r} is longer than {MOST_TAG_KEY} characters, or its value than 256"
            )


def lets_in(rules: tuple[IngressRule, ...], port: int) -> bool:
    """Return whether a rule opens a TCP port."""
    return any(r.protocol == "tcp" and r.ports[0] <= port <= r.ports[1] for r in rules)


def plain(value: Any) -> str:
    """Return a value of the block as a plan shows it."""
    return ", ".join(value) if isinstance(value, tuple) else str(value)
