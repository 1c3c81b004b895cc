"""The block `lambda:` of a target. Source: Lambda API reference, CreateFunction, for what each value may be."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from provision.apps.settings import Settings
from provision.inventory import InventoryHost
from provision.inventory.fields import OneLine
from provision.inventory.validation import validate
from provision.platforms.block_fields import Bucket, LogDays, Region, RoleArn, SecurityGroup, Subnet

BLOCK = "lambda"
#: the longest that a function may run, in seconds
LONGEST = 900


class Canary(Settings):
    """A part of the requests that a new version gets first."""

    percent: int = Field(ge=1, le=99, description="How many of a hundred requests it gets.")
    seconds: int = Field(ge=1, le=3600, description="For how long, while its health path is asked.")


class FunctionBlock(Settings):
    """A place in AWS for the functions of a target."""

    region: Region = Field(description="The region.")
    profile: OneLine | None = Field(
        default=None,
        description="The profile of ~/.aws/config. Default: AWS_PROFILE, or the usual credentials.",
    )
    role: RoleArn = Field(description="The execution role: what the application itself may do in AWS.")
    architecture: Literal["x86_64", "arm64"] = Field(default="x86_64", description="`x86_64` or `arm64`.")
    memory: int = Field(
        default=512,
        ge=128,
        le=10240,
        description="Memory in MB; a function with 1769 has one whole processor.",
    )
    timeout: int | None = Field(
        default=None,
        ge=1,
        le=LONGEST,
        description="Seconds that a request or a command may take. Default: the longest of the application's.",
    )
    url: Literal["public", "iam", "none"] = Field(
        default="public", description="The function URL: for all, for signed requests, or none."
    )
    reserved: int | None = Field(
        default=None, ge=1, le=10000, description="Concurrent requests at most, kept for this function alone."
    )
    canary: Canary | None = Field(
        default=None, description="`percent` of the requests for `seconds`, before all. Default: all at once."
    )
    bucket: Bucket | None = Field(
        default=None, description="The S3 bucket for bundles of more than 50 MB, in the same region."
    )
    subnets: tuple[Subnet, ...] = Field(default=(), description="Subnets of a VPC, to reach what is in it.")
    security_groups: tuple[SecurityGroup, ...] = Field(default=(), description="Security groups in that VPC.")
    log_days: LogDays = Field(default=30, description="Days for which logs are kept.")

    @model_validator(mode="after")
    def _agrees(self) -> FunctionBlock:
        if bool(self.subnets) != bool(self.security_groups):
            raise ValueError("a VPC needs both `subnets` and `security_groups`")
        return self


def function_block(host: InventoryHost) -> FunctionBlock:
    """Return the block of a target. Raises ConfigErrors."""
    if host.named(BLOCK) not in host.vars:
        hint = "Write one:  lambda: {region: eu-central-1, role: 'arn:aws:iam::ACCOUNT:role/NAME'}"
        raise host.error(("platform",), "needs a block `lambda`, which says where in AWS it is", hint)
    return validate(FunctionBlock, host.vars[host.named(BLOCK)] or {}, host, (BLOCK,))
