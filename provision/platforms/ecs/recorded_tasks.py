"""Releases as a target's record has them: their task definitions, and of secrets the names alone; going back to one.

Who reaches an application stays as it is now: target group, listener, subnets, roles.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.app_releases import short_hash
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_release import APP, TARGET, arn_beside, parameters_of
from provision.platforms.aws_steps import Removed, other_rules
from provision.platforms.ecs.ecs_calls import EcsCalls, tags_of
from provision.platforms.ecs.ecs_names import group_name, part_name
from provision.platforms.ecs.mapped_services import MappedService
from provision.platforms.ecs.part_steps import PartPlace, how_it_runs
from provision.platforms.ecs.service_block import ServiceBlock, service_block
from provision.platforms.ecs.task_definitions import Document, document_of, with_versions
from provision.platforms.platform_model import EarlierRelease, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.record_reading import GONE, obstacle_in, refuse_unserved, without_secrets
from provision.platforms.release_steps import ReleaseBook, ReleaseRecorded
from provision.system.memory.records import TEXT
from provision.system.shapes import flag, having, listing, mapping, number
from provision.values import dataclass

SECRET = having({"name": TEXT, "valueFrom": TEXT})
CONTAINER = having({"name": TEXT, "image": TEXT, "secrets": listing(SECRET)})
DOCUMENT = having({"family": TEXT, "containerDefinitions": listing(CONTAINER)})
#: fields of ServiceWanted
RUNS = {"count": number(0, 1000), "alone": flag}
RUNS_WEB = {"container": TEXT, "port": number(0, 65535), "start_timeout": number(0, 1 << 31)}
ABOUT = having(
    {
        "documents": mapping(DOCUMENT),
        "services": mapping(having(RUNS, RUNS_WEB)),
        "times": mapping(TEXT),
        "migrations": listing(TEXT),
    }
)


def about_of(mapped: MappedService, migrations: Sequence[str]) -> dict[str, Any]:
    """Return what going back to a release takes: no value of a secret."""
    running = [mapped.web, *mapped.processes]
    return {
        "documents": {part.component: document_of(mapped, part, {}) for part in (*running, *mapped.jobs)},
        "services": {part.component: how_it_runs(mapped, part) for part in running},
        "times": {part.component: mapped.times[part.name] for part in mapped.jobs},
        "migrations": list(migrations),
    }


def instance_of(about: Mapping[str, Any]) -> str:
    """Return the name of an instance: the same task definitions, numbers and times have the same."""
    return short_hash(
        json.dumps([about[name] for name in ("documents", "services", "times")], sort_keys=True)
    )


def records_of(host: InventoryHost) -> AwsRecords:
    """Return the records of a target. Raises ConfigErrors, CloudError."""
    return AwsRecords(EcsCalls(service_block(host)), host.name)


def obstacles(host: InventoryHost, abouts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return why instances can't be served again, by name. Raises ConfigErrors, ProvError."""
    there = EcsCalls(service_block(host)).parameters(parameters_of(host.name))
    return {name: obstacle(about, there) for name, about in abouts.items()}


def obstacle(about: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """Return why an instance can't be served again; "" if it can. parameters: of the target, by path."""

    def further(found: dict[str, Any]) -> str:
        wanted = {path_of(each) for document in found["documents"].values() for each in secrets_of(document)}
        return without_secrets(sorted(path.rpartition("/")[2] for path in wanted if path not in parameters))

    return obstacle_in(ABOUT, about, further)


def secrets_of(document: Document) -> list[dict[str, str]]:
    """Return the secrets of a task definition, as ECS has them."""
    return [each for one in document["containerDefinitions"] for each in one["secrets"]]


def path_of(secret: Mapping[str, str]) -> str:
    """Return the path of a secret's parameter."""
    return secret["valueFrom"].partition(":parameter")[2]


def back_to(host: InventoryHost, release: EarlierRelease) -> Steps:
    """Prepare going back to a release. Raises ConfigErrors, ProvError."""
    block = service_block(host)
    return partial(steps_back, EcsCalls(block), block, host.name, release)


@dataclass(frozen=True)
class UnchangedGroup:
    """A target group that stays as it is."""

    arn: str


def steps_back(
    calls: EcsCalls, block: ServiceBlock, target: str, release: EarlierRelease, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what AWS has to an earlier release. Raises ProvError."""
    app, about = release.app, release.about
    note(f"{app} goes back to release {release.release}; secrets keep their values of now")
    parameters = calls.parameters(parameters_of(target))
    refuse_unserved(release, obstacle(about, parameters))
    versions = {
        path.rpartition("/")[2]: int(each["Version"])
        for path, each in parameters.items()
        if path.startswith(f"{parameters_of(target)}/{app}/")
    }
    live = calls.services_below(f"{target}-")
    cluster = arn_beside(block.execution_role, block.region, "ecs", f"cluster/{block.cluster}")
    place = PartPlace(calls, block, target, app, cluster, live)
    documents = {name: recorded(place, release, name) for name in about["documents"]}
    wanted = {name: partial(with_versions, each, versions) for name, each in documents.items()}
    group = group_of(calls, place)
    steps: list[PlatformStep] = []
    for name, each in about["services"].items():
        how = {key: value for key, value in each.items() if key in (*RUNS, *RUNS_WEB)}
        steps += place.service(name, how, wanted[name], group if name == "web" else None)
    for name, times in about["times"].items():
        steps += place.rule(name, times, wanted[name])
    steps += absent(place, {part_name(target, app, name) for name in documents})
    book = ReleaseBook(AwsRecords(calls, target), app)
    return [*steps, ReleaseRecorded(book, release.instance, release.release, None, hold=release.hold)]


def group_of(calls: EcsCalls, place: PartPlace) -> UnchangedGroup | None:
    """Return the target group of an application, if it has one."""
    found = calls.target_groups_of(place.target).get(group_name(place.target, place.app))
    return UnchangedGroup(str(found["TargetGroupArn"])) if found and place.block.listener else None


def recorded(place: PartPlace, release: EarlierRelease, component: str) -> Document:
    """Return a recorded task definition, with the roles of now. Raises ProvError for one that is not its own."""
    document = copy.deepcopy(dict(release.about["documents"][component]))
    own = f"{parameters_of(place.target)}/{place.app}/"
    strange = [each["name"] for each in secrets_of(document) if not path_of(each).startswith(own)]
    if document["family"] != part_name(place.target, place.app, component) or strange:
        said = f"the record of release {release.release} of {place.app} has a task that is not its own: {component}"
        raise ProvError(said, hint=GONE)
    document["executionRoleArn"] = place.block.execution_role
    document.pop("taskRoleArn", None)
    if place.block.task_role:
        document["taskRoleArn"] = place.block.task_role
    return document


def absent(place: PartPlace, names: set[str]) -> Iterator[PlatformStep]:
    """Yield what removes parts of now that a release did not have. names: of those that it had."""
    yield from other_rules(place.calls, place.target, place.app, names)
    own = {TARGET: place.target, APP: place.app}
    for name, service in place.live.items():
        if name not in names and own.items() <= tags_of(service).items():
            request = {"cluster": place.block.cluster, "service": name, "force": True}
            yield Removed(place.calls, f"service {name}", [("ecs:DeleteService", request)])
