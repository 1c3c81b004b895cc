"""prov ec2: the instances of hosts that have a block `ec2` in the inventory."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from provision.cli.ec2_hosts import cloud_run, instances_of, show_run
from provision.cli.nearest_names import NearestNames
from provision.cli.options import format_option, inventory_option, limit_option, target_argument
from provision.errors import Exit, UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.cloud.instance_spec import InstanceSpec
    from provision.inventory import InventoryHost

F = TypeVar("F", bound=Callable[..., Any])
COLUMNS = ("NAME", "INSTANCE", "STATE", "TYPE", "ADDRESS", "PRIVATE", "FIRST BOOT")


@click.group(cls=NearestNames, epilog="Example:  prov ec2 plan web1  &&  prov ec2 up web1")
def ec2() -> None:
    """Make, list and remove the instances of hosts that have a block `ec2`."""


def target_options(command: F) -> F:
    """TARGET, -i, --limit and --format."""
    for option in (format_option, limit_option, inventory_option, target_argument):
        command = option(command)
    return command


def chosen(target: str, inventory: Sequence[str], limit: str | None) -> dict[str, Any]:
    """Return the instances of a target, by name. Raises UsageError and ConfigErrors."""
    from provision.cli.prepare import Scope, select

    return instances_of(select(Scope(target, inventory, limit)))


@ec2.command(epilog="Example:  prov ec2 plan web1")
@target_options
@click.option("--down", is_flag=True, help="What `prov ec2 down` would remove, instead.")
def plan(target: str, inventory: Sequence[str], limit: str | None, out: Format, down: bool) -> int:
    """Show what `up` would make or change in AWS. Changes nothing.

    Exit status: 0 in sync; 3 there are changes; 1 AWS refused; 2 usage or configuration.
    """
    from provision.cloud.cloud_run import steps_down, steps_up

    steps = steps_down if down else steps_up
    return show_run(cloud_run(chosen(target, inventory, limit), steps, plan=True), out, plan=True)


@ec2.command(epilog="Example:  prov ec2 up web1")
@target_options
@click.option("--stop", is_flag=True, help="Stop an instance if a change needs it, such as another type.")
def up(target: str, inventory: Sequence[str], limit: str | None, out: Format, stop: bool) -> int:
    """Make or start instances, and see their first boot through; a second run changes nothing.

    What a run that was cut has left is found by its tags, and finished.
    """
    from provision.cloud.cloud_run import steps_up

    instances = chosen(target, inventory, limit)
    return show_run(cloud_run(instances, steps_up, plan=False, may_stop=stop), out, plan=False)


@ec2.command(epilog="Example:  prov ec2 down web1 --yes")
@target_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def down(target: str, inventory: Sequence[str], limit: str | None, out: Format, yes: bool) -> int:
    """Terminate instances, and remove what prov made for them. Asks first.

    Only what has prov's tags for these hosts is touched.
    """
    from provision.cloud.cloud_run import steps_down

    instances = chosen(target, inventory, limit)
    if not yes:
        if out.FOR_PROGRAMS or not on_terminal():
            raise UsageError("removing instances needs --yes where prov can't ask")
        status = show_run(cloud_run(instances, steps_down, plan=True), out, plan=True)
        if status != Exit.CHANGES:
            return status
        if not click.confirm("Remove all this?", err=True):
            raise click.Abort
    return show_run(cloud_run(instances, steps_down, plan=False), out, plan=False)


def on_terminal() -> bool:
    """Return whether a user can answer."""
    return sys.stdin.isatty()


@ec2.command(name="list", epilog="Example:  prov ec2 list all --json")
@target_options
def list_(target: str, inventory: Sequence[str], limit: str | None, out: Format) -> None:
    """List hosts with their instances, as AWS has them now."""
    found = list(listed(chosen(target, inventory, limit)))
    rows = [tuple(str(event[name]) for name in KEYS) for event in found]
    out.table(found, COLUMNS, rows)
    out.end()


KEYS = ("host", "instance", "state", "type", "address", "private", "first_boot")


def listed(instances: dict[str, tuple[InventoryHost, InstanceSpec]]) -> Iterator[dict[str, Any]]:
    """Yield each host with its instance. Addresses are cached for the commands that connect."""
    from provision.cloud import instance_tags
    from provision.cloud.aws_calls import AwsCalls
    from provision.cloud.ec2_instances import find_instance, state_of
    from provision.cloud.instance_addresses import AddressCache, address_of_instance

    yield from strangers(instances)
    for name, (_, spec) in instances.items():
        event = dict.fromkeys(KEYS, "") | {"event": "instance", "host": name, "region": spec.region}
        cache = AddressCache(spec, name)
        found = find_instance(AwsCalls(spec.region, spec.profile), spec.project, name)
        if found is None:
            cache.forget()
            yield event | {"state": "none"}
            continue
        address = address_of_instance(found, spec)
        if state_of(found) == "running" and address.booted:
            cache.write(address)
        else:
            cache.forget()
        yield event | {
            "instance": address.id,
            "state": state_of(found),
            "type": found["InstanceType"],
            "address": address.address,
            "private": address.private,
            "first_boot": instance_tags.of(found).get(instance_tags.FIRST_BOOT, "not prov's"),
        }


def strangers(instances: dict[str, tuple[InventoryHost, InstanceSpec]]) -> Iterator[dict[str, Any]]:
    """Yield instances of the same projects whose hosts the inventory does not have: they cost money unseen."""
    from provision.cloud.aws_calls import AwsCalls
    from provision.cloud.ec2_instances import of_project, state_of
    from provision.cloud.instance_tags import HOST, of

    known = {name for host, _ in instances.values() for name in host.inventory.hosts}
    places = {(spec.region, spec.profile, spec.project) for _, spec in instances.values()}
    for region, profile, project in sorted(places, key=str):
        for found in of_project(AwsCalls(region, profile), project):
            if (name := of(found).get(HOST, "")) not in known:
                yield dict.fromkeys(KEYS, "") | {
                    "event": "instance",
                    "host": name,
                    "region": region,
                    "instance": found["InstanceId"],
                    "state": f"{state_of(found)}, not in the inventory",
                    "type": found["InstanceType"],
                }


@ec2.command(epilog="Example:  prov ec2 policy all > prov-policy.json")
@target_options
def policy(target: str, inventory: Sequence[str], limit: str | None, out: Format) -> None:
    """Print the least IAM policy for these hosts. Asks AWS nothing."""
    from provision.cloud.least_policy import policy as least

    document = least([spec for _, spec in chosen(target, inventory, limit).values()])
    out.show([{"event": "policy", "policy": document}], [json.dumps(document, indent=2)])
    out.end()


@ec2.command(epilog="Example:  prov ec2 userdata web1 > user-data")
@target_options
@click.option("--bundle", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
              help="Instead: a script that fetches this bundle, checks its SHA-256 and runs it.")  # fmt: skip
@click.option("--at", "url", default="", metavar="URL",
              help="Where instances fetch it: s3://BUCKET/KEY, by their role, or https://...")  # fmt: skip
@click.option("--upload", is_flag=True, help="Put the bundle there first, for s3://.")
@click.option(
    "--identity", default="", metavar="PATH", help="Identity of age on the instance, for the bundle."
)
@click.option(
    "--secrets", default="", metavar="PATH", help="File of secrets on the instance, for the bundle."
)
def userdata(
    target: str,
    inventory: Sequence[str],
    limit: str | None,
    out: Format,
    bundle: Path | None,
    url: str,
    upload: bool,
    identity: str,
    secrets: str,
) -> None:
    """Print user data for one host, as `up` sends it, with a new host key. Asks AWS nothing.

    With --bundle, it is for hosts without a controller, such as those of an autoscaling group: it has no key.
    """
    instances = chosen(target, inventory, limit)
    if len(instances) > 1:
        raise UsageError(f"{target!r} matches {len(instances)} hosts, expected one")
    host, spec = next(iter(instances.values()))
    given = {"identity": identity, "secrets": secrets}
    if bundle is None:
        if url or upload or any(given.values()):
            raise UsageError(
                "--at, --upload, --identity and --secrets are for a bundle", hint="Add --bundle FILE."
            )
        event = with_host_key(host, spec)
    else:
        event = with_bundle(
            host, spec, bundle, url, [w for n, v in given.items() if v for w in (f"--{n}", v)]
        )
        if upload:
            put_bundle(bundle, url, spec)
    out.show([event], [event["user_data"].rstrip("\n")])
    out.end()


def with_host_key(host: InventoryHost, spec: InstanceSpec) -> dict[str, Any]:
    """Return user data as `up` sends it, as a line of --json."""
    from provision.cloud.host_key_pairs import new_host_key
    from provision.cloud.user_data import packed, user_data
    from provision.inventory.ec2_block import own_user_data

    key = new_host_key() if spec.host_key == "handed" else None
    data = user_data(key, own_user_data(host, spec))
    packed(data, str(spec.user_data or ""))
    public = key.public if key is not None else ""
    return {"event": "user_data", "host": host.name, "user_data": data.reveal(), "host_key": public}


def with_bundle(
    host: InventoryHost, spec: InstanceSpec, bundle: Path, url: str, options: Sequence[str]
) -> dict[str, Any]:
    """Return user data that fetches a bundle, as a line of --json. Raises UsageError, ConfigError."""
    from provision.bundles.bundle_boot import boot_script
    from provision.cloud.user_data import packed
    from provision.secrets import Secret

    if not re.fullmatch(r"(s3://[a-z0-9.-]+/|https://[^\s@]+/)[^\s@]+", url):
        raise UsageError(
            f"a bundle is larger than user data may be, so instances fetch it: expected a URL, got {url!r}",
            hint=f"Name its place: --at s3://BUCKET/{host.name}.pyz",
        )
    text = boot_script(bundle, host.name, url, spec.region, options)
    packed(Secret(text))
    return {"event": "user_data", "host": host.name, "user_data": text, "url": url}


def put_bundle(bundle: Path, url: str, spec: InstanceSpec) -> None:
    """Put a bundle into S3. Raises UsageError, CloudError."""
    from provision.bundles.bundle_boot import upload
    from provision.cloud.aws_calls import AwsCalls

    if not url.startswith("s3://"):
        raise UsageError(f"--upload is for s3://BUCKET/KEY, not {url!r}")
    upload(bundle, url, AwsCalls(spec.region, spec.profile))
