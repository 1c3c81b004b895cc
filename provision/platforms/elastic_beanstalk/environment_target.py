"""The steps of a target: what its applications are to be, and what of it is no longer declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.code_migrations import schema_of
from provision.apps.migration_risks import risks_of
from provision.errors import ProvError
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_release import parameters_of
from provision.platforms.aws_steps import Removed, SecretParameter
from provision.platforms.elastic_beanstalk.account_checks import (
    refuse_full,
    refuse_missing,
    refuse_taken,
    stack_of,
)
from provision.platforms.elastic_beanstalk.address_swaps import AddressSwapped, BlueGreenState
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.beanstalk_names import SECOND
from provision.platforms.elastic_beanstalk.bundle_versions import (
    BeanstalkApplication,
    EarlierVersions,
    ReleaseVersion,
)
from provision.platforms.elastic_beanstalk.environment_options import Options, options_of
from provision.platforms.elastic_beanstalk.environment_pairs import EnvironmentPair, pair_of
from provision.platforms.elastic_beanstalk.environment_steps import (
    EnvironmentState,
    EnvironmentWanted,
    HealthAnswers,
)
from provision.platforms.elastic_beanstalk.mapped_environments import MappedEnvironment, mapped_environments
from provision.platforms.elastic_beanstalk.recorded_versions import (
    about_of,
    instance_of,
    serving_before,
)
from provision.platforms.elastic_beanstalk.source_bundle import label_of
from provision.platforms.health_paths import HealthPath
from provision.platforms.platform_model import DeployOrder, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.release_steps import (
    DeploysAllowed,
    MigrationsRecorded,
    ReleaseBook,
    ReleaseRecorded,
)
from provision.roles.project import Assignment
from provision.serving.sites import server_name
from provision.values import dataclass


@dataclass(frozen=True)
class LiveApplication:
    """What Elastic Beanstalk has of an application. label: of its wanted version.  stacks: of environments, by name."""

    application: dict[str, Any] | None
    versions: Mapping[str, dict[str, Any]]
    pair: EnvironmentPair
    label: str
    stacks: Mapping[str, str]


def steps_of(assignment: Assignment, order: DeployOrder) -> Steps:
    """Return what makes the steps of a target. Raises ConfigErrors, ProvError."""
    apps = mapped_environments(assignment)
    calls = BeanstalkCalls(apps[0].block)
    return partial(compared_with, calls, apps, order)


def compared_with(
    calls: BeanstalkCalls, apps: Sequence[MappedEnvironment], order: DeployOrder, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what AWS has to what applications are to be. Raises ProvError."""
    refuse_missing(calls, apps[0].block, note)
    stacks, target = calls.stacks(), apps[0].host.name
    parameters = calls.parameters(parameters_of(target))
    found = [(mapped, live_application(calls, mapped, stacks)) for mapped in apps]
    steps: list[PlatformStep] = []
    for mapped, live in found:
        for said in mapped.notes:
            note(said)
        steps += app_steps(calls, mapped, live, parameters, order, note)
    declared = {
        name
        for mapped, live in found
        for name in (live.pair.serving, *([live.pair.other] if mapped.block.swap else []))
    }
    for what, requests in undeclared(calls, apps, declared, parameters):
        if order.prune:
            steps.append(Removed(calls, what, requests))
        else:
            note(f"{what} is no longer declared (--prune removes it)")
    return steps


def live_application(
    calls: BeanstalkCalls, mapped: MappedEnvironment, stacks: Sequence[str]
) -> LiveApplication:
    """Return what Elastic Beanstalk has of an application. Raises ProvError for what stands in the way of a deploy."""
    target, label = mapped.host.name, label_of(mapped)
    application = calls.application(mapped.application)
    if (
        application
        and not mapped.block.application
        and not calls.is_of(application["ApplicationArn"], target)
    ):
        raise ProvError(
            f"the application {mapped.application} exists, and prov did not make it for {target}",
            hint="Name it, or another one, by `application` of the block `elastic_beanstalk`.",
        )
    pair = pair_of(calls, mapped.name, mapped.cname, mapped.application, target)
    swaps = mapped.block.swap and pair.serving in pair.live
    names = [pair.serving, *([pair.other] if swaps else [])]
    pair.refuse_busy(*names)
    for name in names:
        if name not in pair.live:
            refuse_taken(calls, mapped, address_prefix(mapped, pair, name))
    versions = calls.versions(mapped.application) if application else {}
    if label not in versions:
        refuse_full(calls, mapped)
    fitting = {name: stack_of(mapped, pair.live.get(name), stacks) for name in names}
    return LiveApplication(application, versions, pair, label, fitting)


