"""Requests to ECS for the services of a target. Source: API references of ECS and Elastic Load Balancing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from provision.cloud.cloud_errors import CloudError
from provision.platforms.aws_release import TARGET
from provision.platforms.aws_requests import TargetCalls
from provision.platforms.ecs.service_block import ServiceBlock

#: what DescribeServices and DescribeTags take at once
SERVICES, TAGGED = 10, 20
#: states of a service that has been removed
GONE = ("INACTIVE", "DRAINING")


class EcsCalls(TargetCalls):
    """Requests for one target. Raises CloudError for a region or profile that can't be used."""

    def __init__(self, block: ServiceBlock) -> None:
        super().__init__(block.region, block.profile)
        self.cluster = block.cluster

    def services(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the services of these names that exist, with their tags. Raises CloudError."""
        for at in range(0, len(names), SERVICES):
            answer = self.call(
                "ecs:DescribeServices",
                cluster=self.cluster,
                services=list(names[at : at + SERVICES]),
                include=["TAGS"],
            )
            yield from (each for each in answer["services"] if each.get("status") not in GONE)

    def service(self, name: str) -> dict[str, Any] | None:
        """Return a service, or None. Raises CloudError."""
        return next(self.services([name]), None)

    def services_below(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Return the services whose names begin so, by name. Raises CloudError."""
        arns = self.every(
            "ecs:ListServices", "serviceArns", sends="nextToken", gets="nextToken", cluster=self.cluster
        )
        names = [name for arn in arns if (name := str(arn).rpartition("/")[2]).startswith(prefix)]
        return {str(each["serviceName"]): each for each in self.services(names)}

    def definition(self, name: str) -> dict[str, Any] | None:
        """Return a task definition, with its tags as `tags`; None if there is none. Raises CloudError.

        name: an ARN, or a family, which stands for its newest definition.
        """
        try:
            answer = self.call("ecs:DescribeTaskDefinition", taskDefinition=name, include=["TAGS"])
        except CloudError as error:
            # ECS has no code of its own for it
            if error.code == "ClientException" and "Unable to describe task definition" in error.message:
                return None
            raise
        found: dict[str, Any] = {**answer["taskDefinition"], "tags": answer.get("tags", [])}
        return found if found.get("status", "ACTIVE") == "ACTIVE" else None

    def first_definition(self, family: str) -> dict[str, Any] | None:
        """Return the first revision of a family that is active; None if none is. Raises CloudError."""
        arns = self.every(
            "ecs:ListTaskDefinitions",
            "taskDefinitionArns",
            sends="nextToken",
            gets="nextToken",
            familyPrefix=family,
            status="ACTIVE",
        )
        own = (arn for arn in map(str, arns) if arn.rpartition("/")[2].rpartition(":")[0] == family)
        first = next(own, None)
        return self.definition(first) if first else None

    def tasks(self, **which: Any) -> list[dict[str, Any]]:
        """Return tasks of the cluster, newest first. which: arguments of ListTasks. Raises CloudError."""
        arns = self.call("ecs:ListTasks", cluster=self.cluster, **which)["taskArns"]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.call("ecs:DescribeTasks", cluster=self.cluster, tasks=arns)[
            "tasks"
        ]
        return sorted(found, key=lambda task: str(task.get("createdAt", "")), reverse=True)

    def listener_rules(self, listener: str) -> list[dict[str, Any]]:
        """Return the rules of a listener, each with its tags as "Tags". Raises CloudError."""
        rules = list(
            self.every(
                "elbv2:DescribeRules", "Rules", sends="Marker", gets="NextMarker", ListenerArn=listener
            )
        )
        tags = self.balancer_tags([str(each["RuleArn"]) for each in rules if not each.get("IsDefault")])
        return [{**each, "Tags": tags.get(each["RuleArn"], {})} for each in rules]

    def target_groups_of(self, target: str) -> dict[str, dict[str, Any]]:
        """Return the target groups that prov has made for a target, by name. Raises CloudError."""
        every = list(
            self.every("elbv2:DescribeTargetGroups", "TargetGroups", sends="Marker", gets="NextMarker")
        )
        tags = self.balancer_tags([str(each["TargetGroupArn"]) for each in every])
        return {
            str(each["TargetGroupName"]): each
            for each in every
            if tags.get(each["TargetGroupArn"], {}).get(TARGET) == target
        }

    def balancer_tags(self, arns: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the tags of things of a load balancer, by ARN. Raises CloudError."""
        found: dict[str, dict[str, str]] = {}
        for at in range(0, len(arns), TAGGED):
            answer = self.call("elbv2:DescribeTags", ResourceArns=list(arns[at : at + TAGGED]))
            for each in answer["TagDescriptions"]:
                found[each["ResourceArn"]] = {tag["Key"]: tag["Value"] for tag in each.get("Tags", ())}
        return found


def tags_of(live: dict[str, Any]) -> dict[str, str]:
    """Return the tags of something of ECS."""
    return {str(each["key"]): str(each.get("value", "")) for each in live.get("tags") or ()}
