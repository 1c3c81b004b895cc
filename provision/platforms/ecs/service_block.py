"""The block `ecs:` of a target. Source: Amazon ECS API reference and developer guide, "Task size", for what each value
may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from provision.apps.settings import Settings
from provision.inventory import InventoryHost
from provision.inventory.fields import OneLine, matching
from provision.inventory.validation import validate
from provision.platforms.block_fields import LogDays, Region, Repository, RoleArn, SecurityGroup, Subnet

BLOCK = "ecs"
#: processors of a Fargate task, in 1024ths -> its least and most memory, and the steps between, in MB. 256 has no steps
FARGATE = {
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}
SMALLEST, SMALLEST_MEMORY = 256, (512, 1024, 2048)

Cluster = Annotated[str, matching(r"[A-Za-z0-9_-]{1,255}", "the name of a cluster")]
ListenerArn = Annotated[
    str,
    matching(
        r"arn:aws[\w-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:listener/app/[\w-]+/[0-9a-z]+/[0-9a-z]+",
        "the ARN of a listener of an application load balancer",
    ),
]
SecretArn = Annotated[
    str,
    matching(
        r"arn:aws[\w-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@-]+",
        "the ARN of a secret of Secrets Manager",
    ),
]


class ServiceBlock(Settings):
    """A place in AWS for the services of a target."""

    region: Region = Field(description="The region.")
    profile: OneLine | None = Field(
        default=None,
        description="The profile of ~/.aws/config. Default: AWS_PROFILE, or the usual credentials.",
    )
    cluster: Cluster = Field(description="The cluster, which must exist.")
    launch: Literal["fargate", "ec2"] = Field(
        default="fargate", description="`fargate`, or `ec2`: instances of the cluster."
    )
    registry: Repository = Field(description="Where the images are: that of `shop` is REGISTRY/shop:RELEASE.")
    pull_secret: SecretArn | None = Field(
        default=None,
        description="The secret of Secrets Manager with the login to the registry. Default: the execution role.",
    )
    execution_role: RoleArn = Field(
        description="The execution role: what ECS needs to start tasks: images, secrets, logs."
    )
    task_role: RoleArn | None = Field(
        default=None,
        description="The task role: what the application itself may do in AWS. Default: nothing.",
    )
    schedule_role: RoleArn | None = Field(
        default=None, description="The role by which EventBridge starts jobs. Needed if there are `jobs`."
    )
    subnets: tuple[Subnet, ...] = Field(min_length=1, description="Subnets of the tasks, of one VPC.")
    security_groups: tuple[SecurityGroup, ...] = Field(
        min_length=1, max_length=5, description="Security groups of the tasks, in that VPC."
    )
    public_ip: bool = Field(
        default=False, description="Give each task a public address, which it needs in a public subnet."
    )
    listener: ListenerArn | None = Field(
        default=None,
        description="The listener of a load balancer that passes requests on. Default: none do, from outside.",
    )
    count: int = Field(default=2, ge=1, le=1000, description="Tasks of the web process.")
    cpu: int = Field(default=256, ge=128, le=16384, description="Processors of a task: 1024 are a whole one.")
    memory: int = Field(default=512, ge=64, le=122880, description="Memory of a task in MB.")
    log_days: LogDays = Field(default=30, description="Days for which logs are kept.")

    @model_validator(mode="after")
    def _agrees(self) -> ServiceBlock:
        if self.launch == "fargate" and self.memory not in (fit := memory_for(self.cpu)):
            if not fit:
                sizes = ", ".join(map(str, (SMALLEST, *FARGATE)))
                raise ValueError(f"Fargate has no `cpu` {self.cpu}: it is one of {sizes}")
            raise ValueError(f"Fargate has no `memory` {self.memory} for `cpu` {self.cpu}: {range_of(fit)}")
        if self.launch == "ec2" and self.public_ip:
            raise ValueError("`public_ip` is for Fargate: tasks on instances get none")
        if self.listener and self.listener.split(":")[3] != self.region:
            raise ValueError(f"`listener` is in {self.listener.split(':')[3]}, and `region` is {self.region}")
        return self


def memory_for(cpu: int) -> list[int]:
    """Return what a task of Fargate may have, in MB; nothing if it has no such processors."""
    if cpu == SMALLEST:
        return list(SMALLEST_MEMORY)
    least, most, step = FARGATE.get(cpu, (0, -1, 1))
    return list(range(least, most + 1, step))


def range_of(memory: list[int]) -> str:
    """Return sizes in words."""
    if len(memory) <= len(SMALLEST_MEMORY):
        return f"it is one of {', '.join(map(str, memory))}"
    return f"it is {memory[0]} to {memory[-1]}, in steps of {memory[1] - memory[0]}"


def service_block(host: InventoryHost) -> ServiceBlock:
    """Return the block of a target. Raises ConfigErrors."""
    if host.named(BLOCK) not in host.vars:
        hint = "Write one; docs/ecs.md lists its parameters:  ecs: {region: eu-central-1, cluster: shop, ...}"
        raise host.error(("platform",), "needs a block `ecs`, which says where in AWS it is", hint)
    return validate(ServiceBlock, host.vars[host.named(BLOCK)] or {}, host, (BLOCK,))
