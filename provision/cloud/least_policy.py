"""The least policy for what prov does in AWS: an IAM policy document for the hosts of an inventory.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from provision.cloud import instance_tags
from provision.cloud.instance_spec import ImageByParameter, InstanceSpec

#: what reads; EC2 has no resources for these
LOOKS = (
    "ec2:DescribeAddresses",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeKeyPairs",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)
#: what changes or removes; only resources that have the project's tag
CHANGES = (
    "ec2:CreateTags",
    "ec2:DeleteTags",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyInstanceMetadataOptions",
    "ec2:StartInstances",
    "ec2:StopInstances",
    "ec2:TerminateInstances",
)
GROUPS = ("ec2:AuthorizeSecurityGroupIngress", "ec2:DeleteSecurityGroup", "ec2:RevokeSecurityGroupIngress")
ADDRESSES = ("ec2:AssociateAddress", "ec2:DisassociateAddress", "ec2:ReleaseAddress")


def policy(specs: Sequence[InstanceSpec]) -> dict[str, Any]:
    """Return the policy document that is enough for these hosts, and not for more."""
    regions = sorted({spec.region for spec in specs})
    projects = sorted({spec.project for spec in specs})
    has_rules = any(spec.rules for spec in specs)
    has_elastic = any(spec.address == "elastic" for spec in specs)
    here = {"aws:RequestedRegion": regions}
    ours = {**here, f"aws:ResourceTag/{instance_tags.PROJECT}": projects}
    new = {**here, f"aws:RequestTag/{instance_tags.PROJECT}": projects}
    makes = ["RunInstances"]
    statements = [
        statement("Look", LOOKS, ["*"], here),
        statement(
            "UseForInstances",
            ["ec2:RunInstances"],
            arns(
                "image", "key-pair", "network-interface", "security-group", "subnet", "spot-instances-request"
            ),
            here,
        ),
        statement("MakeInstances", ["ec2:RunInstances"], arns("instance", "volume"), new),
        statement("ChangeOurs", CHANGES, arns("instance", "volume"), ours),
    ]
    if has_rules:
        makes.append("CreateSecurityGroup")
        statements += [
            statement("UseNetworks", ["ec2:CreateSecurityGroup"], arns("vpc"), here),
            statement("MakeGroups", ["ec2:CreateSecurityGroup"], arns("security-group"), new),
            statement("ChangeOurGroups", GROUPS, arns("security-group"), ours),
        ]
    if has_elastic:
        makes.append("AllocateAddress")
        statements += [
            statement("MakeAddresses", ["ec2:AllocateAddress"], arns("elastic-ip"), new),
            statement(
                "ChangeOurAddresses", ADDRESSES, arns("elastic-ip", "instance", "network-interface"), here
            ),
        ]
    statements.append(
        statement("TagWhatIsMade", ["ec2:CreateTags"], arns("*"), {**here, "ec2:CreateAction": makes})
    )
    statements += of_others(specs)
    return {"Version": "2012-10-17", "Statement": statements}


def of_others(specs: Iterable[InstanceSpec]) -> list[dict[str, Any]]:
    """Return what other services than EC2 are asked for."""
    parameters = {spec.image.ssm for spec in specs if isinstance(spec.image, ImageByParameter)}
    managed = sorted({spec.project for spec in specs if spec.address == "ssm"})
    profiles = {spec.iam_profile for spec in specs if spec.iam_profile}
    found = []
    if parameters:
        names = [f"arn:aws:ssm:*:*:parameter{name}" for name in sorted(parameters)]
        found.append(statement("FindImages", ["ssm:GetParameter"], names))
    if managed:
        document = ["arn:aws:ssm:*:*:document/AWS-StartSSHSession"]
        ours = {f"ssm:resourceTag/{instance_tags.PROJECT}": managed}
        found.append(statement("OpenSessions", ["ssm:StartSession"], arns("instance"), ours))
        found.append(statement("OpenSshSessions", ["ssm:StartSession"], document))
    if any(spec.host_key == "console" for spec in specs):
        found.append(statement("ReadConsoles", ["ec2:GetConsoleOutput"], ["*"]))
    if profiles:
        # the role of a profile has the profile's name where the console made both
        roles = [f"arn:aws:iam::*:role/{name}" for name in sorted(profiles)]
        services = {"iam:PassedToService": ["ec2.amazonaws.com"]}
        found.append(statement("PassRoles", ["iam:PassRole"], roles, services))
    return found


def arns(*kinds: str) -> list[str]:
    """Return the names of all resources of these kinds."""
    return [f"arn:aws:ec2:*:*:{kind}/*" if kind != "image" else "arn:aws:ec2:*::image/*" for kind in kinds]


def statement(
    name: str, actions: Sequence[str], resources: Sequence[str], where: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return one statement. where: keys of the request, and the values that they must have."""
    found: dict[str, Any] = {
        "Sid": name,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
    }
    return found | ({"Condition": {"StringEquals": where}} if where else {})
