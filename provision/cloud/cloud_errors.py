"""Errors of AWS in plain words, with what to do next.

Source: Amazon EC2 API Reference, "Error codes"; botocore's exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from provision.errors import ProvError, UnreachableError


class CloudError(ProvError):
    """AWS refused a request, or could not be asked. code: AWS's, or "" if no answer came."""

    def __init__(self, message: str, *, where: str = "", hint: str = "", code: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code


class NoInstance(UnreachableError):
    """A host's instance does not exist, or does not run."""


#: no capacity, or not this type here: the next type or zone may work
NO_CAPACITY = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientFreeAddressesInSubnet",
        "SpotMaxPriceTooLow",
        "Unsupported",
    }
)
DENIED = frozenset({"UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "NotAuthorized"})
QUOTA = frozenset(
    {
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "AddressLimitExceeded",
        "SecurityGroupLimitExceeded",
        "RulesPerSecurityGroupLimitExceeded",
        "VolumeLimitExceeded",
        "TagLimitExceeded",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
BAD_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "Blocked",
        "OptInRequired",
    }
)


def refused(action: str, answer: Mapping[str, Any], *, profile: str, region: str) -> CloudError:
    """Return the error for an answer of AWS. action: "ec2:RunInstances".  profile: whose credentials were used."""
    error = answer.get("Error", {})
    code, said = str(error.get("Code", "")), str(error.get("Message", "")).rstrip(".")
    said = re.sub(r"\s*Encoded authorization failure message: \S+", "", said)
    if code in DENIED:
        return CloudError(
            f"{profile} may not {action} in {region}",
            hint=f'This policy is enough for it: {{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",'
            f' "Action": "{action}", "Resource": "*"}}]}}\n'
            + ("`prov ec2 policy TARGET` prints all that prov needs." if action.startswith("ec2:") else ""),
            code=code,
        )
    if code in EXPIRED:
        return CloudError(
            f"the credentials of {profile} have expired",
            hint="Log in again (aws sso login), then run the same command: prov continues where it was.",
            code=code,
        )
    if code in BAD_CREDENTIALS:
        return CloudError(
            f"AWS does not accept the credentials of {profile}: {said}",
            hint="Check ~/.aws/credentials or AWS_ACCESS_KEY_ID and this machine's clock; some regions must be"
            " enabled for an account first.",
            code=code,
        )
    if code in QUOTA:
        return CloudError(
            f"a quota of the account is used up in {region}: {said} ({code})",
            hint="Remove what is unused (prov ec2 list all), take another type, or ask for more in Service Quotas.",
            code=code,
        )
    return CloudError(f"{action} in {region}: {said} ({code})", code=code)


def unanswered(error: Exception, *, profile: str, region: str) -> CloudError:
    """Return the error for a request that got no answer. error: botocore's."""
    kind = type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
        return CloudError(
            f"no credentials for AWS were found{f' for {profile}' if 'profile' in profile else ''}",
            hint="Log in (aws sso login, aws configure), or set AWS_PROFILE or AWS_ACCESS_KEY_ID.",
        )
    if kind in ("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError"):
        return CloudError(f"the login of {profile} has expired", hint="Log in again: aws sso login")
    if kind == "ProfileNotFound":
        return CloudError(
            f"~/.aws/config has no {profile.removeprefix('the ')}",
            hint="aws configure list-profiles lists them.",
        )
    return CloudError(
        f"AWS could not be reached in {region}: {error}",
        hint="Is the region right, and does this machine reach the internet? AWS_ENDPOINT_URL names another place.",
    )
