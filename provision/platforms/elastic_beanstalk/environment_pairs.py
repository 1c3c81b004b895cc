"""The environments of an application: the one that has its address, and another one for `swap`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provision.errors import ProvError
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.beanstalk_names import SECOND
from provision.platforms.elastic_beanstalk.environment_steps import LiveEnvironment
from provision.values import dataclass


@dataclass(frozen=True)
class EnvironmentPair:
    """Two environments. serving, other: their names.  live: those that exist, by name."""

    serving: str
    other: str
    live: Mapping[str, LiveEnvironment]

    @property
    def labels(self) -> list[str]:
        """Return the versions that they run."""
        return [str(each.state.get("VersionLabel") or "") for each in self.live.values()]

    def refuse_busy(self, *names: str) -> None:
        """Raise ProvError for one of these that is being changed."""
        for live in (self.live[name] for name in names if name in self.live):
            name, status = live.state["EnvironmentName"], live.state["Status"]
            if status != "Ready":
                hint = "Wait until it is Ready (prov status shows it), then run again."
                raise ProvError(f"the environment {name} is {status}: another change is under way", hint=hint)


def pair_of(calls: BeanstalkCalls, name: str, cname: str, application: str, target: str) -> EnvironmentPair:
    """Return the environments of an application. Raises ProvError for one that prov did not make for the target.

    name: of the first one.  cname: prefix of the address.
    """
    live = dict(live_environments(calls, [name, f"{name}{SECOND}"], application, target))
    serving, other = name, f"{name}{SECOND}"
    if other in live:
        address = calls.ask("CheckDNSAvailability", CNAMEPrefix=cname).get("FullyQualifiedCNAME")
        if name not in live or live[other].state.get("CNAME") == address:
            serving, other = other, serving
    return EnvironmentPair(serving, other, live)


def live_environments(
    calls: BeanstalkCalls, names: list[str], application: str, target: str
) -> Iterator[tuple[str, LiveEnvironment]]:
    """Yield environments of a target, with their names. Raises ProvError for one that prov did not make for it."""
    for state in calls.environments(EnvironmentNames=names):
        name = str(state["EnvironmentName"])
        if state["ApplicationName"] != application or not calls.is_of(str(state["EnvironmentArn"]), target):
            raise ProvError(
                f"the environment {name} exists, of the application {state['ApplicationName']}, and prov did not make"
                f" it for {target}",
                hint="Name another one by `environment` of the block `elastic_beanstalk`, or terminate it.",
            )
        yield name, LiveEnvironment(state, calls.options(state))
