"""Releases as a target's record has them: their version and the options that came with it; going back to one.

Sizes, network, roles and how instances are changed stay as the inventory says now.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from provision.apps.app_releases import short_hash
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_release import parameters_of
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.beanstalk_names import environment_name
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
from provision.platforms.elastic_beanstalk.environment_steps import (
    EnvironmentState,
    EnvironmentWanted,
    HealthAnswers,
    LiveEnvironment,
)
from provision.platforms.elastic_beanstalk.environment_waits import HealthPath
from provision.platforms.elastic_beanstalk.mapped_environments import MOST_COMMANDS
from provision.platforms.platform_model import EarlierRelease, Steps
from provision.platforms.platform_run import Note, PlatformStep
from provision.platforms.release_steps import ReleaseBook, ReleaseRecorded
from provision.steps.base import listed
from provision.system.memory.records import TEXT
from provision.system.shapes import Misshapen, having, items, listing, number

HEALTH = having(
    {"path": TEXT, "domain": TEXT, "expect": listing(number(100, 599)), "seconds": number(0, 1 << 31)}
)
ABOUT = having(
    {
        "version": TEXT,
        "options": listing(items(TEXT, TEXT, TEXT)),
        "health": HEALTH,
        "migrations": listing(TEXT),
    }
)
GONE = "Check out the earlier state of your project and run prov deploy."


def about_of(label: str, options: Options, health: HealthPath, migrations: Sequence[str]) -> dict[str, Any]:
    """Return what going back to a release takes: no value of a secret. options: of its environment."""
    own = [
        [*key, value] for key, value in sorted(options.items()) if is_of_release(key) and key[1] != VERSIONS
    ]
    asked = {
        "path": health.path,
        "domain": health.domain,
        "expect": list(health.expect),
        "seconds": health.seconds,
    }
    return {"version": label, "options": own, "health": asked, "migrations": list(migrations)}


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
    try:
        found = ABOUT(copy.deepcopy(dict(about)))
    except Misshapen as error:
        return f"its record is damaged: {error}"
    if found["version"] not in versions:
        return f"its version {found['version']} was removed from Elastic Beanstalk"
    wanted = [
        value.partition(":parameter")[2] for namespace, _, value in found["options"] if namespace == SECRETS
    ]
    missing = sorted(path.rpartition("/")[2] for path in wanted if path not in parameters)
    return f"it needs secrets that are gone: {listed(missing, most=20)}" if missing else ""


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
    why = obstacle(about, parameters, set(calls.versions(application)))
    path = f"{parameters_of(target)}/{app}"
    why = why or strange_secrets(about, path)
    if why:
        raise ProvError(f"release {release.release} of {app} can't be served again: {why}", hint=GONE)
    live = live_environment(calls, name, application, target)
    if live is None:
        raise ProvError(
            f"there is no environment {name} to go back in", hint=f"Deploy:  prov deploy {target}"
        )
    refuse_busy(live)
    stack = str(live.state["SolutionStackName"])
    options = options_before(about, live.options, parameters, path)
    tags: list[dict[str, str]] = []
    wanted = EnvironmentWanted(
        name, application, "", about["version"], stack, MOST_COMMANDS, tags, lambda: options
    )
    book = ReleaseBook(AwsRecords(calls, target), app)
    environment = EnvironmentState(calls, wanted, live, serving_before(calls, book, lambda: live.options))
    asked = about["health"]
    health = HealthPath(asked["path"], asked["domain"], tuple(asked["expect"]), asked["seconds"])
    return [
        environment,
        HealthAnswers(health, environment, book, release.instance),
        ReleaseRecorded(book, release.instance, release.release, None, hold=release.hold),
    ]


def strange_secrets(about: Mapping[str, Any], path: str) -> str:
    """Return that a record names secrets of others; "" if it does not. path: of the application's parameters."""
    named = {name: arn for namespace, name, arn in about["options"] if namespace == SECRETS}
    strange = sorted(name for name, arn in named.items() if f":parameter{path}/" not in arn)
    return f"its record names secrets that are not its own: {listed(strange, most=20)}" if strange else ""


def live_environment(
    calls: BeanstalkCalls, name: str, application: str, target: str
) -> LiveEnvironment | None:
    """Return an environment of a target, or None. Raises ProvError for one that prov did not make for it."""
    state = calls.environment(name)
    if state is None:
        return None
    if state["ApplicationName"] != application or not calls.is_of(str(state["EnvironmentArn"]), target):
        raise ProvError(
            f"the environment {name} exists, of the application {state['ApplicationName']}, and prov did not make it"
            f" for {target}",
            hint="Name another one by `environment` of the block `elastic_beanstalk`, or terminate it.",
        )
    return LiveEnvironment(state, calls.options(state))


def refuse_busy(live: LiveEnvironment) -> None:
    """Raise ProvError for an environment that is being changed."""
    name, status = live.state["EnvironmentName"], live.state["Status"]
    if status != "Ready":
        hint = "Wait until it is Ready (prov status shows it), then run again."
        raise ProvError(f"the environment {name} is {status}: another change is under way", hint=hint)
