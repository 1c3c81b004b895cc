"""What a target names in AWS and must exist, looked at before anything is changed.

Source: API references of Elastic Beanstalk, IAM and S3.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Sequence

from provision.cloud.cloud_errors import DENIED, CloudError
from provision.errors import ProvError
from provision.platforms.aws_roles import refuse_unusable_role
from provision.platforms.elastic_beanstalk.beanstalk_calls import TOO_MANY, BeanstalkCalls
from provision.platforms.elastic_beanstalk.environment_block import EnvironmentBlock
from provision.platforms.elastic_beanstalk.environment_steps import LiveEnvironment
from provision.platforms.elastic_beanstalk.mapped_environments import MappedEnvironment
from provision.platforms.platform_run import Note
from provision.steps.base import listed

SERVICE = "elasticbeanstalk.amazonaws.com"
GUIDE = "https://docs.aws.amazon.com/elasticbeanstalk/latest/dg"
ROLES = f"{GUIDE}/concepts-roles.html"
#: solution stacks that an error names
NEAR = 5


def refuse_missing(calls: BeanstalkCalls, block: EnvironmentBlock, note: Note) -> None:
    """Raise ProvError for a role, an instance profile or a bucket that can't be used."""
    refuse_unusable_role(calls, block.service_role, "service_role", SERVICE, ROLES, note)
    try:
        profile = calls.found("iam:GetInstanceProfile", InstanceProfileName=block.instance_profile)
    except CloudError as error:
        if error.code not in DENIED:
            raise
        note(f"the instance profile {block.instance_profile} is not checked: {error.message}")
    else:
        if profile is None:
            raise ProvError(
                f"there is no instance profile {block.instance_profile}",
                hint=f"Create it, or correct `instance_profile`. What its role needs:  {ROLES}",
            )
    try:
        there = calls.found("s3:HeadBucket", Bucket=block.bucket) is not None
    except CloudError as error:
        # HeadBucket has no body, and so no code but the status
        if error.code not in ("403", "301"):
            raise
        why = "is another account's" if error.code == "403" else "is in another region"
        raise ProvError(f"the bucket {block.bucket} {why}", hint="Correct `bucket`.") from None
    if not there:
        line = f"aws s3 mb s3://{block.bucket} --region {block.region}"
        raise ProvError(f"there is no bucket {block.bucket}", hint=f"Create it, or correct `bucket`:  {line}")


def stack_of(mapped: MappedEnvironment, live: LiveEnvironment | None, stacks: Sequence[str]) -> str:
    """Return the solution stack of an environment: its own if that fits, else the newest one that does.

    Raises ProvError if none fits, with the nearest ones.
    """
    now = str(live.state.get("SolutionStackName") or "") if live else ""
    if now and fnmatch.fnmatchcase(now, mapped.stack):
        return now
    fitting = fnmatch.filter(stacks, mapped.stack)
    if not fitting:
        # versions change with each release, and say nothing of what is near
        bare = {re.sub(r"v\d+\.\d+\.\d+", "*", each): None for each in stacks}
        near = difflib.get_close_matches(mapped.stack, list(bare), n=NEAR, cutoff=0.5) or list(bare)[:NEAR]
        raise ProvError(
            f"Elastic Beanstalk has no solution stack {mapped.stack!r} in {mapped.block.region}; near ones:"
            + "".join(f"\n    {each}" for each in near),
            hint="Correct `stack` of the block `elastic_beanstalk`, or `python` of the application.",
        )
    return max(fitting, key=version_in)


def version_in(stack: str) -> tuple[int, ...]:
    """Return the version that a solution stack's name has."""
    found = re.search(r"v(\d+(?:\.\d+)*)", stack)
    return tuple(int(each) for each in found[1].split(".")) if found else ()


def refuse_taken(calls: BeanstalkCalls, mapped: MappedEnvironment, cname: str) -> None:
    """Raise ProvError for a new environment whose address is another's, or that is one too many."""
    answer = calls.ask("CheckDNSAvailability", CNAMEPrefix=cname)
    if not answer["Available"]:
        raise ProvError(
            f"the address {answer.get('FullyQualifiedCNAME') or cname} is taken by another environment",
            hint="Name another one by `cname` of the block `elastic_beanstalk`.",
        )
    most = (quotas(calls).get("EnvironmentQuota") or {}).get("Maximum")
    every = calls.environments() if most else []
    if most and len(every) >= most:
        names = listed(sorted(each["EnvironmentName"] for each in every))
        raise ProvError(
            f"the account has {len(every)} environments in {mapped.block.region}, and may have {most}: {names}",
            hint=TOO_MANY["TooManyEnvironmentsException"],
        )


def refuse_full(calls: BeanstalkCalls, mapped: MappedEnvironment) -> None:
    """Raise ProvError if the account can't have another version."""
    most = (quotas(calls).get("ApplicationVersionQuota") or {}).get("Maximum")
    if most is None:
        return
    every = sum(1 for _ in calls.every("elasticbeanstalk:DescribeApplicationVersions", "ApplicationVersions"))
    if every >= most:
        raise ProvError(
            f"the account has {every} application versions in {mapped.block.region}, and may have {most}",
            hint=TOO_MANY["TooManyApplicationVersionsException"],
        )


def quotas(calls: BeanstalkCalls) -> dict[str, dict[str, int]]:
    """Return how much an account may have. Raises CloudError."""
    found: dict[str, dict[str, int]] = calls.ask("DescribeAccountAttributes").get("ResourceQuotas") or {}
    return found
