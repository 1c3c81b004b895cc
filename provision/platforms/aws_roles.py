"""Roles that services of AWS assume, looked at before anything is changed. Source: IAM API reference, GetRole."""

from __future__ import annotations

import json

from provision.cloud.cloud_errors import DENIED, CloudError
from provision.errors import ProvError
from provision.platforms.aws_requests import TargetCalls
from provision.platforms.platform_run import Note


def refuse_unusable_role(
    calls: TargetCalls, arn: str, setting: str, service: str, where: str, note: Note
) -> None:
    """Raise ProvError for a role that does not exist, or that a service may not assume.

    setting: of the block, which names it.  service: as policies name it, "lambda.amazonaws.com".
    where: address of a page that says what the role needs.
    """
    name = arn.rpartition("/")[2]
    try:
        answer = calls.found("iam:GetRole", RoleName=name)
    except CloudError as error:
        if error.code not in DENIED:
            raise
        note(f"the role {name} is not checked: {error.message}")
        return
    policy = f"Its policy, and who must trust whom:  {where}"
    if answer is None:
        raise ProvError(f"there is no role {arn}", hint=f"Create it, or correct `{setting}`. {policy}")
    if service not in json.dumps(answer["Role"].get("AssumeRolePolicyDocument") or {}):
        said = f"the role {name} does not trust {service}, which so can't assume it"
        raise ProvError(said, hint=policy)
