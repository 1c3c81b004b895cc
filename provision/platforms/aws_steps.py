"""Steps that platforms of AWS share: secrets in SSM, a log group, rules of jobs, and what is no longer declared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from provision.errors import ProvError
from provision.platforms.aws_release import APP, TARGET, AwsRelease
from provision.platforms.aws_requests import TargetCalls
from provision.platforms.document_changes import differences, flat, without_empty
from provision.platforms.platform_run import Note
from provision.secrets import MASK, Secret
from provision.steps.base import Change, Diff

#: name of the target of a rule
STARTED = "prov"


class SecretParameter:
    """A secret as a parameter of SSM. version: the one that has its value, or will have it.

    live: as SSM has it, or None.
    """

    def __init__(
        self,
        calls: TargetCalls,
        mapped: AwsRelease,
        name: str,
        value: Secret,
        live: dict[str, Any] | None,
    ) -> None:
        self.path = f"{mapped.parameter_path}/{name}"
        self.name = f"parameter {self.path}"
        self.variable = name
        self._calls, self._mapped, self._value, self._live = calls, mapped, value, live
        self._same = live is not None and (live["Value"], live["Type"]) == (value.reveal(), "SecureString")
        self.version = int(live["Version"]) + (not self._same) if live else 1

    def check(self) -> Diff:
        """Compare the values."""
        if self._live is None:
            return Diff([Change("value", "", MASK)])
        return Diff([] if self._same else [Change("value", MASK, MASK)], "as declared" if self._same else "")

    def apply(self, note: Note) -> None:
        """Write the value: SSM keeps the ones before, which earlier releases may read."""
        more: dict[str, Any] = {"Overwrite": True}
        if self._live is None:
            more = {"Tags": self._mapped.tag_list}
        answer = self._calls.call(
            "ssm:PutParameter", Name=self.path, Value=self._value.reveal(), Type="SecureString", **more
        )
        self.version = int(answer["Version"])


class LogGroup:
    """Where an application's lines go, and for how long."""

    def __init__(self, calls: TargetCalls, mapped: AwsRelease) -> None:
        self.name = f"log group {mapped.log_group}"
        self._calls, self._mapped = calls, mapped
        self._exists = False

    def check(self) -> Diff:
        """Look it up."""
        live = self._calls.log_group(self._mapped.log_group)
        self._exists = live is not None
        wanted = f"{self._mapped.log_days} days"
        if live is None:
            return Diff([Change("retention", "", wanted)])
        days = live.get("retentionInDays")
        now = f"{days} days" if days else "for ever"
        return Diff([] if now == wanted else [Change("retention", now, wanted)], "as declared")

    def apply(self, note: Note) -> None:
        """Make it, and set how long lines are kept."""
        group = self._mapped.log_group
        if not self._exists:
            self._calls.call("logs:CreateLogGroup", logGroupName=group, tags=self._mapped.tags)
        self._calls.call("logs:PutRetentionPolicy", logGroupName=group, retentionInDays=self._mapped.log_days)


class ScheduledRule:
    """A rule of EventBridge that starts a job at its times.

    starts: returns what it starts, as PutTargets takes it; asked at the check, and again before it is applied.
    """

    def __init__(
        self,
        calls: TargetCalls,
        name: str,
        times: str,
        tags: Sequence[Mapping[str, str]],
        starts: Callable[[], dict[str, Any]],
    ) -> None:
        self.rule = name
        self.name = f"rule {name}"
        self._calls, self._times, self._tags, self._starts = calls, times, tags, starts
        self._live: dict[str, Any] | None = None
        self._targets: Sequence[dict[str, Any]] = ()

    def check(self) -> Diff:
        """Compare its times, and what it starts."""
        self._live = self._calls.found("events:DescribeRule", Name=self.rule)
        if self._live is not None:
            self._targets = self._calls.call("events:ListTargetsByRule", Rule=self.rule).get("Targets", ())
        changes = list(self._changes())
        return Diff(changes, "" if changes else "as declared")

    def _changes(self) -> Iterator[Change]:
        live = self._live or {}
        for key, now, wanted in (
            ("times", live.get("ScheduleExpression", ""), self._times),
            ("state", live.get("State", ""), "ENABLED"),
        ):
            if now != wanted:
                yield Change(key, str(now), wanted)
        before = {f"starts {each['Id']}": each for each in self._targets}
        after = {f"starts {STARTED}": {"Id": STARTED, **self._starts()}}
        yield from differences(flat(without_empty(before)), flat(without_empty(after)))

    def apply(self, note: Note) -> None:
        """Set both. A failed run is not repeated: the next time comes."""
        calls = self._calls
        more = {} if self._live else {"Tags": list(self._tags)}
        calls.call("events:PutRule", Name=self.rule, ScheduleExpression=self._times, State="ENABLED", **more)
        others = [each["Id"] for each in self._targets if each["Id"] != STARTED]
        if others:
            calls.call("events:RemoveTargets", Rule=self.rule, Ids=others)
        target = {"Id": STARTED, **self._starts()}
        answer = calls.call("events:PutTargets", Rule=self.rule, Targets=[target])
        for entry in answer.get("FailedEntries", ()):
            raise ProvError(f"{self.name} can't start its job: {entry.get('ErrorMessage', '')}")


class Removed:
    """Something that is no longer declared. requests: what removes it: action and arguments."""

    def __init__(self, calls: TargetCalls, what: str, requests: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self.name = f"no {what}"
        self._calls, self._requests = calls, requests

    def check(self) -> Diff:
        """It is there: it was listed."""
        return Diff([Change("resource", "present", "absent")])

    def apply(self, note: Note) -> None:
        """Remove it."""
        for action, arguments in self._requests:
            self._calls.found(action, **arguments)


def other_rules(calls: TargetCalls, target: str, app: str, names: Collection[str]) -> Iterator[Removed]:
    """Yield what removes the rules of an application's jobs but for these. Raises CloudError. names: of rules."""
    own = {TARGET: target, APP: app}
    for name, rule in calls.rules_of(target).items():
        if name not in names and own.items() <= rule["Tags"].items():
            yield Removed(calls, f"rule {name}", without_rule(name))


def without_rule(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the requests that remove a rule."""
    return [
        ("events:RemoveTargets", {"Rule": name, "Ids": [STARTED]}),
        ("events:DeleteRule", {"Name": name}),
    ]
