"""Names of what a target has in AWS. Source: ECS, EventBridge, Elastic Load Balancing: what each may be."""

from __future__ import annotations

import re

from provision.apps.app_releases import short_hash

#: of a family or a service; of a rule of EventBridge; of a target group
LONGEST, LONGEST_RULE, LONGEST_GROUP = 255, 64, 32


def part_name(target: str, app: str, component: str) -> str:
    """Return the name of the service, task definition and rule of a part. component: `web`, `process-NAME`, `job-NAME`,
    `release-N`."""
    return f"{target}-{app}-{component}"


def group_name(target: str, app: str) -> str:
    """Return the name of an application's target group."""
    whole = f"{target}-{app}"
    if len(whole) <= LONGEST_GROUP and re.fullmatch(r"[A-Za-z0-9]+(-+[A-Za-z0-9]+)*", whole):
        return whole
    words = re.sub("[^A-Za-z0-9]+", "-", whole)[:18].strip("-")
    return f"{words}-{short_hash(whole)}".strip("-")


def log_group(target: str, app: str) -> str:
    """Return the name of an application's log group."""
    return f"/prov/{target}/{app}"
