"""The instances of one host, found by their tags."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from provision.cloud import instance_tags
from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError

#: seconds between two looks at an instance, and until prov gives up waiting for a state
LOOK, PATIENCE = 3.0, 600.0
#: states that are over
GONE = ("shutting-down", "terminated")
Instance = dict[str, Any]
Note = Callable[[str], None]


def state_of(instance: Instance) -> str:
    """Return "running", "stopped", ..."""
    name: str = instance["State"]["Name"]
    return name


def find_instance(aws: AwsCalls, project: str, host: str) -> Instance | None:
    """Return the instance of a host, in any state but terminated. Raises CloudError if there are two."""
    found = [each for each in described(aws, project, host) if state_of(each) not in GONE]
    if len(found) > 1:
        names = ", ".join(f"{each['InstanceId']} ({state_of(each)})" for each in found)
        raise CloudError(
            f"{len(found)} instances have the tags of {host}: {names}",
            hint=f"One host is one instance. Terminate the others, or take the tag {instance_tags.HOST} off them.",
        )
    return found[0] if found else None


def described(aws: AwsCalls, project: str, host: str) -> list[Instance]:
    """Return every instance with the tags of a host, also those that are ending."""
    reservations = aws.every(
        "ec2:DescribeInstances", "Reservations", Filters=instance_tags.filters(project, host)
    )
    return [instance for each in reservations for instance in each["Instances"]]


def of_project(aws: AwsCalls, project: str) -> list[Instance]:
    """Return the instances of a project that have not ended."""
    filters = [{"Name": f"tag:{instance_tags.PROJECT}", "Values": [project]}]
    found = aws.every("ec2:DescribeInstances", "Reservations", Filters=filters)
    return [i for each in found for i in each["Instances"] if state_of(i) not in GONE]


def wait_for(aws: AwsCalls, instance_id: str, wanted: str, note: Note) -> Instance:
    """Wait until an instance is in a state, and return it. Raises CloudError if it can't get there any more.

    wanted: "running", "stopped" or "terminated".  note: called with progress.
    """
    end, said = time.monotonic() + PATIENCE, ""
    while True:
        instance = look(aws, instance_id)
        state = "unknown" if instance is None else state_of(instance)
        if instance is not None and state == wanted:
            return instance
        if instance is None and wanted == "terminated":
            return {"InstanceId": instance_id, "State": {"Name": "terminated"}}
        if state in GONE and wanted != "terminated":
            reason = (instance or {}).get("StateReason", {}).get("Message", "AWS gives no reason")
            raise CloudError(
                f"{instance_id} was terminated while prov waited for it to be {wanted}: {reason}",
                hint="Run the command again to make another. If it is a spot instance, AWS may have taken it back.",
            )
        if time.monotonic() > end:
            raise CloudError(
                f"{instance_id} is {state} after {PATIENCE:.0f} s, expected {wanted}",
                hint="Run the same command again: prov continues where it was.",
            )
        if state != said:
            note(f"{instance_id} is {state}; waiting until it is {wanted}")
            said = state
        time.sleep(LOOK)


def look(aws: AwsCalls, instance_id: str) -> Instance | None:
    """Return an instance by its id; None while, or once, AWS does not know it."""
    try:
        found = list(aws.every("ec2:DescribeInstances", "Reservations", InstanceIds=[instance_id]))
    except CloudError as error:
        if error.code == "InvalidInstanceID.NotFound":
            return None
        raise
    return found[0]["Instances"][0] if found else None
