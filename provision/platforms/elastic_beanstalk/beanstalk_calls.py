"""Requests to Elastic Beanstalk for the environments of a target. Source: Elastic Beanstalk API reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.cloud.cloud_errors import CloudError
from provision.platforms.aws_release import TARGET
from provision.platforms.aws_requests import TargetCalls
from provision.platforms.elastic_beanstalk.environment_block import EnvironmentBlock
from provision.platforms.elastic_beanstalk.environment_options import Options, live_options

#: codes for what an account has too many of -> what to do
TOO_MANY = {
    "TooManyApplicationsException": "Remove unused applications, or ask for more in Service Quotas.",
    "TooManyApplicationVersionsException": "Remove old versions, or ask for more in Service Quotas.",
    "TooManyEnvironmentsException": "Terminate unused environments, or ask for more in Service Quotas.",
    "TooManyBucketsException": "Remove unused buckets, or ask for more in Service Quotas.",
}
GONE = "Terminated"


class BeanstalkCalls(TargetCalls):
    """Requests for one target. Raises CloudError for a region or profile that can't be used."""

    def __init__(self, block: EnvironmentBlock) -> None:
        super().__init__(block.region, block.profile)
        self.bucket = block.bucket

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Return Elastic Beanstalk's answer to a request. Raises CloudError."""
        try:
            return self.call(f"elasticbeanstalk:{operation}", **arguments)
        except CloudError as error:
            if error.code in TOO_MANY:
                error.hint = TOO_MANY[error.code]
            raise

    def environment(self, name: str) -> dict[str, Any] | None:
        """Return the environment of a name, of whatever application; None if there is none. Raises CloudError."""
        return next((each for each in self.environments(EnvironmentNames=[name])), None)

    def environments(self, **which: Any) -> list[dict[str, Any]]:
        """Return the environments of the account that have not ended. Raises CloudError."""
        every = self.every(
            "elasticbeanstalk:DescribeEnvironments", "Environments", IncludeDeleted=False, **which
        )
        return [each for each in every if each.get("Status") != GONE]

    def application(self, name: str) -> dict[str, Any] | None:
        """Return an application, or None. Raises CloudError."""
        found = self.ask("DescribeApplications", ApplicationNames=[name]).get("Applications") or ()
        return next((each for each in found if each["ApplicationName"] == name), None)

    def versions(self, application: str) -> dict[str, dict[str, Any]]:
        """Return the versions of an application, by label. Raises CloudError."""
        every = self.every(
            "elasticbeanstalk:DescribeApplicationVersions", "ApplicationVersions", ApplicationName=application
        )
        return {str(each["VersionLabel"]): each for each in every}

    def options(self, environment: Mapping[str, Any]) -> Options:
        """Return the option settings of an environment. Raises CloudError."""
        answer = self.ask(
            "DescribeConfigurationSettings",
            ApplicationName=environment["ApplicationName"],
            EnvironmentName=environment["EnvironmentName"],
        )
        (found,) = answer["ConfigurationSettings"]
        return live_options(found.get("OptionSettings") or ())

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of an application or an environment. Raises CloudError."""
        answer = self.ask("ListTagsForResource", ResourceArn=arn)
        return {str(each["Key"]): str(each.get("Value", "")) for each in answer.get("ResourceTags") or ()}

    def is_of(self, arn: str, target: str) -> bool:
        """Return whether prov has made something for a target. Raises CloudError."""
        return self.tags(arn).get(TARGET) == target

    def stacks(self) -> list[str]:
        """Return the names of all solution stacks, newest first. Raises CloudError."""
        return [str(each) for each in self.ask("ListAvailableSolutionStacks").get("SolutionStacks") or ()]

    def bundle_size(self, key: str) -> int | None:
        """Return the size of a bundle in bytes; None if it is not in the bucket. Raises CloudError."""
        answer = self.found("s3:HeadObject", Bucket=self.bucket, Key=key)
        return int(answer["ContentLength"]) if answer else None
