"""The block `elastic_beanstalk:` of a target. Source: Elastic Beanstalk developer guide, "General options for all
environments"; API reference, CreateEnvironment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from provision.apps.settings import Settings
from provision.inventory import InventoryHost
from provision.inventory.fields import OneLine, matching
from provision.inventory.validation import validate
from provision.platforms.block_fields import Bucket, LogDays, Region, RoleArn, Subnet

BLOCK = "elastic_beanstalk"

EnvironmentName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9](-?[A-Za-z0-9]){3,39}",
        "4 to 40 letters, digits and single '-', not at the beginning or end",
    ),
]
CnamePrefix = Annotated[
    str, matching(r"[a-z0-9](-?[a-z0-9]){3,62}", "4 to 63 characters of a-z, 0-9 and single '-'")
]
InstanceProfile = Annotated[str, matching(r"[\w+=,.@-]{1,128}", "the name of an instance profile")]
InstanceType = Annotated[str, matching(r"[a-z0-9-]+\.[a-z0-9-]+", "a type of instances like t3.small")]
CertificateArn = Annotated[
    str,
    matching(r"arn:aws[\w-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+", "the ARN of a certificate of ACM"),
]
Vpc = Annotated[str, matching(r"vpc-[0-9a-f]+", "the ID of a VPC")]
Policy = Literal["all_at_once", "rolling", "rolling_with_additional_batch", "immutable"]


class EnvironmentBlock(Settings):
    """A place in AWS for the environments of a target."""

    region: Region = Field(description="The region.")
    profile: OneLine | None = Field(
        default=None,
        description="The profile of ~/.aws/config. Default: AWS_PROFILE, or the usual credentials.",
    )
    bucket: Bucket = Field(description="The S3 bucket for bundles, in the same region.")
    service_role: RoleArn = Field(description="The role by which Elastic Beanstalk manages the environment.")
    instance_profile: InstanceProfile = Field(
        description="The instance profile: what instances and the application may do in AWS."
    )
    application: OneLine | None = Field(
        default=None, description="The name of the application there. Default: TARGET-APP."
    )
    environment: EnvironmentName | None = Field(
        default=None, description="The name of the environment. Default: TARGET-APP."
    )
    cname: CnamePrefix | None = Field(
        default=None,
        description="The prefix of its address, CNAME.REGION.elasticbeanstalk.com. Default: the environment's name.",
    )
    stack: OneLine | None = Field(
        default=None,
        description="The solution stack, `*` stands for any text; the newest one that fits is taken for a new"
        " environment. Default: `64bit Amazon Linux 2023 * running Python 3.13`, with the `python` of the application.",
    )
    type: Literal["balanced", "single"] = Field(
        default="balanced",
        description="`balanced`: behind an application load balancer. `single`: one instance.",
    )
    swap: bool = Field(
        default=False,
        description="Keep two environments, and exchange their addresses for another release, once it answers.",
    )
    min: int = Field(default=2, ge=1, le=1000, description="Fewest instances of a balanced environment.")
    max: int = Field(default=4, ge=1, le=1000, description="Most instances of a balanced environment.")
    instance_type: InstanceType = Field(default="t3.small", description="The type of instances.")
    policy: Policy | None = Field(
        default=None,
        description="How instances get another version. Default: `rolling_with_additional_batch`; for a single one"
        " `all_at_once`.",
    )
    batch: int = Field(
        default=50,
        ge=1,
        le=100,
        description="How many of a hundred instances a batch has, for `rolling` ones.",
    )
    certificate: CertificateArn | None = Field(
        default=None, description="The certificate of ACM for a listener of the load balancer on port 443."
    )
    vpc: Vpc | None = Field(default=None, description="The VPC. Default: the default one.")
    subnets: tuple[Subnet, ...] = Field(default=(), description="Subnets of the instances, in that VPC.")
    balancer_subnets: tuple[Subnet, ...] = Field(
        default=(), description="Subnets of the load balancer, in that VPC."
    )
    log_days: LogDays = Field(default=30, description="Days for which logs are kept.")

    @model_validator(mode="after")
    def _agrees(self) -> EnvironmentBlock:
        if self.max < self.min:
            raise ValueError(f"`max` {self.max} is less than `min` {self.min}")
        if self.type == "single":
            needless = {"certificate": self.certificate, "balancer_subnets": self.balancer_subnets}
            for name in (name for name, value in needless.items() if value):
                raise ValueError(f"`{name}` is for a load balancer, which `type: single` does not have")
            if self.policy not in (None, "all_at_once", "immutable"):
                raise ValueError(
                    f"`policy: {self.policy}` is for several instances, and `type: single` has one"
                )
        if bool(self.vpc) != bool(self.subnets):
            raise ValueError("`vpc` and `subnets` go together")
        if self.balancer_subnets and not self.vpc:
            raise ValueError("`balancer_subnets` needs `vpc`")
        return self

    @property
    def most(self) -> int:
        """Return how many instances it has at most."""
        return 1 if self.type == "single" else self.max

    @property
    def deployment_policy(self) -> Policy:
        """Return how instances get another version."""
        return self.policy or ("all_at_once" if self.type == "single" else "rolling_with_additional_batch")


def environment_block(host: InventoryHost) -> EnvironmentBlock:
    """Return the block of a target. Raises ConfigErrors."""
    if host.named(BLOCK) not in host.vars:
        hint = (
            "Write one; docs/elastic-beanstalk.md lists its parameters:  elastic_beanstalk: {region: eu-central-1,"
            " bucket: NAME, ...}"
        )
        said = "needs a block `elastic_beanstalk`, which says where in AWS it is"
        raise host.error(("platform",), said, hint)
    return validate(EnvironmentBlock, host.vars[host.named(BLOCK)] or {}, host, (BLOCK,))
