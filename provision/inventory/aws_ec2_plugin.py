"""Inventories that ask AWS: files whose `plugin` is aws_ec2, in the form of Ansible's plugin of that name.

Source: Ansible, amazon.aws.aws_ec2 (inventory). Options of its cache plugins are taken and ignored: prov has its own.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import Field

from provision.inventory.constructed_plugin import Constructed, checked, construct
from provision.inventory.located import Located
from provision.inventory.template_text import verbatim
from provision.inventory.unresolved import Draft
from provision.user_cache import cache_folder

GROUP = "aws_ec2"
IGNORED = ("cache_plugin", "cache_connection", "cache_prefix", "use_extra_vars", "use_ssm_inventory")
Words = list[str]


class Options(Constructed):
    """What such a file may say."""

    regions: Words = Field([])
    profile: str | None = Field(None, validation_alias="profile")
    filters: dict[str, Any] = Field({})
    include_filters: list[dict[str, Any]] = Field([])
    exclude_filters: list[dict[str, Any]] = Field([])
    hostnames: list[str | dict[str, Any]] = Field([])
    allow_duplicated_hosts: bool = False
    hostvars_prefix: str = ""
    hostvars_suffix: str = ""
    strict_permissions: bool = True
    cache: bool = False
    cache_timeout: int = 3600


#: names that Ansible has for `profile`
ALIASES = ("aws_profile", "boto_profile")


def load(document: Located, draft: Draft) -> None:
    """Add the hosts and groups that AWS has to the draft. Raises CloudError; errors of the file go to the draft."""
    options = options_of(document, draft)
    if options is None:
        return
    for instance in instances(options):
        add(instance, options, document, draft)


def options_of(document: Located, draft: Draft) -> Options | None:
    """Return the options of a file, or None after adding its errors."""
    given = {key: value for key, value in document.value.items() if key not in IGNORED}
    for alias in ALIASES:
        if alias in given:
            given["profile"] = given.pop(alias)
    return checked(Options, given, document, draft, more=ALIASES)


def instances(options: Options) -> list[dict[str, Any]]:
    """Return descriptions of the instances, from the cache if the file asks for one."""
    asked = options.model_dump_json(
        include={"regions", "profile", "filters", "include_filters", "exclude_filters"}
    )
    file = cache_folder("ec2-inventory") / hashlib.sha256(asked.encode()).hexdigest()[:32]
    if options.cache and (cached := recalled(file, options.cache_timeout)) is not None:
        return cached
    # imported here: it brings boto3
    from provision.cloud.described_instances import instances_in, snake_case

    include = [options.filters, *options.include_filters]
    if options.include_filters and not options.filters:
        include = options.include_filters
    found = instances_in(options.regions, options.profile, include, options.exclude_filters)
    if options.cache:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        # times become text
        new.write_text(json.dumps(found, default=snake_case), encoding="utf-8")
        new.replace(file)
    return found


def recalled(file: Path, seconds: int) -> list[dict[str, Any]] | None:
    """Return what a cache file has, unless it is old, missing or damaged."""
    with suppress(OSError, ValueError):
        if 0 <= time.time() - file.stat().st_mtime < seconds:
            found = json.loads(file.read_text(encoding="utf-8"))
            return found if isinstance(found, list) else None
    return None


def add(instance: Mapping[str, Any], options: Options, document: Located, draft: Draft) -> None:
    """Add one instance under its names, with its variables and groups."""
    from provision.cloud.described_instances import host_names, host_variables

    variables = host_variables(instance, options.hostvars_prefix, options.hostvars_suffix)
    draft.add_group(GROUP, document.origin)
    for name in host_names(instance, options.hostnames, every=options.allow_duplicated_hosts):
        draft.add_host(name, GROUP, document.origin)
        for key, value in variables.items():
            draft.set_host_var(name, key, Located(verbatim(value), document.origin))
        construct(name, options, document, draft)
