"""Names of what a target has in AWS. Source: Elastic Beanstalk API reference, CreateEnvironment,
CreateApplicationVersion."""

from __future__ import annotations

#: of an environment, in characters
SHORTEST, LONGEST = 4, 40
#: what the name and the address of the second environment end with
SECOND = "-2"


def environment_name(target: str, app: str) -> str:
    """Return the name of an application's environment, and of its application there."""
    return f"{target}-{app}"


def bundle_key(target: str, app: str, label: str) -> str:
    """Return the key of a bundle in its bucket."""
    return f"prov/{target}/{app}/{label}.zip"


def version_label(release: str, contents: str) -> str:
    """Return the label of a version. contents: digest of its bundle."""
    return f"{release}-{contents}"


def described(target: str, app: str, release: str) -> str:
    """Return the description of a version, which says that prov has made it."""
    return f"prov {target} {app} {release}"


def release_of_label(label: str) -> str:
    """Return the release of a version."""
    return label.partition("-")[0]


def log_group(environment: str, process: str) -> str:
    """Return the log group of a process's lines, which Elastic Beanstalk makes."""
    return f"/aws/elasticbeanstalk/{environment}/var/log/{process}.stdout.log"


def engine_log_group(environment: str) -> str:
    """Return the log group of the platform's own lines on instances: hooks, commands of releases."""
    return f"/aws/elasticbeanstalk/{environment}/var/log/eb-engine.log"
