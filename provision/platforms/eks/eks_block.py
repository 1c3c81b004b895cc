"""The block `eks:` of a target. Source: EKS API reference, CreateCluster, for what each value may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from provision.inventory import InventoryHost
from provision.inventory.fields import OneLine, matching
from provision.platforms.block_fields import Region
from provision.platforms.kubernetes.cluster_block import ClusterBlock, block_of

BLOCK = "eks"
EXAMPLE = (
    "cluster: main, region: eu-central-1, namespace: shop, registry: registry.example.com,"
    " clients: [ingress-nginx]"
)

ClusterName = Annotated[
    str, matching(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}", "the name of a cluster: letters, digits, '-' and '_'")
]


class EksBlock(ClusterBlock):
    """A place in a cluster of EKS for the applications of a target."""

    cluster: ClusterName = Field(description="The cluster, which must exist.")
    region: Region = Field(description="Its region.")
    profile: OneLine | None = Field(
        default=None,
        description="The profile of ~/.aws/config. Default: AWS_PROFILE, or the usual credentials.",
    )


def eks_block(host: InventoryHost) -> EksBlock:
    """Return the block of a target. Raises ConfigErrors."""
    return block_of(host, BLOCK, EksBlock, EXAMPLE)
