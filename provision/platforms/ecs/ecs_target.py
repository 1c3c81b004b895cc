"""The steps of a target: what its applications are to be, and what of it is no longer declared."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.code_migrations import schema_of
from provision.apps.migration_risks import risks_of
from provision.errors import ProvError
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_release import TARGET, parameters_of
from provision.platforms.aws_steps import LogGroup, Removed, SecretParameter, without_rule
from provision.platforms.ecs.cluster_checks import vpc_of
from provision.platforms.ecs.ecs_calls import EcsCalls, tags_of
from provision.platforms.ecs.ecs_names import group_name
from provision.platforms.ecs.listener_steps import ListenerRule, TargetGroup, is_of
from provision.platforms.ecs.mapped_services import AppPart, MappedService, mapped_services
from provision.platforms.ecs.part_steps import how_it_runs, place_of
from provision.platforms.ecs.recorded_tasks import about_of, instance_of
from provision.platforms.ecs.service_steps import ReleaseCommand
from provision.platforms.ecs.task_definitions import Document, document_of
from provision.platforms.platform_model import DeployOrder, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.release_steps import (
    DeploysAllowed,
    MigrationsRecorded,
    ReleaseBook,
    ReleaseRecorded,
)
from provision.roles.project import Assignment
from provision.values import dataclass

Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class LiveTarget:
    """What AWS has of a target, by name, and its listeners' rules by ARN. vpc: of its tasks."""

    vpc: str
    services: Mapping[str, dict[str, Any]]
    groups: Mapping[str, dict[str, Any]]
    listener_rules: Mapping[str, dict[str, Any]]
    rules: Mapping[str, dict[str, Any]]
    parameters: Mapping[str, dict[str, Any]]


def steps_of(assignment: Assignment, order: DeployOrder) -> Steps:
    """Return what makes the steps of a target. Raises ConfigErrors, ProvError."""
    apps = mapped_services(assignment)
    calls = EcsCalls(apps[0].block)
    return partial(compared_with, calls, apps, order)


