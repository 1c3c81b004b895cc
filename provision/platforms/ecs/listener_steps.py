"""How requests reach a service: its target group, and the rule of a listener that exists already.

A health check of a load balancer has the task's address as its Host, which applications refuse. So the target group
asks whether the server answers; whether it is healthy says the container's own check.
Source: Elastic Load Balancing API reference; "Health checks for Application Load Balancer target groups".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provision.errors import ProvError
from provision.inventory.fields import encoded
from provision.platforms.aws_release import APP, TARGET
from provision.platforms.document_changes import differences
from provision.platforms.ecs.ecs_calls import EcsCalls
from provision.platforms.ecs.ecs_names import group_name
from provision.platforms.ecs.mapped_services import MappedService
from provision.platforms.platform_run import Note
from provision.steps.base import Change, Diff

#: statuses that show a server which answers
ANSWERS = "200-499"
#: first priorities: of rules with a path, which must come before those without, and of others
WITH_PATH, WITHOUT = 100, 1000
DRAIN = "deregistration_delay.timeout_seconds"
#: ELB: the longest that requests are waited for, in seconds
LONGEST_DRAIN = 3600


def group_of(arn: str) -> str:
    """Return the name of a target group."""
    parts = arn.split("/")
    return parts[1] if len(parts) > 1 else arn


class TargetGroup:
    """The target group of a web process. live: as AWS has it, or None.  vpc: the ID of the tasks' VPC."""

    def __init__(self, calls: EcsCalls, mapped: MappedService, live: dict[str, Any] | None, vpc: str) -> None:
        self.group = group_name(mapped.host.name, mapped.app.name)
        self.name = f"target group {self.group}"
        self._calls, self._mapped, self._live, self._vpc = calls, mapped, live, vpc
        self._changes = self._drain_changes = True

    @property
    def arn(self) -> str:
        """Return its ARN, or what plans say of one that is still to be made."""
        return str(self._live["TargetGroupArn"]) if self._live else f"new/{self.group}"

    def fixed(self) -> dict[str, Any]:
        """Return what can't be changed."""
        return {
            "Protocol": "HTTP",
            "Port": self._mapped.image_settings.port,
            "VpcId": self._vpc,
            "TargetType": "ip",
        }

    def health(self) -> dict[str, Any]:
        """Return how it asks its targets."""
        app = self._mapped.app
        return {
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPath": encoded(app.path.rstrip("/") + app.health),
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
            "Matcher": {"HttpCode": ANSWERS},
        }

    @property
    def _drain(self) -> str:
        return str(min(self._mapped.app.timeout, LONGEST_DRAIN))

    def check(self) -> Diff:
        """Compare it."""
        live = self._live
        if live is None:
            return Diff([Change("target group", "", self.health()["HealthCheckPath"])])
        for name, wanted in self.fixed().items():
            if live.get(name) != wanted:
                raise ProvError(
                    f"{self.name} has {name} {live.get(name)} instead of {wanted}, which can't be changed",
                    hint="Give the target another name, or remove the target group's service with --prune first.",
                )
        wanted = self.health()
        changes = list(differences({name: live.get(name) for name in wanted}, wanted))
        self._changes = bool(changes)
        answer = self._calls.call("elbv2:DescribeTargetGroupAttributes", TargetGroupArn=self.arn)
        now = {each["Key"]: each["Value"] for each in answer["Attributes"]}.get(DRAIN, "")
        self._drain_changes = now != self._drain
        if self._drain_changes:
            changes.append(Change(DRAIN, now, self._drain))
        return Diff(changes, "" if changes else "as declared")

    def apply(self, note: Note) -> None:
        """Create or change it."""
        calls = self._calls
        if self._live is None:
            wanted = {"Name": self.group, **self.fixed(), **self.health(), "Tags": self._mapped.tag_list}
            self._live = calls.call("elbv2:CreateTargetGroup", **wanted)["TargetGroups"][0]
        elif self._changes:
            calls.call("elbv2:ModifyTargetGroup", TargetGroupArn=self.arn, **self.health())
        if self._drain_changes:
            attributes = [{"Key": DRAIN, "Value": self._drain}]
            calls.call("elbv2:ModifyTargetGroupAttributes", TargetGroupArn=self.arn, Attributes=attributes)


class ListenerRule:
    """The rule of the listener that passes an application's requests on. rules: of the listener, all of them."""

    def __init__(
        self, calls: EcsCalls, mapped: MappedService, group: TargetGroup, rules: Sequence[dict[str, Any]]
    ) -> None:
        self.name = f"listener rule of {group.group}"
        self._calls, self._mapped, self._group, self._rules = calls, mapped, group, rules
        self._live = next((each for each in rules if is_of(each, mapped.host.name, mapped.app.name)), None)

    def conditions(self) -> list[dict[str, Any]]:
        """Return what requests it is for."""
        app = self._mapped.app
        found: list[dict[str, Any]] = [
            {"Field": "host-header", "HostHeaderConfig": {"Values": sorted(app.domains)}}
        ]
        if path := encoded(app.path.rstrip("/")):
            found.append({"Field": "path-pattern", "PathPatternConfig": {"Values": [path, f"{path}/*"]}})
        return found

    def actions(self) -> list[dict[str, Any]]:
        """Return what it does with them."""
        return [{"Type": "forward", "TargetGroupArn": self._group.arn}]

    @property
    def _priority(self) -> int:
        """Return the first priority that is free."""
        taken = {str(each["Priority"]) for each in self._rules}
        first = WITH_PATH if self._mapped.app.path.rstrip("/") else WITHOUT
        return next(n for n in range(first, first + len(taken) + 1) if str(n) not in taken)

    def check(self) -> Diff:
        """Compare it."""
        live = self._live
        if live is None:
            wanted = compared(self.conditions(), self.actions())
            return Diff([Change("priority", "", str(self._priority)), *differences({}, wanted)])
        now = compared(live.get("Conditions") or (), live.get("Actions") or ())
        changes = list(differences(now, compared(self.conditions(), self.actions())))
        return Diff(changes, "" if changes else "as declared")

    def apply(self, note: Note) -> None:
        """Create or change it."""
        wanted = {"Conditions": self.conditions(), "Actions": self.actions()}
        if self._live is not None:
            self._calls.call("elbv2:ModifyRule", RuleArn=self._live["RuleArn"], **wanted)
            return
        listener = self._mapped.block.listener
        self._calls.call(
            "elbv2:CreateRule",
            ListenerArn=listener,
            Priority=self._priority,
            Tags=self._mapped.tag_list,
            **wanted,
        )


def is_of(rule: Mapping[str, Any], target: str, app: str = "") -> bool:
    """Return whether prov has made a rule for a target. app: of it; "" for any."""
    tags = rule["Tags"]
    return tags.get(TARGET) == target and app in ("", tags.get(APP))


def compared(conditions: Sequence[Any], actions: Sequence[Any]) -> dict[str, Any]:
    """Return what a rule is for and does, as plans compare it."""
    found: dict[str, Any] = {}
    for each in conditions:
        config = next((value for name, value in each.items() if name.endswith("Config")), each)
        found[str(each["Field"])] = ", ".join(sorted(map(str, config.get("Values") or ())))
    found["to"] = ", ".join(
        group_of(str(each.get("TargetGroupArn", ""))) if each["Type"] == "forward" else str(each["Type"])
        for each in actions
    )
    return found
