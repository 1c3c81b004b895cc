"""Requests to AWS for targets: what does not exist is an answer."""

from __future__ import annotations

from typing import Any

from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError

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
        """Return the rules of EventBridge that prov has made for a target, by name. Raises CloudError."""
        found = {}
        for each in self.every("events:ListRules", "Rules", NamePrefix=f"{target}-"):
            tags = self.call("events:ListTagsForResource", ResourceARN=each["Arn"]).get("Tags", ())
            if any((tag["Key"], tag["Value"]) == ("prov:target", target) for tag in tags):
                found[str(each["Name"])] = each
        return found