def compared_with(
    calls: EcsCalls, apps: Sequence[MappedService], order: DeployOrder, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what AWS has to what applications are to be. Raises ProvError."""
    live = live_target(calls, apps, note, plan=order.plan)
    steps: list[PlatformStep] = []
    for mapped in apps:
        for said in mapped.notes:
            note(said)
        steps += app_steps(calls, mapped, live, order, note)
    for what, requests in undeclared(apps, live):
        if order.prune:
            steps.append(Removed(calls, what, requests))
        else:
            note(f"{what} is no longer declared (--prune removes it)")
    return steps


def live_target(calls: EcsCalls, apps: Sequence[MappedService], note: Note, *, plan: bool) -> LiveTarget:
    """Return what AWS has of a target. Raises ProvError for what it names and does not exist."""
    block, target = apps[0].block, apps[0].host.name
    vpc = vpc_of(calls, apps, note, plan=plan)
    groups = calls.target_groups_of(target)
    listeners = {block.listener} if block.listener else set()
    for balancer in {arn for each in groups.values() for arn in each.get("LoadBalancerArns") or ()}:
        answer = calls.call("elbv2:DescribeListeners", LoadBalancerArn=balancer)
        listeners |= {each["ListenerArn"] for each in answer["Listeners"]}
    rules = [
        {**rule, "Listener": listener}
        for listener in sorted(listeners)
        for rule in calls.listener_rules(listener)
    ]
    services = calls.services_below(f"{target}-")
    return LiveTarget(
        vpc,
        services,
        groups,
        {str(each["RuleArn"]): each for each in rules},
        calls.rules_of(target),
        calls.parameters(parameters_of(target)),
    )


def app_steps(
    calls: EcsCalls, mapped: MappedService, live: LiveTarget, order: DeployOrder, note: Note
) -> Iterator[PlatformStep]:
    """Yield the steps of an application. Raises ProvError for a service of its name that is not prov's."""
    target, app, block = mapped.host.name, mapped.app, mapped.block
    for part in (mapped.web, *mapped.processes):
        refuse_anothers(mapped.name_of(part), live.services, target)
    book = ReleaseBook(AwsRecords(calls, target), app.name)
    yield DeploysAllowed(book, note, plan=order.plan)
    yield LogGroup(calls, mapped)
    secrets = [
        SecretParameter(calls, mapped, name, value, live.parameters.get(f"{mapped.parameter_path}/{name}"))
        for name, value in mapped.secrets.items()
    ]
    yield from secrets

    def wanted(part: AppPart) -> Document:
        return document_of(mapped, part, {each.variable: each.version for each in secrets})

    place = place_of(calls, mapped, live.services)
    for part in mapped.before_service:
        definition = place.definition(part.component, partial(wanted, part))
        yield definition
        yield ReleaseCommand(calls, block, definition, shlex.join(part.command), part.seconds)
    # what has run is noted before tasks of another release begin
    schema = schema_of(mapped.release)
    yield MigrationsRecorded(book, schema, force=order.force, risks=partial(risks_of, mapped.release))
    group = None
    if block.listener:
        group = TargetGroup(calls, mapped, live.groups.get(group_name(target, app.name)), live.vpc)
        own = [each for each in live.listener_rules.values() if each["Listener"] == block.listener]
        yield group
        yield ListenerRule(calls, mapped, group, own)
    yield from place.service("web", how_it_runs(mapped, mapped.web), partial(wanted, mapped.web), group)
    for part in mapped.processes:
        yield from place.service(part.component, how_it_runs(mapped, part), partial(wanted, part), None)
    for part in mapped.jobs:
        yield from place.rule(part.component, mapped.times[part.name], partial(wanted, part))
    about = about_of(mapped, schema)
    yield ReleaseRecorded(book, instance_of(about), mapped.release.id, about, keep=app.keep_releases)


def refuse_anothers(name: str, services: Mapping[str, dict[str, Any]], target: str) -> None:
    """Raise ProvError for a service of a part's name that prov has not made for this target."""
    live = services.get(name)
    if live is not None and tags_of(live).get(TARGET) != target:
        raise ProvError(
            f"the service {name} exists, and prov did not make it for {target}",
            hint="Give the target or the application another name, or remove the service.",
        )


def undeclared(apps: Sequence[MappedService], live: LiveTarget) -> Iterator[tuple[str, list[Request]]]:
    """Yield what is no longer declared, and the requests that remove it: first what starts or asks something."""
    target, block = apps[0].host.name, apps[0].block
    names = {mapped.name_of(part) for mapped in apps for part in mapped.parts}
    groups = {group_name(target, mapped.app.name) for mapped in apps} if block.listener else set()
    paths = {f"{mapped.parameter_path}/{name}" for mapped in apps for name in mapped.secrets}
    declared = {mapped.app.name for mapped in apps}
    for name in outside(live.rules, names):
        yield f"rule {name}", without_rule(name)
    for name in outside(live.services, names):
        if tags_of(live.services[name]).get(TARGET) == target:
            request = {"cluster": block.cluster, "service": name, "force": True}
            yield f"service {name}", [("ecs:DeleteService", request)]
    for arn, rule in live.listener_rules.items():
        wanted = rule["Listener"] == block.listener and any(is_of(rule, target, app) for app in declared)
        if is_of(rule, target) and not wanted:
            yield f"listener rule {rule['Priority']}", [("elbv2:DeleteRule", {"RuleArn": arn})]
    for name in outside(live.groups, groups):
        arn = live.groups[name]["TargetGroupArn"]
        yield f"target group {name}", [("elbv2:DeleteTargetGroup", {"TargetGroupArn": arn})]
    for path in outside(live.parameters, paths):
        yield f"parameter {path}", [("ssm:DeleteParameter", {"Name": path})]


def outside(live: Iterable[str], declared: set[str]) -> list[str]:
    """Return the names of what is not declared."""
    return [name for name in live if name not in declared]
