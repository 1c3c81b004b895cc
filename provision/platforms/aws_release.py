"""What a release is on every platform of AWS: whose its resources are, and where its secrets and lines go."""

from __future__ import annotations

from provision.platforms.mapped_release import MappedRelease
from provision.values import dataclass

#: tags that say whose something is
TARGET, APP = "prov:target", "prov:app"


@dataclass(frozen=True)
class AwsRelease(MappedRelease):
    """A release of an application on a target in AWS."""

    @property
    def home(self) -> tuple[str, str]:
        """Return its region, and the ARN of a role of its account."""
        raise NotImplementedError

    @property
    def log_group(self) -> str:
        """Return the name of its log group."""
        raise NotImplementedError

    @property
    def log_days(self) -> int:
        """Return the days for which its lines are kept."""
        raise NotImplementedError

    @property
    def tags(self) -> dict[str, str]:
        """Return the tags that say whose its resources are."""
        return {TARGET: self.host.name, APP: self.app.name}

    @property
    def tag_list(self) -> list[dict[str, str]]:
        """Return them as SSM and EventBridge take tags."""
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of something in its region: of the partition and the account that its role is in."""
        region, role = self.home
        return arn_beside(role, region, service, resource)

    @property
    def parameter_path(self) -> str:
        """Return the path of its secrets in SSM."""
        return f"{parameters_of(self.host.name)}/{self.app.name}"


def arn_beside(role: str, region: str, service: str, resource: str) -> str:
    """Return the ARN of something in a region, of the partition and the account that a role is in. role: its ARN."""
    _, partition, _, _, account, *_ = role.split(":")
    return f"arn:{partition}:{service}:{region}:{account}:{resource}"


def parameters_of(target: str) -> str:
    """Return the path of a target's secrets in SSM."""
    return f"/prov/{target}"
