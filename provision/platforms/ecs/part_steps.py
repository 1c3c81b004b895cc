"""The steps of a part: its task definition, and the service or the rule that starts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from provision.platforms.aws_release import APP, TARGET
from provision.platforms.aws_steps import ScheduledRule
from provision.platforms.ecs.ecs_calls import EcsCalls
from provision.platforms.ecs.ecs_names import part_name
from provision.platforms.ecs.mapped_services import AppPart, MappedService
from provision.platforms.ecs.service_block import ServiceBlock
from provision.platforms.ecs.service_steps import EcsService, HasArn, ServiceWanted, network
from provision.platforms.ecs.task_definitions import Document, TaskDefinition
from provision.platforms.platform_run import PlatformStep
from provision.values import dataclass

#: a run of a job that could not be started is not tried again: its next time comes
ONCE = {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}


@dataclass(frozen=True)
class PartPlace:
    """Where parts of an application run. live: services of the target, by name."""

    calls: EcsCalls
    block: ServiceBlock
    target: str
    app: str
    cluster_arn: str
    live: Mapping[str, dict[str, Any]]

    @property
    def tags(self) -> list[dict[str, str]]:
        """Return the tags of what belongs to it, as ECS takes them."""
        return [{"key": TARGET, "value": self.target}, {"key": APP, "value": self.app}]

    def definition(self, component: str, wanted: Callable[[], Document]) -> TaskDefinition:
        """Return the step of a part's task definition."""
        return TaskDefinition(self.calls, part_name(self.target, self.app, component), self.tags, wanted)

    def service(
        self,
        component: str,
        how: Mapping[str, Any],
        wanted: Callable[[], Document],
        group: HasArn | None,
    ) -> Iterator[PlatformStep]:
        """Yield the steps of a part that runs on. how: fields of ServiceWanted, as records have them."""
        definition = self.definition(component, wanted)
        found = ServiceWanted(definition.family, self.tags, **how)
        yield definition
        yield EcsService(self.calls, self.block, found, definition, group, self.live.get(found.name))

    def rule(self, component: str, times: str, wanted: Callable[[], Document]) -> Iterator[PlatformStep]:
        """Yield the steps of a job."""
        definition = self.definition(component, wanted)
        tags = [{"Key": each["key"], "Value": each["value"]} for each in self.tags]

        def starts() -> dict[str, Any]:
            placed = network(self.block)["awsvpcConfiguration"]
            capital = {name[0].upper() + name[1:]: value for name, value in placed.items()}
            return {
                "Arn": self.cluster_arn,
                "RoleArn": self.block.schedule_role,
                "EcsParameters": {
                    "TaskDefinitionArn": definition.arn,
                    "TaskCount": 1,
                    "LaunchType": self.block.launch.upper(),
                    "NetworkConfiguration": {"awsvpcConfiguration": capital},
                },
                "RetryPolicy": ONCE,
            }

        yield definition
        yield ScheduledRule(self.calls, definition.family, times, tags, starts)


def place_of(calls: EcsCalls, mapped: MappedService, live: Mapping[str, dict[str, Any]]) -> PartPlace:
    """Return where the parts of an application run."""
    cluster = mapped.arn("ecs", f"cluster/{mapped.block.cluster}")
    return PartPlace(calls, mapped.block, mapped.host.name, mapped.app.name, cluster, live)


def how_it_runs(mapped: MappedService, part: AppPart) -> dict[str, Any]:
    """Return the fields of a part's ServiceWanted, as records have them."""
    found: dict[str, Any] = {"count": part.count, "alone": part.alone}
    if part.kind == "web":
        found |= {
            "container": part.name,
            "port": mapped.image_settings.port,
            "start_timeout": mapped.app.start_timeout,
        }
    return found