def address_prefix(mapped: MappedEnvironment, pair: EnvironmentPair, name: str) -> str:
    """Return what a new environment asks for as its address."""
    return mapped.cname if name == pair.serving else f"{mapped.cname}{SECOND}"


def app_steps(
    calls: BeanstalkCalls,
    mapped: MappedEnvironment,
    live: LiveApplication,
    parameters: Mapping[str, dict[str, Any]],
    order: DeployOrder,
    note: Note,
) -> Iterator[PlatformStep]:
    """Yield the steps of an application."""
    app, label = mapped.app, live.label
    book = ReleaseBook(AwsRecords(calls, mapped.host.name), app.name)
    yield DeploysAllowed(book, note, plan=order.plan)
    secrets = [
        SecretParameter(calls, mapped, name, value, parameters.get(f"{mapped.parameter_path}/{name}"))
        for name, value in mapped.secrets.items()
    ]
    yield from secrets
    yield BeanstalkApplication(calls, mapped, live.application)
    yield ReleaseVersion(calls, mapped, label, live.versions)

    def options() -> Options:
        return options_of(mapped, {each.variable: each.version for each in secrets})

    environment = environment_of(calls, mapped, live, book, options)
    health = HealthPath(mapped.health_path, server_name(app), tuple(app.expect), app.start_timeout)
    schema = schema_of(mapped.release)
    about = about_of(label, options_of(mapped, {}), health, schema)
    instance = instance_of(about)
    yield environment
    yield MigrationsRecorded(book, schema, force=order.force, risks=partial(risks_of, mapped.release))
    yield HealthAnswers(health, environment, book, instance)
    if isinstance(environment, BlueGreenState):
        yield AddressSwapped(calls, app.name, environment, health)
    yield ReleaseRecorded(book, instance, mapped.release.id, about, keep=app.keep_releases)
    yield EarlierVersions(calls, mapped, book, instance, [label, *live.pair.labels], live.versions)


def environment_of(
    calls: BeanstalkCalls,
    mapped: MappedEnvironment,
    live: LiveApplication,
    book: ReleaseBook,
    options: Callable[[], Options],
) -> EnvironmentState | BlueGreenState:
    """Return the step of an application's environment, or of both. options: returns those that they are to have."""
    pair = live.pair

    def wanted(name: str) -> EnvironmentWanted:
        return EnvironmentWanted(
            name,
            mapped.application,
            address_prefix(mapped, pair, name),
            live.label,
            live.stacks[name],
            mapped.command_seconds,
            mapped.tag_list,
            options,
        )

    def now() -> Options:
        serving = pair.live.get(pair.serving)
        return serving.options if serving else options()

    before = serving_before(calls, book, now)
    serving = EnvironmentState(calls, wanted(pair.serving), pair.live.get(pair.serving), before)
    if pair.other not in live.stacks:
        return serving
    other = EnvironmentState(calls, wanted(pair.other), pair.live.get(pair.other), lambda: None)
    return BlueGreenState(mapped.app.name, serving, other)


def undeclared(
    calls: BeanstalkCalls,
    apps: Sequence[MappedEnvironment],
    declared: set[str],
    parameters: Mapping[str, Any],
) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Yield what is no longer declared, and the requests that remove it: first what serves.

    declared: names of environments.
    """
    target = apps[0].host.name
    for each in calls.environments():
        name = str(each["EnvironmentName"])
        if name not in declared and calls.is_of(str(each["EnvironmentArn"]), target):
            yield (
                f"environment {name}",
                [("elasticbeanstalk:TerminateEnvironment", {"EnvironmentName": name})],
            )
    paths = {f"{mapped.parameter_path}/{name}" for mapped in apps for name in mapped.secrets}
    for path in parameters:
        if path not in paths:
            yield f"parameter {path}", [("ssm:DeleteParameter", {"Name": path})]
