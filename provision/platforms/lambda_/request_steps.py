"""Who asks a function: its URL, the rules of its jobs, and what each is allowed; how many it answers at once.

Source: Lambda API reference, CreateFunctionUrlConfig, AddPermission; EventBridge API reference, PutRule.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from provision.platforms.aws_release import APP, TARGET, arn_beside
from provision.platforms.aws_steps import ScheduledRule
from provision.platforms.lambda_.function_block import FunctionBlock
from provision.platforms.lambda_.function_calls import LIVE, FunctionCalls
from provision.platforms.lambda_.function_names import function_name, rule_name
from provision.platforms.lambda_.mapped_functions import MappedFunction
from provision.platforms.platform_run import Note
from provision.steps.base import Change, Diff
from provision.values import dataclass

#: of statements that prov writes into the policy of a function
OURS, OURS_JOBS = "prov-", "prov-job-"
#: what `url` may be -> Lambda's word
AUTH = {"public": "NONE", "iam": "AWS_IAM"}


@dataclass(frozen=True)
class FunctionPlace:
    """The function of an application, as what asks it sees it."""

    calls: FunctionCalls
    block: FunctionBlock
    target: str
    app: str

    @property
    def name(self) -> str:
        """Return the name of the function."""
        return function_name(self.target, self.app)

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something in its region."""
        return arn_beside(self.block.role, self.block.region, service, resource)

    def rule(self, job: str, times: str) -> ScheduledRule:
        """Return the step of a rule that starts a job at its times."""
        starts = {
            "Arn": self.arn("lambda", f"function:{self.name}:{LIVE}"),
            "Input": json.dumps({"prov": f"job {job}"}),
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        }
        tags = [{"Key": TARGET, "Value": self.target}, {"Key": APP, "Value": self.app}]
        return ScheduledRule(self.calls, rule_name(self.name, job), times, tags, lambda: starts)

    def for_jobs(self, jobs: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the arguments of AddPermission for rules of jobs, by the name of the statement."""
        return {
            f"{OURS_JOBS}{job}": {
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": self.arn("events", f"rule/{rule_name(self.name, job)}"),
            }
            for job in jobs
        }


def for_url(block: FunctionBlock) -> dict[str, dict[str, Any]]:
    """Return the arguments of AddPermission for those who use the URL, by the name of the statement."""
    if block.url != "public":
        return {}
    # AWS asks for both since October 2025: developer guide, "Control access to function URLs"
    return {
        f"{OURS}url": {
            "Action": "lambda:InvokeFunctionUrl",
            "Principal": "*",
            "FunctionUrlAuthType": "NONE",
        },
        f"{OURS}url-invoke": {
            "Action": "lambda:InvokeFunction",
            "Principal": "*",
            "InvokedViaFunctionUrl": True,
        },
    }


class FunctionUrl:
    """The address at which clients reach the alias, or none."""

    def __init__(self, calls: FunctionCalls, mapped: MappedFunction, *, exists: bool) -> None:
        self.name = f"URL of {mapped.name}"
        self._calls, self._mapped, self._exists = calls, mapped, exists
        self._live: dict[str, Any] | None = None

    def check(self) -> Diff:
        """Compare who may use it."""
        at = {"FunctionName": self._mapped.name, "Qualifier": LIVE}
        self._live = self._calls.found("lambda:GetFunctionUrlConfig", **at) if self._exists else None
        before, after = words_of(self._live), self._mapped.block.url
        return Diff([] if before == after else [Change("for", before, after)], self.address(self._live))

    @staticmethod
    def address(live: dict[str, Any] | None) -> str:
        """Return its address, or that there is none."""
        return str(live["FunctionUrl"]) if live else "none, as declared"

    def apply(self, note: Note) -> None:
        """Create, change or remove it."""
        at, url = {"FunctionName": self._mapped.name, "Qualifier": LIVE}, self._mapped.block.url
        if url == "none":
            self._calls.call("lambda:DeleteFunctionUrlConfig", **at)
            return
        verb = "Update" if self._live else "Create"
        answer = self._calls.call(f"lambda:{verb}FunctionUrlConfig", **at, AuthType=AUTH[url])
        note(f"{self._mapped.name}: {answer['FunctionUrl']}")


def words_of(live: dict[str, Any] | None) -> str:
    """Return the value of `url` that a URL is."""
    return "none" if live is None else "public" if live["AuthType"] == "NONE" else "iam"


class FunctionPermissions:
    """The statements of a function's policy that let its URL and its jobs' rules ask it.

    wanted: arguments of AddPermission, by the name of the statement.  among: beginning of the names of those that are
    compared.
    """

    def __init__(
        self,
        place: FunctionPlace,
        wanted: Mapping[str, dict[str, Any]],
        *,
        among: str = OURS,
        exists: bool = True,
    ) -> None:
        self.name = f"permissions of {place.name}"
        self._calls, self._wanted, self._among, self._exists = place.calls, wanted, among, exists
        self._at = {"FunctionName": place.name, "Qualifier": LIVE}
        self._live: dict[str, Any] = {}

    def check(self) -> Diff:
        """Compare the statements of the policy."""
        answer = self._calls.found("lambda:GetPolicy", **self._at) if self._exists else None
        statements = json.loads(answer["Policy"])["Statement"] if answer else []
        self._live = {
            each["Sid"]: granted(each) for each in statements if each["Sid"].startswith(self._among)
        }
        wanted = {sid: asked(each) for sid, each in self._wanted.items()}
        changes = [
            Change(sid, self._live.get(sid, ""), wanted.get(sid, ""))
            for sid in [*wanted, *(sid for sid in self._live if sid not in wanted)]
            if self._live.get(sid) != wanted.get(sid)
        ]
        return Diff(changes, "" if changes else "as declared")

    def apply(self, note: Note) -> None:
        """Replace the statements that differ."""
        for sid, now in self._live.items():
            if sid not in self._wanted or now != asked(self._wanted[sid]):
                self._calls.call("lambda:RemovePermission", **self._at, StatementId=sid)
        for sid, each in self._wanted.items():
            if self._live.get(sid) != asked(each):
                self._calls.call("lambda:AddPermission", **self._at, StatementId=sid, **each)


def asked(arguments: dict[str, Any]) -> str:
    """Return what AddPermission would allow, as plans show it."""
    limits = {
        "SourceArn": arguments.get("SourceArn"),
        "FunctionUrlAuthType": arguments.get("FunctionUrlAuthType"),
        "InvokedViaFunctionUrl": "true" if arguments.get("InvokedViaFunctionUrl") else None,
    }
    return shown(arguments["Principal"], arguments["Action"], limits)


def granted(statement: dict[str, Any]) -> str:
    """Return what a statement allows, as plans show it."""
    principal = statement["Principal"]
    who = principal if isinstance(principal, str) else next(iter(principal.values()))
    limits: dict[str, Any] = {}
    for conditions in (statement.get("Condition") or {}).values():
        limits.update({key.rpartition(":")[2]: value for key, value in conditions.items()})
    return shown(who, statement["Action"], limits)


def shown(who: str, action: str, limits: dict[str, Any]) -> str:
    """Return a statement in one line."""
    found = ", ".join(f"{key} {value}" for key, value in sorted(limits.items()) if value is not None)
    return f"{who}: {action} ({found})" if found else f"{who}: {action}"


class Concurrency:
    """How many requests a function answers at once, at most."""

    def __init__(self, calls: FunctionCalls, mapped: MappedFunction, live: dict[str, Any] | None) -> None:
        self.name = f"concurrency of {mapped.name}"
        self._calls, self._mapped = calls, mapped
        self._now = ((live or {}).get("Concurrency") or {}).get("ReservedConcurrentExecutions")

    def check(self) -> Diff:
        """Compare the numbers."""
        before, after = (number(each) for each in (self._now, self._mapped.block.reserved))
        return Diff([] if before == after else [Change("reserved", before, after)], after)

    def apply(self, note: Note) -> None:
        """Reserve it, or leave it to the account."""
        wanted, name = self._mapped.block.reserved, self._mapped.name
        if wanted is None:
            self._calls.call("lambda:DeleteFunctionConcurrency", FunctionName=name)
        else:
            self._calls.call(
                "lambda:PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=wanted
            )


def number(reserved: int | None) -> str:
    """Return a number of concurrent requests as plans show it."""
    return "not reserved" if reserved is None else str(reserved)
