"""Releases as a target's record has them: their version and the options that came with it; going back to one.

Sizes, network, roles and how instances are changed stay as the inventory says now.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.app_releases import short_hash
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_release import APP, TARGET, parameters_of
from provision.platforms.elastic_beanstalk.address_swaps import AddressSwapped, BlueGreenState
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.beanstalk_names import SECOND, environment_name
from provision.platforms.elastic_beanstalk.environment_block import EnvironmentBlock, environment_block
from provision.platforms.elastic_beanstalk.environment_options import (
    PROCESS,
    SECRETS,
    VARIABLES,
    VERSIONS,
    Options,
    is_of_release,
    with_versions,
)
from provision.platforms.elastic_beanstalk.environment_pairs import EnvironmentPair, pair_of
from provision.platforms.elastic_beanstalk.environment_steps import (
    EnvironmentState,
    EnvironmentWanted,
    HealthAnswers,
)
from provision.platforms.elastic_beanstalk.mapped_environments import MOST_COMMANDS
from provision.platforms.health_paths import HEALTH, HealthPath
from provision.platforms.platform_model import EarlierRelease, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.record_reading import obstacle_in, refuse_unserved, without_secrets
from provision.platforms.release_steps import ReleaseBook, ReleaseRecorded
from provision.steps.base import listed
from provision.system.memory.records import TEXT
from provision.system.shapes import having, items, listing
from provision.values import dataclass

ABOUT = having(
    {
        "version": TEXT,
        "options": listing(items(TEXT, TEXT, TEXT)),
        "health": HEALTH,
        "migrations": listing(TEXT),
    }
)


def about_of(label: str, options: Options, health: HealthPath, migrations: Sequence[str]) -> dict[str, Any]:
    """Return what going back to a release takes: no value of a secret. options: of its environment."""
    own = [
        [*key, value] for key, value in sorted(options.items()) if is_of_release(key) and key[1] != VERSIONS
    ]
    return {"version": label, "options": own, "health": health.record, "migrations": list(migrations)}


def instance_of(about: Mapping[str, Any]) -> str:
    """Return the name of an instance: the same version with the same options has the same."""
    return short_hash(json.dumps([about["version"], about["options"]], sort_keys=True))


def records_of(host: InventoryHost) -> AwsRecords:
    """Return the records of a target. Raises ConfigErrors, CloudError."""
    return AwsRecords(BeanstalkCalls(environment_block(host)), host.name)


def obstacles(host: InventoryHost, abouts: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return why instances can't be served again, by name. Raises ConfigErrors, ProvError."""
    block = environment_block(host)
    calls = BeanstalkCalls(block)
    parameters = calls.parameters(parameters_of(host.name))
    names = {block.application or environment_name(host.name, app) for app in host.vars.get("apps") or ()}
    versions = {label for name in names for label in calls.versions(name)}
    return {name: obstacle(about, parameters, versions) for name, about in abouts.items()}


def obstacle(about: Mapping[str, Any], parameters: Mapping[str, Any], versions: set[str]) -> str:
    """Return why an instance can't be served again; "" if it can. parameters: of the target, by path."""

    def further(found: dict[str, Any]) -> str:
        if found["version"] not in versions:
            return f"its version {found['version']} was removed from Elastic Beanstalk"
        wanted = [
            value.partition(":parameter")[2]
            for namespace, _, value in found["options"]
            if namespace == SECRETS
        ]
        return without_secrets(sorted(path.rpartition("/")[2] for path in wanted if path not in parameters))

    return obstacle_in(ABOUT, about, further)


def options_before(
    about: Mapping[str, Any], now: Options, parameters: Mapping[str, Any], app_path: str
) -> Options:
    """Return the options of a recorded release, with those of now that are not a release's own.

    parameters: of the target, by path.  app_path: path of the application's parameters.
    """
    balanced = any(namespace == PROCESS for namespace, _ in now)
    own: Options = {
        (namespace, name): value
        for namespace, name, value in about["options"]
        if balanced or namespace != PROCESS
    }
    prefix = f"{app_path}/"
    versions = {
        name: int(parameters[prefix + name]["Version"])
        for namespace, name in own
        if namespace == SECRETS and prefix + name in parameters
    }
    plain = {name: value for (namespace, name), value in own.items() if namespace == VARIABLES}
    said = {(VARIABLES, name): value for name, value in with_versions(plain, versions).items()}
    return {**{key: value for key, value in now.items() if not is_of_release(key)}, **own, **said}


