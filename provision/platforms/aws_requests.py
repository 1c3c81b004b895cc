"""Requests to AWS for targets: what does not exist is an answer."""

from __future__ import annotations

import shlex
from typing import Any

from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError
from provision.platforms.aws_release import TARGET

#: codes of AWS for what does not exist
MISSING = (
    *("ResourceNotFoundException", "NotFoundException", "ParameterNotFound", "NoSuchEntity", "404"),
    *("TargetGroupNotFound", "ListenerNotFound", "RuleNotFound"),
)


class TargetCalls(AwsCalls):
    """Requests for one target. Raises CloudError for a region or profile that can't be used."""

    def found(self, action: str, **arguments: Any) -> dict[str, Any] | None:
        """Return the answer to a request, or None for what does not exist. Raises CloudError."""
        try:
            return self.call(action, **arguments)
        except CloudError as error:
            if error.code in MISSING:
                return None
            raise

    def log_group(self, name: str) -> dict[str, Any] | None:
        """Return a log group, or None. Raises CloudError."""
        found = self.every(
            "logs:DescribeLogGroups",
            "logGroups",
            sends="nextToken",
            gets="nextToken",
            logGroupNamePrefix=name,
        )
        return next((each for each in found if each["logGroupName"] == name), None)

    def parameters(self, path: str) -> dict[str, dict[str, Any]]:
        """Return the parameters of SSM below a path, by name, with their values. Raises CloudError."""
        found = self.every(
            "ssm:GetParametersByPath", "Parameters", Path=path, Recursive=True, WithDecryption=True
        )
        return {str(each["Name"]): each for each in found}

    def rules_of(self, target: str) -> dict[str, dict[str, Any]]:
        """Return the rules of EventBridge that prov has made for a target, by name, with their tags as "Tags".

        Raises CloudError.
        """
        found = {}
        for each in self.every("events:ListRules", "Rules", NamePrefix=f"{target}-"):
            answer = self.call("events:ListTagsForResource", ResourceARN=each["Arn"])
            tags = {tag["Key"]: tag["Value"] for tag in answer.get("Tags", ())}
            if tags.get(TARGET) == target:
                found[str(each["Name"])] = {**each, "Tags": tags}
        return found


def aws_line(region: str, profile: str | None, *words: str) -> str:
    """Return a command line of AWS's own program."""
    given = ["--profile", profile] if profile else []
    return shlex.join(["aws", *given, "--region", region, *words])
