"""What a target names in AWS and must exist, looked at before anything is changed.

Source: API references of ECS, EC2 and Elastic Load Balancing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from provision.cloud.cloud_errors import DENIED, CloudError
from provision.errors import ProvError
from provision.platforms.aws_roles import refuse_unusable_role
from provision.platforms.ecs.ecs_calls import EcsCalls
from provision.platforms.ecs.mapped_services import MappedService
from provision.platforms.ecs.service_block import ServiceBlock
from provision.platforms.platform_run import Note
from provision.steps.base import listed

TASKS, EVENTS = "ecs-tasks.amazonaws.com", "events.amazonaws.com"
GUIDE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide"
EXECUTION, TASK = f"{GUIDE}/task_execution_IAM_role.html", f"{GUIDE}/task-iam-roles.html"
SCHEDULE = f"{GUIDE}/CWE_IAM_role.html"
#: a repository of ECR: its account, region and name
ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(.+)")
NO_IMAGE = ("RepositoryNotFoundException", "ImageNotFoundException")
#: codes of EC2 for what does not exist
ABSENT = ("InvalidSubnetID.NotFound", "InvalidGroup.NotFound")
#: attribute of instances, and ECS's names of architectures there
ATTRIBUTE = "ecs.cpu-architecture"
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
#: instances that are asked for their architecture
INSTANCES = 100


def vpc_of(calls: EcsCalls, apps: Sequence[MappedService], note: Note, *, plan: bool) -> str:
    """Return the ID of the tasks' VPC. Raises ProvError for what does not exist, or does not fit.

    plan: an image may be pushed after a plan, which only says that it is missing.
    """
    block = apps[0].block
    refuse_cluster(calls, block, apps)
    vpc = network_vpc(calls, block)
    refuse_unusable_role(calls, block.execution_role, "execution_role", TASKS, EXECUTION, note)
    if block.task_role:
        refuse_unusable_role(calls, block.task_role, "task_role", TASKS, TASK, note)
    if block.schedule_role and any(mapped.app.jobs for mapped in apps):
        refuse_unusable_role(calls, block.schedule_role, "schedule_role", EVENTS, SCHEDULE, note)
    if block.listener:
        refuse_listener(calls, block.listener, vpc)
    for mapped in apps:
        said = absent_image(calls, mapped)
        hint = f"prov image push {mapped.host.name} {mapped.app.name}"
        if said and not plan:
            raise ProvError(said, hint=f"Push it:  {hint}")
        if said:
            note(f"{said}; push it before you deploy:  {hint}")
    return vpc


def absent_image(calls: EcsCalls, mapped: MappedService) -> str:
    """Return that an image is not in its registry; "" if it is, or the registry is not ECR, or may not be asked."""
    repository, _, tag = mapped.image.rpartition(":")
    found = ECR.fullmatch(repository)
    if found is None or found[2] != mapped.block.region:
        return ""
    image = {"registryId": found[1], "repositoryName": found[3], "imageIds": [{"imageTag": tag}]}
    try:
        there = bool(calls.call("ecr:DescribeImages", **image)["imageDetails"])
    except CloudError as error:
        if error.code not in (*NO_IMAGE, *DENIED):
            raise
        there = error.code in DENIED
    return "" if there else f"{mapped.image} is not in the registry"


def refuse_cluster(calls: EcsCalls, block: ServiceBlock, apps: Sequence[MappedService]) -> None:
    """Raise ProvError for a cluster that can't be used."""
    found = calls.call("ecs:DescribeClusters", clusters=[block.cluster])["clusters"]
    cluster = next((each for each in found if each.get("status") == "ACTIVE"), None)
    if cluster is None:
        names = calls.every("ecs:ListClusters", "clusterArns", sends="nextToken", gets="nextToken")
        there = listed(sorted(str(arn).rpartition("/")[2] for arn in names), most=10) or "none"
        raise ProvError(
            f"there is no cluster {block.cluster!r} in {block.region}; there are: {there}",
            hint=f"Correct `cluster`, or create it:  aws ecs create-cluster --cluster-name {block.cluster}",
        )
    if block.launch != "ec2":
        return
    if not cluster.get("registeredContainerInstancesCount"):
        hint = "Register instances, or let tasks run on Fargate:  launch: fargate"
        raise ProvError(f"the cluster {block.cluster} has no instances, which `launch: ec2` needs", hint=hint)
    kinds = architectures(calls)
    for mapped in apps:
        wanted = ARCHITECTURES[mapped.image_settings.architecture]
        if kinds and wanted not in kinds:
            raise ProvError(
                f"the image of {mapped.app.name} is for {wanted}, and instances of {block.cluster} are"
                f" {', '.join(sorted(kinds))}",
                hint="Set `architecture` of its `image`, and build it again.",
            )


