"""Values that the blocks of several platforms take. Source: AWS's API references; OCI distribution specification."""

from __future__ import annotations

from typing import Annotated, Literal

from provision.inventory.fields import matching

Region = Annotated[str, matching(r"[a-z]{2}(-[a-z]+)+-\d", "a region like eu-central-1")]
RoleArn = Annotated[
    str,
    matching(
        r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+", "the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME"
    ),
]
Subnet = Annotated[str, matching(r"subnet-[0-9a-f]+", "the ID of a subnet")]
SecurityGroup = Annotated[str, matching(r"sg-[0-9a-f]+", "the ID of a security group")]
#: days that CloudWatch keeps lines for: PutRetentionPolicy has more
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365]
Repository = Annotated[
    str,
    matching(
        r"[a-z0-9.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*",
        "a registry, with a path, like registry.example.com/team",
    ),
]
Bucket = Annotated[str, matching(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket")]
