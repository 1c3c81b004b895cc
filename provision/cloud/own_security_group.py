"""A security group for one host: its rules, and nothing else, let traffic in."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from provision.cloud import instance_tags
from provision.cloud.cloud_errors import CloudError
from provision.cloud.cloud_host import CloudHost
from provision.steps.base import Change, Diff

#: seconds until a group of an ended instance can be removed, and between tries
PATIENCE, PAUSE = 120.0, 3.0
#: where a permission lists its sources -> the name of a source there
SOURCES = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "UserIdGroupPairs": "GroupId",
    "PrefixListIds": "PrefixListId",
}


class Ingress(NamedTuple):
    """Traffic from one source. protocol: "tcp", "-1" for all.  first, last: ports.  where: a key of SOURCES."""

    protocol: str
    first: int
    last: int
    where: str
    source: str

    def shown(self) -> str:
        """Return it as a plan shows it: "tcp 443 from 0.0.0.0/0"."""
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{'all' if self.protocol == '-1' else f'{self.protocol} {ports}'} from {self.source}"

    def as_aws(self) -> dict[str, Any]:
        """Return it as the API takes it."""
        ports = {} if self.protocol == "-1" else {"FromPort": self.first, "ToPort": self.last}
        return {"IpProtocol": self.protocol, **ports, self.where: [{SOURCES[self.where]: self.source}]}


def openings_of(permissions: Iterable[dict[str, Any]]) -> Iterator[Ingress]:
    """Yield the openings in a group's description."""
    for each in permissions:
        for where, name in SOURCES.items():
            for source in each.get(where, ()):
                yield Ingress(
                    each["IpProtocol"], each.get("FromPort", -1), each.get("ToPort", -1), where, source[name]
                )


def find_group(host: CloudHost) -> dict[str, Any] | None:
    """Return the host's own security group, or None. Raises CloudError if there are two."""
    filters = instance_tags.filters(host.spec.project, host.name)
    found = list(host.aws.every("ec2:DescribeSecurityGroups", "SecurityGroups", Filters=filters))
    if len(found) > 1:
        names = ", ".join(each["GroupId"] for each in found)
        raise CloudError(f"{len(found)} security groups have the tags of {host.name}: {names}")
    return found[0] if found else None


def group_name(host: CloudHost) -> str:
    """Return the name of the host's own security group."""
    return f"prov-{host.spec.project}-{host.name}"


class OwnSecurityGroup:
    """The group exists, with the rules of the inventory."""

    def __init__(self, host: CloudHost) -> None:
        self._host = host
        self.name = f"security group {group_name(host)}"

    def check(self) -> Diff:
        found = find_group(self._host)
        new, gone = self._differences(found)
        changes = [] if found else [Change("security group", "", group_name(self._host))]
        changes += [Change("rule", "", each.shown()) for each in new]
        changes += [Change("rule", each.shown(), "") for each in gone]
        if found is None:
            # a network that is not there is found now, and not in the middle of the work
            _ = self._host.network
        return Diff(changes, "" if changes else "has these rules")

    def _differences(self, group: dict[str, Any] | None) -> tuple[Sequence[Ingress], Sequence[Ingress]]:
        """Return (rules that are missing, rules that the inventory does not have)."""
        wanted = {
            Ingress(rule.protocol, *rule.ports, "Ipv6Ranges" if ":" in source else "IpRanges", source)
            for rule in self._host.spec.rules
            for source in rule.sources
        }
        now = set(openings_of(group["IpPermissions"])) if group else set()
        return sorted(wanted - now), sorted(now - wanted)

    def apply(self) -> None:
        host = self._host
        found = find_group(host) or self._made()
        new, gone = self._differences(found)
        for action, openings in (
            ("ec2:AuthorizeSecurityGroupIngress", new),
            ("ec2:RevokeSecurityGroupIngress", gone),
        ):
            if openings:
                permissions = [each.as_aws() for each in openings]
                host.aws.call(action, GroupId=found["GroupId"], IpPermissions=permissions)

    def _made(self) -> dict[str, Any]:
        host = self._host
        try:
            answer = host.aws.call(
                "ec2:CreateSecurityGroup",
                GroupName=group_name(host),
                Description=f"made by prov for {host.name} of {host.spec.project}",
                VpcId=host.network,
                TagSpecifications=[instance_tags.specification("security-group", host.tags)],
            )
        except CloudError as error:
            if error.code != "InvalidGroup.Duplicate":
                raise
            raise CloudError(
                f"a security group {group_name(host)} exists that prov did not make: it lacks prov's tags",
                hint="Remove or rename it, or choose another `project` in the block ec2.",
            ) from None
        return {"GroupId": answer["GroupId"], "IpPermissions": []}


class NoSecurityGroup:
    """The group is removed."""

    def __init__(self, host: CloudHost) -> None:
        self._host = host
        self.name = f"security group {group_name(host)}"

    def check(self) -> Diff:
        found = find_group(self._host)
        changes = (
            [Change("security group", f"{found['GroupName']} ({found['GroupId']})", "")] if found else []
        )
        return Diff(changes, "" if found else "does not exist")

    def apply(self) -> None:
        found, end = find_group(self._host), time.monotonic() + PATIENCE
        while found:
            try:
                self._host.aws.call("ec2:DeleteSecurityGroup", GroupId=found["GroupId"])
                return
            except CloudError as error:
                if error.code == "InvalidGroup.NotFound":
                    return
                # the network interface of the ended instance lives a little longer
                if error.code != "DependencyViolation" or time.monotonic() > end:
                    raise
            time.sleep(PAUSE)
