"""Releases as a target's record has them: what names their versions, and of secrets the versions alone; going back.

A version does not change: going back to a release is having its version serve. Who reaches it stays as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.app_releases import short_hash
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_release import parameters_of
from provision.platforms.aws_steps import SecretParameter, other_rules
from provision.platforms.health_paths import HEALTH
from provision.platforms.lambda_.alias_steps import STAYS_NEW, LiveAlias
from provision.platforms.lambda_.function_block import FunctionBlock, function_block
from provision.platforms.lambda_.function_calls import FunctionCalls
from provision.platforms.lambda_.function_names import function_name
from provision.platforms.lambda_.function_steps import NewestState
from provision.platforms.lambda_.function_versions import FunctionVersions, Version
from provision.platforms.lambda_.health_questions import HealthQuestion
from provision.platforms.lambda_.mapped_functions import MappedFunction
from provision.platforms.lambda_.request_steps import OURS_JOBS, FunctionPermissions, FunctionPlace
from provision.platforms.lambda_.version_steps import named_in
from provision.platforms.platform_model import EarlierRelease, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.record_reading import GONE, obstacle_in, refuse_unserved, without_secrets
from provision.platforms.release_steps import ReleaseBook, ReleaseRecorded
from provision.steps.base import listed
from provision.system.memory.records import TEXT
from provision.system.shapes import having, listing, mapping, number
from provision.values import dataclass

ABOUT = having(
    {
        "function": TEXT,
        "release": TEXT,
        "key": TEXT,
        "config": TEXT,
        "secrets": mapping(number(1, 1 << 31)),
        "health": HEALTH,
        "times": mapping(TEXT),
        "migrations": listing(TEXT),
    }
)
#: parameters that one request may ask for: GetParameters
AT_ONCE = 10


@dataclass(frozen=True)
class RecordedVersion:
    """A version that has been in service."""

    release: str
    version: Version

    def found(self) -> Version:
        """Return it."""
        return self.version


def about_of(
    mapped: MappedFunction,
    newest: NewestState,
    parameters: Iterable[SecretParameter],
    migrations: Sequence[str],
) -> dict[str, Any]:
    """Return what going back to a release takes: no value of a secret."""
    release, key, config = newest.named()
    return {
        "function": mapped.name,
        "release": release,
        "key": key,
        "config": config,
        "secrets": {each.path: each.version for each in parameters},
        "health": mapped.health.record,
        "times": mapped.schedules,
        "migrations": list(migrations),
    }


def instance_of(about: Mapping[str, Any]) -> str:
    """Return the name of an instance: the same version and times of jobs have the same."""
    return short_hash(json.dumps([*named_in(about), about["times"]], sort_keys=True))


def records_of(host: InventoryHost) -> AwsRecords:
    """Return the records of a target. Raises ConfigErrors, CloudError."""
    return AwsRecords(FunctionCalls(function_block(host)), host.name)


def obstacles(host: InventoryHost, abouts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return why instances can't be served again, by name. Raises ConfigErrors, ProvError."""
    calls = FunctionCalls(function_block(host))
    functions: dict[str, FunctionVersions] = {}
    found = {}
    for name, about in abouts.items():
        function = str(about.get("function", ""))
        versions = functions.setdefault(function, FunctionVersions(calls, function, exists=True))
        found[name] = obstacle(calls, versions, about)
    return found


def obstacle(calls: FunctionCalls, versions: FunctionVersions, about: Mapping[str, Any]) -> str:
    """Return why an instance can't be served again; "" if it can. Raises CloudError. versions: of its function."""

    def further(found: dict[str, Any]) -> str:
        if versions.of(named_in(found)) is None:
            return "its version of the function is gone"
        return without_secrets(sorted(path.rpartition("/")[2] for path in gone(calls, found["secrets"])))

    return obstacle_in(ABOUT, about, further)


def gone(calls: FunctionCalls, secrets: Mapping[str, int]) -> list[str]:
    """Return the parameters that SSM does not have in these versions. Raises CloudError. secrets: versions, by path."""
    names = [f"{path}:{version}" for path, version in sorted(secrets.items())]
    found: list[str] = []
    for at in range(0, len(names), AT_ONCE):
        some = names[at : at + AT_ONCE]
        answer = calls.call("ssm:GetParameters", Names=some, WithDecryption=False)
        found += [str(each).rpartition(":")[0] for each in answer.get("InvalidParameters", ())]
    return found


def back_to(host: InventoryHost, release: EarlierRelease) -> Steps:
    """Prepare going back to a release. Raises ConfigErrors, ProvError."""
    block = function_block(host)
    return partial(steps_back, FunctionCalls(block), block, host.name, release)


def steps_back(
    calls: FunctionCalls, block: FunctionBlock, target: str, release: EarlierRelease, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what AWS has to an earlier release. Raises ProvError."""
    app, about = release.app, release.about
    place = FunctionPlace(calls, block, target, app)
    versions = FunctionVersions(calls, place.name, exists=True)
    refuse_unserved(release, obstacle(calls, versions, about))
    version = versions.of(named_in(about))
    assert version is not None, "obstacle() has looked for it"
    refuse_anothers(release, target)
    note(f"{app} goes back to release {release.release}; {with_secrets(calls, target, about)}")
    wanted = RecordedVersion(release.release, version)
    health = HealthQuestion.recorded(about["health"])
    steps: list[PlatformStep] = [LiveAlias(place, versions, wanted, health, None, stays=STAYS_NEW)]
    rules = [place.rule(job, times) for job, times in about["times"].items()]
    steps += rules
    steps.append(FunctionPermissions(place, place.for_jobs(about["times"]), among=OURS_JOBS))
    steps += other_rules(calls, target, app, {each.rule for each in rules})
    book = ReleaseBook(AwsRecords(calls, target), app)
    return [*steps, ReleaseRecorded(book, release.instance, release.release, None, hold=release.hold)]


def refuse_anothers(release: EarlierRelease, target: str) -> None:
    """Raise ProvError for a record that names what is not the application's own."""
    about, app = release.about, release.app
    own = f"{parameters_of(target)}/{app}/"
    strange = [path for path in about["secrets"] if not path.startswith(own)]
    if about["function"] != function_name(target, app) or strange:
        said = f"the record of release {release.release} of {app} has a function that is not its own"
        raise ProvError(f"{said}: {about['function']}", hint=GONE)


def with_secrets(calls: FunctionCalls, target: str, about: Mapping[str, Any]) -> str:
    """Return a note about the secrets that a version reads. Raises CloudError."""
    now = calls.parameters(parameters_of(target))
    changed = sorted(
        path.rpartition("/")[2]
        for path, version in about["secrets"].items()
        if path in now and int(now[path]["Version"]) != version
    )
    of_then = "its secrets have the values that it was deployed with"
    return f"{of_then}, and others since: {listed(changed, most=20)}" if changed else of_then
