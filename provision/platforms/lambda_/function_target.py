"""The steps of a target: what its applications are to be, and what of it is no longer declared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from provision.apps.code_migrations import schema_of
from provision.apps.migration_risks import risks_of
from provision.errors import ProvError
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_release import parameters_of
from provision.platforms.aws_roles import refuse_unusable_role
from provision.platforms.aws_steps import LogGroup, Removed, SecretParameter, without_rule
from provision.platforms.lambda_.alias_steps import LiveAlias
from provision.platforms.lambda_.function_calls import FunctionCalls
from provision.platforms.lambda_.function_names import rule_name
from provision.platforms.lambda_.function_steps import NewestState
from provision.platforms.lambda_.function_versions import FunctionVersions
from provision.platforms.lambda_.mapped_functions import MappedFunction, mapped_functions
from provision.platforms.lambda_.recorded_functions import about_of, instance_of
from provision.platforms.lambda_.request_steps import (
    Concurrency,
    FunctionPermissions,
    FunctionPlace,
    FunctionUrl,
    for_url,
)
from provision.platforms.lambda_.version_steps import OldVersions, PublishedVersion, VersionCommand
from provision.platforms.platform_model import DeployOrder, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.release_steps import (
    DeploysAllowed,
    MigrationsRecorded,
    ReleaseBook,
    ReleaseRecorded,
)
from provision.roles.project import Assignment

LAMBDA = "lambda.amazonaws.com"
ROLES = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html"


def steps_of(assignment: Assignment, order: DeployOrder) -> Steps:
    """Return what makes the steps of a target. Raises ConfigErrors, ProvError."""
    apps = mapped_functions(assignment)
    calls = FunctionCalls(apps[0].block)
    return partial(compared_with, calls, apps, order)


def compared_with(
    calls: FunctionCalls, apps: Sequence[MappedFunction], order: DeployOrder, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what AWS has to what applications are to be. Raises ProvError."""
    first = apps[0]
    refuse_unusable_role(calls, first.block.role, "role", LAMBDA, ROLES, note)
    owned = dict(functions_of(calls, first.host.name))
    parameters = calls.parameters(parameters_of(first.host.name))
    rules = calls.rules_of(first.host.name)
    steps: list[PlatformStep] = []
    declared: set[str] = set()
    for mapped in apps:
        for said in mapped.notes:
            note(said)
        live = owned.get(mapped.name)
        if live is None:
            refuse_anothers(mapped, calls.function(mapped.name))
        secrets = [
            SecretParameter(calls, mapped, name, value, parameters.get(f"{mapped.parameter_path}/{name}"))
            for name, value in mapped.secrets.items()
        ]
        steps += app_steps(calls, mapped, secrets, live, order, note)
        rules_wanted = (rule_name(mapped.name, job) for job in mapped.schedules)
        declared |= {mapped.name, *(each.path for each in secrets), *rules_wanted}
    for what, requests in undeclared(owned, rules, parameters, declared):
        if order.prune:
            steps.append(Removed(calls, what, requests))
        else:
            note(f"{what} is no longer declared (--prune removes it)")
    return steps


def app_steps(
    calls: FunctionCalls,
    mapped: MappedFunction,
    secrets: list[SecretParameter],
    live: dict[str, Any] | None,
    order: DeployOrder,
    note: Note,
) -> Iterator[PlatformStep]:
    """Yield the steps of an application. live: its function, or None."""
    target, app, exists = mapped.host.name, mapped.app, live is not None
    place = FunctionPlace(calls, mapped.block, target, app.name)
    book = ReleaseBook(AwsRecords(calls, target), app.name)
    yield DeploysAllowed(book, note, plan=order.plan)
    yield LogGroup(calls, mapped)
    yield from secrets
    newest = NewestState(calls, mapped, secrets, live, note)
    yield newest
    versions = FunctionVersions(calls, mapped.name, exists=exists)
    wanted = PublishedVersion(calls, versions, newest, mapped.release.id)
    yield wanted
    for name, (words, _) in mapped.before_service.items():
        yield VersionCommand(calls, versions, wanted, name, words)
    # what has run is noted before another release serves
    schema = schema_of(mapped.release)
    yield MigrationsRecorded(book, schema, force=order.force, risks=partial(risks_of, mapped.release))
    yield LiveAlias(place, versions, wanted, mapped.health, mapped.block.canary)
    if mapped.block.reserved is not None or (live or {}).get("Concurrency"):
        yield Concurrency(calls, mapped, live)
    yield FunctionUrl(calls, mapped, exists=exists)
    for job, times in mapped.schedules.items():
        yield place.rule(job, times)
    allowed = {**for_url(mapped.block), **place.for_jobs(mapped.schedules)}
    yield FunctionPermissions(place, allowed, exists=exists)
    about = about_of(mapped, newest, secrets, schema)
    recorded = ReleaseRecorded(book, instance_of(about), mapped.release.id, about, keep=app.keep_releases)
    yield recorded
    yield OldVersions(calls, versions, wanted, recorded)


def functions_of(calls: FunctionCalls, target: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the functions that prov has made for a target, by name. Raises CloudError."""
    for each in calls.every("lambda:ListFunctions", "Functions", sends="Marker", gets="NextMarker"):
        name = str(each["FunctionName"])
        found = calls.function(name) if name.startswith(f"{target}-") else None
        if found and (found.get("Tags") or {}).get("prov:target") == target:
            yield name, found


def refuse_anothers(mapped: MappedFunction, found: dict[str, Any] | None) -> None:
    """Raise ProvError for a function of an application's name that prov has not made for this target."""
    if found is not None:
        raise ProvError(
            f"the function {mapped.name} exists, and prov did not make it for {mapped.host.name}",
            hint="Give the application another name, or remove the function.",
        )


def undeclared(
    owned: dict[str, Any], rules: Iterable[str], parameters: dict[str, Any], declared: set[str]
) -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Yield what is no longer declared, and the requests that remove it: rules first, as they ask functions."""
    for name in rules:
        if name not in declared:
            yield f"rule {name}", without_rule(name)
    for name in owned:
        if name not in declared:
            yield f"function {name}", [("lambda:DeleteFunction", {"FunctionName": name})]
    for path in parameters:
        if path not in declared:
            yield f"parameter {path}", [("ssm:DeleteParameter", {"Name": path})]