def serving_before(
    calls: BeanstalkCalls, book: ReleaseBook, now: Callable[[], Options]
) -> Callable[[], tuple[str, Options] | None]:
    """Return what tells which version and options are recorded as those in service. now: options of now."""

    def found() -> tuple[str, Options] | None:
        entry = book.read()["instances"].get(book.read()["live"])
        if entry is None:
            return None
        parameters = calls.parameters(parameters_of(book.target))
        path = f"{parameters_of(book.target)}/{book.app}"
        return str(entry["about"]["version"]), options_before(entry["about"], now(), parameters, path)

    return found


def back_to(host: InventoryHost, release: EarlierRelease) -> Steps:
    """Prepare going back to a release. Raises ConfigErrors, ProvError."""
    block = environment_block(host)
    return partial(steps_back, BeanstalkCalls(block), block, host.name, release)


def steps_back(
    calls: BeanstalkCalls, block: EnvironmentBlock, target: str, release: EarlierRelease, note: Note
) -> Sequence[PlatformStep]:
    """Return the steps from what Elastic Beanstalk has to an earlier release. Raises ProvError."""
    app, about = release.app, release.about
    note(f"{app} goes back to release {release.release}; secrets keep their values of now")
    application = block.application or environment_name(target, app)
    name = block.environment or environment_name(target, app)
    parameters = calls.parameters(parameters_of(target))
    path = f"{parameters_of(target)}/{app}"
    why = obstacle(about, parameters, set(calls.versions(application)))
    refuse_unserved(release, why or strange_secrets(about, path))
    pair = pair_of(calls, name, block.cname or name.lower(), application, target)
    if pair.serving not in pair.live:
        raise ProvError(
            f"there is no environment {name} to go back in", hint=f"Deploy:  prov deploy {target}"
        )
    book = ReleaseBook(AwsRecords(calls, target), app)
    now = pair.live[pair.serving].options
    environment = BackInPlace(calls, application, about, pair, block, book).step(
        options_before(about, now, parameters, path)
    )
    health = HealthPath.recorded(about["health"])
    steps: list[PlatformStep] = [environment, HealthAnswers(health, environment, book, release.instance)]
    if isinstance(environment, BlueGreenState):
        steps.append(AddressSwapped(calls, app, environment, health))
    recorded = ReleaseRecorded(book, release.instance, release.release, None, hold=release.hold)
    return [*steps, recorded]


@dataclass(frozen=True)
class BackInPlace:
    """Goes back to a release. about: of that release.  pair: the application's environments; one of them serves."""

    calls: BeanstalkCalls
    application: str
    about: Mapping[str, Any]
    pair: EnvironmentPair
    block: EnvironmentBlock
    book: ReleaseBook

    def step(self, options: Options) -> EnvironmentState | BlueGreenState:
        """Return the step of the environment, or of both. options: that it is to have."""
        pair, now = self.pair, self.pair.live[self.pair.serving].options
        names = [pair.serving, *([pair.other] if self.block.swap else [])]
        pair.refuse_busy(*names)
        before = serving_before(self.calls, self.book, lambda: now)
        serving = self.state(pair.serving, options, before)
        if not self.block.swap:
            return serving
        return BlueGreenState(self.book.app, serving, self.state(pair.other, options, lambda: None))

    def state(
        self, name: str, options: Options, before: Callable[[], tuple[str, Options] | None]
    ) -> EnvironmentState:
        """Return the step of one environment. before: returns what a change that fails goes back to."""
        live, serving = self.pair.live.get(name), self.pair.live[self.pair.serving]
        stack = str((live or serving).state["SolutionStackName"])
        prefix = f"{self.block.cname or self.pair.serving.removesuffix(SECOND).lower()}{SECOND}"
        tags = [{"Key": TARGET, "Value": self.book.target}, {"Key": APP, "Value": self.book.app}]
        wanted = EnvironmentWanted(
            name,
            self.application,
            prefix,
            self.about["version"],
            stack,
            MOST_COMMANDS,
            tags,
            lambda: options,
        )
        return EnvironmentState(self.calls, wanted, live, before)


def strange_secrets(about: Mapping[str, Any], path: str) -> str:
    """Return that a record names secrets of others; "" if it does not. path: of the application's parameters."""
    named = {name: arn for namespace, name, arn in about["options"] if namespace == SECRETS}
    strange = sorted(name for name, arn in named.items() if f":parameter{path}/" not in arn)
    return f"its record names secrets that are not its own: {listed(strange, most=20)}" if strange else ""
