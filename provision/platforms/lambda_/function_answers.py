"""What AWS says of a target's functions: how they are doing, and what they have logged.

Source: Lambda API reference, GetFunction, GetAlias; CloudWatch Logs API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from provision.apps.application import Application
from provision.errors import UsageError
from provision.inventory import InventoryHost
from provision.platforms.aws_logs import last_events
from provision.platforms.aws_requests import aws_line
from provision.platforms.lambda_.function_block import function_block
from provision.platforms.lambda_.function_calls import LIVE, PLATFORM_LINES, FunctionCalls
from provision.platforms.lambda_.function_names import function_name, log_group, rule_name
from provision.platforms.lambda_.function_versions import weights_of
from provision.platforms.lambda_.version_contents import made_of
from provision.platforms.mapped_release import instead_by_prov, only_app
from provision.platforms.platform_model import LogsWanted

#: what a command's lines begin with: prov_handler.py
COMMAND = re.compile(r"\[(?:job )?([a-z0-9 -]+)\] ")


def instead(host: InventoryHost, command: str) -> str:
    """Return what to do instead of a command for hosts; "" if nothing is known. Raises ConfigErrors."""
    if command in ("start", "restart"):
        return f"Lambda starts functions itself; deploy it:  prov deploy {host.name}"
    if command == "stop":
        function = function_name(host.name, only_app(host))
        words = [
            "put-function-concurrency",
            "--function-name",
            function,
            "--reserved-concurrent-executions",
            "0",
        ]
        return f"aws does it:  {aws(host, 'lambda', *words)}"
    return instead_by_prov(host, command)


def aws(host: InventoryHost, *words: str) -> str:
    """Return a command line of AWS's for a target. Raises ConfigErrors."""
    block = function_block(host)
    return aws_line(block.region, block.profile, *words)


def status_of(host: InventoryHost, apps: Sequence[Application]) -> dict[str, Any]:
    """Return how applications are doing. Raises ConfigErrors, ProvError.

    "ok", and for each application in "apps" its "release", "parts" (each with "name", "state" and "restarts") and
    "problems".
    """
    calls = FunctionCalls(function_block(host))
    found = {app.name: app_status(calls, function_name(host.name, app.name), app) for app in apps}
    return {"ok": not any(each["problems"] for each in found.values()), "apps": found}


def app_status(calls: FunctionCalls, name: str, app: Application) -> dict[str, Any]:
    """Return how one application is doing. name: of its function."""
    function = calls.function(name)
    alias = calls.found("lambda:GetAlias", FunctionName=name, Name=LIVE) if function else None
    if function is None or alias is None:
        what = "no version that serves" if function else "no function"
        problem = f"has {what}: it has not been deployed, or was removed"
        return {"release": "", "parts": [], "problems": [problem]}
    problems = []
    version, weights = alias["FunctionVersion"], weights_of(alias)
    serving = calls.call("lambda:GetFunction", FunctionName=name, Qualifier=version)["Configuration"]
    found = made_of(serving)
    if found is None:
        problems.append(f"version {version} serves, and prov did not make it")
    state = serving.get("State", "Active")
    if state not in ("Active", "Inactive"):
        problems.append(f"version {version} is {state}: {serving.get('StateReason', '')}")
    shares = "".join(f", {share:.0%} go to version {other}" for other, share in weights.items())
    if weights:
        problems.append(f"a shift between versions has not ended: deploy again{shares}")
    if (function.get("Concurrency") or {}).get("ReservedConcurrentExecutions") == 0:
        problems.append("is stopped: its reserved concurrency is 0")
    url = calls.found("lambda:GetFunctionUrlConfig", FunctionName=name, Qualifier=LIVE)
    parts = [part("web", f"version {version} serves{shares}")]
    if url:
        parts.append(part("URL", url["FunctionUrl"]))
    for job in app.jobs:
        rule = calls.found("events:DescribeRule", Name=rule_name(name, job))
        said = (
            f"{rule.get('ScheduleExpression', '')} {rule.get('State', '').lower()}" if rule else "has no rule"
        )
        parts.append(part(f"job {job}", said))
        if rule is None or rule.get("State") != "ENABLED":
            problems.append(f"job {job}: {said}")
    return {"release": found.release if found else "", "parts": parts, "problems": problems}


def part(name: str, state: str) -> dict[str, Any]:
    """Return a part of an application, as reports show it: functions are not restarted."""
    return {"name": name, "state": state, "restarts": 0}


def logs_of(host: InventoryHost, apps: Sequence[Application], wanted: LogsWanted) -> Iterator[dict[str, Any]]:
    """Yield the lines of applications' functions: "time", "source", "text".

    Raises ConfigErrors, UsageError, ProvError.
    """
    if wanted.process == "front":
        hint = "CloudFront's logs are in S3, if you have it."
        raise UsageError(f"{host.name} has no front of prov's, and so none of its logs", hint=hint)
    known = {"", "web", "release", *(job for app in apps for job in app.jobs)}
    if wanted.process not in known:
        raise UsageError(
            f"{host.name} has no process {wanted.process!r}",
            hint=f"It has {', '.join(sorted(known - {''}))}.",
        )
    if wanted.follow:
        group = log_group(function_name(host.name, apps[0].name))
        raise UsageError(
            "--follow is for hosts", hint=f"aws does it:  {aws(host, 'logs', 'tail', '--follow', group)}"
        )
    calls = FunctionCalls(function_block(host))
    for app in apps:
        group = log_group(function_name(host.name, app.name))
        for event in last_events(calls, group, wanted):
            text = str(event["message"]).rstrip("\n")
            if text.startswith(PLATFORM_LINES) or wanted.process not in ("", process_of(text)):
                continue
            stream = re.search(r"\[([^]]+)\]", str(event.get("logStreamName", "")))
            source = f"{app.name} {stream[1]}" if stream else app.name
            yield {"time": event["timestamp"] / 1000, "source": source, "text": text}


def process_of(text: str) -> str:
    """Return the process that a line is of: "web", "release", or the name of a job."""
    found = COMMAND.match(text)
    if found is None:
        return "web"
    return (
        "release" if re.fullmatch(r"release \d+|migrate", found[1]) and "[job" not in text[:5] else found[1]
    )