def architectures(calls: EcsCalls) -> set[str]:
    """Return the architectures of a cluster's instances, as ECS names them."""
    arns = calls.call("ecs:ListContainerInstances", cluster=calls.cluster, maxResults=INSTANCES)
    if not arns["containerInstanceArns"]:
        return set()
    answer = calls.call(
        "ecs:DescribeContainerInstances",
        cluster=calls.cluster,
        containerInstances=arns["containerInstanceArns"],
    )
    return {
        str(each["value"])
        for instance in answer["containerInstances"]
        for each in instance.get("attributes") or ()
        if each["name"] == ATTRIBUTE
    }


def network_vpc(calls: EcsCalls, block: ServiceBlock) -> str:
    """Return the VPC of the block's subnets. Raises ProvError if they or the security groups are not all in one."""
    subnets = described(calls, "ec2:DescribeSubnets", SubnetIds=list(block.subnets))["Subnets"]
    vpcs = {str(each["VpcId"]) for each in subnets}
    if len(vpcs) > 1:
        raise ProvError(
            f"the subnets are in {len(vpcs)} VPCs: {', '.join(sorted(vpcs))}",
            hint="Name subnets of one of them in the block `ecs`.",
        )
    (vpc,) = vpcs
    answer = described(calls, "ec2:DescribeSecurityGroups", GroupIds=list(block.security_groups))
    strangers = sorted(each["GroupId"] for each in answer["SecurityGroups"] if each["VpcId"] != vpc)
    if strangers:
        raise ProvError(
            f"security groups are not in {vpc}, where the subnets are: {', '.join(strangers)}",
            hint="Name security groups of that VPC in the block `ecs`.",
        )
    return vpc


def described(calls: EcsCalls, action: str, **wanted: list[str]) -> dict[str, Any]:
    """Return what EC2 has of the wanted things. Raises ProvError if one of them does not exist."""
    try:
        return calls.call(action, **wanted)
    except CloudError as error:
        if error.code not in ABSENT:
            raise
        raise ProvError(error.message, hint="Correct the block `ecs`.") from None


def refuse_listener(calls: EcsCalls, listener: str, vpc: str) -> None:
    """Raise ProvError for a listener that does not exist, or can't reach the tasks."""
    answer = calls.found("elbv2:DescribeListeners", ListenerArns=[listener])
    if not answer or not answer["Listeners"]:
        hint = "Correct `listener`:  aws elbv2 describe-listeners --load-balancer-arn ARN  lists them."
        raise ProvError(f"there is no listener {listener}", hint=hint)
    balancer = answer["Listeners"][0]["LoadBalancerArn"]
    found = calls.call("elbv2:DescribeLoadBalancers", LoadBalancerArns=[balancer])["LoadBalancers"][0]
    if found["VpcId"] != vpc:
        raise ProvError(
            f"the load balancer {found['LoadBalancerName']} is in {found['VpcId']}, and the tasks are in {vpc}",
            hint="Name subnets and a listener of one VPC in the block `ecs`.",
        )
