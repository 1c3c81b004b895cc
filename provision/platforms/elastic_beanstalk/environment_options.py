"""Option settings of an environment: those that prov declares, and how they compare with what it has.

Source: developer guide, "General options for all environments"; "Fetching secrets to environment variables".
They are given to the environment itself, where they count before those of .ebextensions ("Precedence").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from provision.inventory.fields import encoded
from provision.inventory.masking import is_secret
from provision.platforms.elastic_beanstalk.mapped_environments import MOST_COMMANDS, MappedEnvironment
from provision.secrets import MASK
from provision.steps.base import Change

#: (namespace, name) -> value
Options = dict[tuple[str, str], str]

EB = "aws:elasticbeanstalk:"
VARIABLES, SECRETS = f"{EB}application:environment", f"{EB}application:environmentsecrets"
STATIC = f"{EB}environment:proxy:staticfiles"
HTTPS = "aws:elbv2:listener:443"
#: namespaces in which an option that is not declared is removed
WHOLE = (VARIABLES, SECRETS, STATIC, HTTPS)
#: what a release brings along, and going back to it brings back
PROCESS = f"{EB}environment:process:default"
OF_RELEASE = (VARIABLES, SECRETS, STATIC, PROCESS)
TIMEOUT = (f"{EB}command", "Timeout")
#: variable with the versions of secrets: another value has other processes
VERSIONS = "PROV_SECRET_VERSIONS"
POLICIES = {
    "all_at_once": "AllAtOnce",
    "rolling": "Rolling",
    "rolling_with_additional_batch": "RollingWithAdditionalBatch",
    "immutable": "Immutable",
}
#: lists whose order says nothing
LISTS = ("Subnets", "ELBSubnets")


def options_of(mapped: MappedEnvironment, versions: Mapping[str, int]) -> Options:
    """Return the options of an environment. versions: of the parameters with its secrets."""
    block = mapped.block
    found: Options = {
        (f"{EB}environment", "EnvironmentType"): "LoadBalanced"
        if block.type == "balanced"
        else "SingleInstance",
        (f"{EB}environment", "ServiceRole"): block.service_role,
        ("aws:autoscaling:launchconfiguration", "IamInstanceProfile"): block.instance_profile,
        ("aws:autoscaling:launchconfiguration", "DisableIMDSv1"): "true",
        ("aws:ec2:instances", "InstanceTypes"): block.instance_type,
        (f"{EB}command", "DeploymentPolicy"): POLICIES[block.deployment_policy],
        TIMEOUT: str(min(mapped.command_seconds, MOST_COMMANDS)),
        (f"{EB}healthreporting:system", "SystemType"): "enhanced",
        (f"{EB}cloudwatch:logs", "StreamLogs"): "true",
        (f"{EB}cloudwatch:logs", "RetentionInDays"): str(block.log_days),
        (f"{EB}cloudwatch:logs", "DeleteOnTerminate"): "false",
        **balanced_options(mapped),
        **network_options(mapped),
    }
    for name, value in with_versions(mapped.plain, versions).items():
        found[(VARIABLES, name)] = value
    for name in mapped.secrets:
        found[(SECRETS, name)] = mapped.arn("ssm", f"parameter{mapped.parameter_path}/{name}")
    for place, path in mapped.static_folders.items():
        found[(STATIC, place)] = path
    return found


def with_versions(variables: Mapping[str, str], versions: Mapping[str, int]) -> dict[str, str]:
    """Return variables that say the versions of secrets."""
    said = json.dumps(dict(versions), sort_keys=True, separators=(",", ":"))
    return {**variables, **({VERSIONS: said} if versions else {})}


def balanced_options(mapped: MappedEnvironment) -> Options:
    """Return what an environment with a load balancer has besides."""
    block, app = mapped.block, mapped.app
    if block.type == "single":
        return {}
    asg = "aws:autoscaling:asg"
    found: Options = {
        (f"{EB}environment", "LoadBalancerType"): "application",
        (asg, "MinSize"): str(block.min),
        (asg, "MaxSize"): str(block.max),
        (PROCESS, "HealthCheckPath"): encoded(mapped.health_path),
        (PROCESS, "MatcherHTTPCode"): ",".join(map(str, app.expect)) or "200-399",
        ("aws:autoscaling:updatepolicy:rollingupdate", "RollingUpdateEnabled"): "true",
        ("aws:autoscaling:updatepolicy:rollingupdate", "RollingUpdateType"): "Health",
    }
    if block.deployment_policy.startswith("rolling"):
        found[(f"{EB}command", "BatchSizeType")] = "Percentage"
        found[(f"{EB}command", "BatchSize")] = str(block.batch)
    if block.certificate:
        found[(HTTPS, "ListenerEnabled")] = "true"
        found[(HTTPS, "Protocol")] = "HTTPS"
        found[(HTTPS, "SSLCertificateArns")] = block.certificate
    return found


def network_options(mapped: MappedEnvironment) -> Options:
    """Return where instances and their load balancer are."""
    block = mapped.block
    if not block.vpc:
        return {}
    found: Options = {
        ("aws:ec2:vpc", "VPCId"): block.vpc,
        ("aws:ec2:vpc", "Subnets"): ",".join(sorted(block.subnets)),
    }
    if block.balancer_subnets:
        found[("aws:ec2:vpc", "ELBSubnets")] = ",".join(sorted(block.balancer_subnets))
    return found


def is_of_release(key: tuple[str, str]) -> bool:
    """Return whether an option belongs to a release: going back to it brings that option back."""
    return key[0] in OF_RELEASE or key == TIMEOUT


def live_options(settings: Iterable[Mapping[str, Any]]) -> Options:
    """Return what DescribeConfigurationSettings says of an environment."""
    return {
        (str(each["Namespace"]), str(each["OptionName"])): str(each.get("Value") or "") for each in settings
    }


def is_platforms(key: tuple[str, str], value: str) -> bool:
    """Return whether the platform for Python sets this option itself: developer guide, "Using the Python platform"."""
    namespace, name = key
    if namespace == VARIABLES:
        return name == "PYTHONPATH" and value.startswith("/var/app/venv/")
    return (namespace, name, value) == (STATIC, "/static", "static") or (
        namespace == HTTPS
        and (not value or name not in ("ListenerEnabled", "Protocol", "SSLCertificateArns"))
    )


def unlike(live: Options, wanted: Options) -> tuple[Options, list[tuple[str, str]]]:
    """Return the options to set, and those to remove."""
    sets = {key: value for key, value in wanted.items() if plain(key, live.get(key, "")) != plain(key, value)}
    others = (key for key, value in live.items() if key[0] in WHOLE and not is_platforms(key, value))
    return sets, sorted(key for key in others if key not in wanted)


def plain(key: tuple[str, str], value: str) -> str:
    """Return a value as it is compared."""
    return ",".join(sorted(value.split(","))) if key[1] in LISTS else value


def changes_of(live: Options, wanted: Options) -> list[Change]:
    """Return a change for each option that differs."""
    sets, removed = unlike(live, wanted)
    found = [(key, live.get(key, ""), value) for key, value in sets.items()]
    found += [(key, live[key], "") for key in removed]
    return [Change(said(key), shown(key, before), shown(key, after)) for key, before, after in found]


def said(key: tuple[str, str]) -> str:
    """Return an option as plans name it."""
    namespace, name = key
    short = {VARIABLES: "environment", SECRETS: "secrets", STATIC: "static"}.get(namespace)
    return (
        f"{short} {name}"
        if short
        else f"{namespace.removeprefix('aws:').removeprefix('elasticbeanstalk:')} {name}"
    )


def shown(key: tuple[str, str], value: str) -> str:
    """Return a value as plans show it: another client may have put a secret there."""
    return (
        MASK if value and key[0] == VARIABLES and key[1] != VERSIONS and is_secret(key[1], value) else value
    )


def as_settings(options: Mapping[tuple[str, str], str]) -> list[dict[str, str]]:
    """Return options as requests have them."""
    return [
        {"Namespace": namespace, "OptionName": name, "Value": value}
        for (namespace, name), value in sorted(options.items())
    ]


def as_removals(keys: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return options to remove as requests have them."""
    return [{"Namespace": namespace, "OptionName": name} for namespace, name in keys]
