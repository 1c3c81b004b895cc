"""What AWS says of a target's applications: how they are doing, and what they have logged.

Source: Elastic Beanstalk API reference, EnvironmentDescription, DescribeEnvironmentHealth; developer guide, "Using
Elastic Beanstalk with CloudWatch Logs".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from provision.apps.application import Application
from provision.cloud.cloud_errors import CloudError
from provision.errors import UsageError
from provision.inventory import InventoryHost
from provision.platforms.aws_logs import last_events
from provision.platforms.aws_requests import aws_line
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.beanstalk_names import (
    engine_log_group,
    environment_name,
    log_group,
    release_of_label,
)
from provision.platforms.elastic_beanstalk.environment_block import EnvironmentBlock, environment_block
from provision.platforms.elastic_beanstalk.environment_pairs import EnvironmentPair, pair_of
from provision.platforms.elastic_beanstalk.environment_waits import unhealthy
from provision.platforms.mapped_release import instead_by_prov, only_app
from provision.platforms.platform_model import LogsWanted
from provision.steps.base import listed

#: prov's commands for hosts -> words of `aws elasticbeanstalk`
INSTEAD = {"restart": "restart-app-server", "stop": "terminate-environment"}
#: logs that can be asked for besides the web process
RELEASE = "release"


def instead(host: InventoryHost, command: str) -> str:
    """Return what to do instead of a command for hosts; "" if nothing is known. Raises ConfigErrors."""
    if command not in INSTEAD:
        return instead_by_prov(host, command)
    block = environment_block(host)
    words = (
        "elasticbeanstalk",
        INSTEAD[command],
        "--environment-name",
        name_of(block, host.name, only_app(host)),
    )
    return f"aws does it:  {aws_line(block.region, block.profile, *words)}"


def name_of(block: EnvironmentBlock, target: str, app: str) -> str:
    """Return the name of an application's environment."""
    return block.environment or environment_name(target, app)


def status_of(host: InventoryHost, apps: Sequence[Application]) -> dict[str, Any]:
    """Return how applications are doing. Raises ConfigErrors, ProvError.

    "ok", and for each application in "apps" its "release", "parts" (each with "name", "state" and "restarts") and
    "problems".
    """
    block = environment_block(host)
    calls = BeanstalkCalls(block)
    found = {app.name: app_status(calls, pair_in(calls, block, host.name, app.name)) for app in apps}
    return {"ok": not any(each["problems"] for each in found.values()), "apps": found}


def pair_in(calls: BeanstalkCalls, block: EnvironmentBlock, target: str, app: str) -> EnvironmentPair:
    """Return the environments of an application. Raises ProvError."""
    name = name_of(block, target, app)
    application = block.application or environment_name(target, app)
    return pair_of(calls, name, block.cname or name.lower(), application, target)


def app_status(calls: BeanstalkCalls, pair: EnvironmentPair) -> dict[str, Any]:
    """Return how one application is doing."""
    name = pair.serving
    if name not in pair.live:
        said = f"has no environment {name}: it has not been deployed, or was terminated"
        return {"release": "", "parts": [], "problems": [said]}
    live, problems = pair.live[name].state, []
    if live["Status"] != "Ready":
        problems.append(f"environment {name} is {live['Status']}")
    instances, causes = health_of(calls, name)
    if why := unhealthy(live):
        problems.append("; ".join([f"environment {name}: {why}", *causes]))
    state = f"{live['Status']}, {live.get('HealthStatus') or live.get('Health')}"
    parts = [{"name": f"environment {name}", "state": state, "restarts": 0}]
    parts.append({"name": "address", "state": str(live.get("CNAME")), "restarts": 0})
    if pair.other in pair.live:
        release = release_of_label(str(pair.live[pair.other].state.get("VersionLabel") or ""))
        state = f"{pair.live[pair.other].state['Status']}, release {release}, without the address"
        parts.append({"name": f"environment {pair.other}", "state": state, "restarts": 0})
    if instances:
        parts.append({"name": "instances", "state": instances, "restarts": 0})
    return {
        "release": release_of_label(str(live.get("VersionLabel") or "")),
        "parts": parts,
        "problems": problems,
    }


def health_of(calls: BeanstalkCalls, name: str) -> tuple[str, list[str]]:
    """Return how the instances of an environment are, and why; nothing without enhanced health. Raises CloudError."""
    try:
        answer = calls.ask("DescribeEnvironmentHealth", EnvironmentName=name, AttributeNames=["All"])
    except CloudError as error:
        # basic health, or an environment that is being made
        if error.code != "InvalidRequestException":
            raise
        return "", []
    numbers = answer.get("InstancesHealth") or {}
    return listed([f"{n} {kind}" for kind, n in numbers.items() if n], most=8), list(
        answer.get("Causes") or ()
    )


def logs_of(host: InventoryHost, apps: Sequence[Application], wanted: LogsWanted) -> Iterator[dict[str, Any]]:
    """Yield the lines of applications' web processes, and of the platform: "time", "source", "text".

    Raises ConfigErrors, UsageError, ProvError.
    """
    if wanted.process not in ("", "web", RELEASE):
        raise UsageError(
            f"the lines of {wanted.process!r} are on the instances alone",
            hint=f"{host.name} has those of web and release in CloudWatch. For others:  eb logs",
        )
    block = environment_block(host)
    if wanted.follow:
        name = name_of(block, host.name, apps[0].name)
        line = aws_line(block.region, block.profile, "logs", "tail", "--follow", log_group(name, "web"))
        raise UsageError("--follow is for hosts", hint=f"aws does it:  {line}")
    calls = BeanstalkCalls(block)
    for app in apps:
        name = pair_in(calls, block, host.name, app.name).serving
        for process, group in (("web", log_group(name, "web")), (RELEASE, engine_log_group(name))):
            if wanted.process not in ("", process):
                continue
            for event in last_events(calls, group, wanted):
                source = f"{app.name} {process} {str(event.get('logStreamName', ''))[-8:]}"
                yield {
                    "time": event["timestamp"] / 1000,
                    "source": source,
                    "text": str(event["message"]).rstrip("\n"),
                }
