"""The way to a cluster of EKS: AWS says where it is, and an identity of AWS gets in by a token.

The token is what `aws eks get-token` prints: the address of a signed STS request, by which the cluster asks AWS who
has signed it. Source: aws-cli, awscli/customizations/eks/get_token.py (TokenGenerator) and update_kubeconfig.py;
EKS API reference, DescribeCluster.
"""

from __future__ import annotations

import base64
import shlex
import time
from functools import cached_property
from typing import Any

from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.platforms.aws_requests import aws_line
from provision.platforms.eks.eks_block import BLOCK, EksBlock, eks_block
from provision.platforms.kubernetes.cluster_access import ClusterAccess, library
from provision.steps.base import listed

#: what a token begins with, and the header that names the cluster it is for
PREFIX, FOR_CLUSTER = "k8s-aws-v1.", "x-k8s-aws-id"
#: seconds that aws-cli signs the request for; EKS takes a token for 15 minutes, and prov makes another one before
SIGNED, RENEWED = 60, 600
#: states of a cluster whose API server answers
SERVES = ("ACTIVE", "UPDATING")
#: states that pass
PASSING = ("CREATING", "PENDING")


class EksAccess(ClusterAccess):
    """The way to a target's cluster of EKS."""

    name = BLOCK
    block: EksBlock

    def prepare(self) -> None:
        """Raise UsageError or CloudError for what this machine lacks. Asks AWS nothing."""
        library("client")
        _ = self._calls

    @cached_property
    def _calls(self) -> AwsCalls:
        return AwsCalls(self.block.region, self.block.profile)

    @cached_property
    def cluster(self) -> dict[str, Any]:
        """Return the cluster, as AWS has it. Raises ProvError if it can't be used."""
        name, region = self.block.cluster, self.block.region
        try:
            found: dict[str, Any] = self._calls.call("eks:DescribeCluster", name=name)["cluster"]
        except CloudError as error:
            if error.code != "ResourceNotFoundException":
                raise
            names = self._calls.every("eks:ListClusters", "clusters", sends="nextToken", gets="nextToken")
            there = listed(sorted(map(str, names)), most=10) or "none"
            said = f"there is no cluster {name!r} in {region}; there are: {there}"
            raise ProvError(said, hint="Correct `cluster`, `region` or `profile`.") from None
        status = found.get("status", "")
        if status not in SERVES:
            wait = f"Wait until it is:  {self._aws('wait', 'cluster-active', '--name', name)}"
            hint = wait if status in PASSING else "Name another `cluster`."
            raise ProvError(f"the cluster {name} is {status}, expected ACTIVE", hint=hint)
        if not str(found.get("endpoint", "")).startswith("https://"):
            hint = "Is it a cluster that is only registered with AWS? Reach it by `platform: kubernetes`."
            raise ProvError(f"AWS has no address for the cluster {name}", hint=hint)
        return found

    @cached_property
    def client(self) -> Any:
        """Return a client, which makes a token again before EKS refuses the last one. Raises ProvError."""
        cluster, config = self.cluster, library("config")
        place = {
            "server": cluster["endpoint"],
            "certificate-authority-data": (cluster.get("certificateAuthority") or {}).get("data", ""),
        }
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": BLOCK, "cluster": place}],
            "users": [{"name": BLOCK, "user": {"token": self.token()}}],
            "contexts": [{"name": BLOCK, "context": {"cluster": BLOCK, "user": BLOCK}}],
        }
        made = time.monotonic()
        try:
            client = config.new_client_from_config_dict(document, BLOCK, persist_config=False)
        except (config.ConfigException, OSError, ValueError, TypeError, KeyError) as error:
            said = f"what AWS says of the cluster {self.block.cluster} can't be used: {error}"
            raise ProvError(said, hint="Is AWS_ENDPOINT_URL set to something that is not AWS?") from None

        def renew(configuration: Any) -> None:
            nonlocal made
            if time.monotonic() - made > RENEWED:
                made = time.monotonic()
                configuration.api_key = dict.fromkeys(configuration.api_key, f"Bearer {self.token()}")

        client.configuration.refresh_api_key_hook = renew
        return client

    def token(self) -> str:
        """Return a token for the cluster. Raises CloudError."""
        # clusters on Outposts have an ID, and names that are not unique
        known_by = str(self.cluster.get("id") or self.block.cluster)
        url = self._calls.presigned("sts:GetCallerIdentity", SIGNED, {FOR_CLUSTER: known_by})
        return PREFIX + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")

    def not_accepted(self) -> ProvError:
        """Return the error for an identity that the cluster does not let in. Raises CloudError."""
        principal = principal_of(self._calls.call("sts:GetCallerIdentity")["Arn"])
        name = self.block.cluster
        words = ("create-access-entry", "--cluster-name", name, "--principal-arn", principal)
        hint = (
            f"Give it an access entry, and rights:  {self._aws(*words)}\nIf the cluster has none, name it in the"
            " ConfigMap aws-auth of kube-system. Is this machine's clock right?"
        )
        return ProvError(f"the cluster {name} does not let {principal} in", hint=hint)

    @property
    def out_of_reach(self) -> str:
        """Return what to do if its API server does not answer."""
        network = self.cluster.get("resourcesVpcConfig") or {}
        if not network.get("endpointPublicAccess", True):
            return "Its address is private: run prov inside its VPC, or over a VPN to it."
        networks = listed(list(network.get("publicAccessCidrs") or ["0.0.0.0/0"]), most=10)
        return f"Is this machine in a network that it is open to ({networks})?"

    def kubectl(self, *words: str) -> str:
        """Return a command line of kubectl, with the one that writes kubeconfig before."""
        name = self.block.cluster
        line = shlex.join(["kubectl", "--context", name, "--namespace", self.block.namespace, *words])
        return f"{self._aws('update-kubeconfig', '--name', name, '--alias', name)} && {line}"

    def _aws(self, *words: str) -> str:
        """Return a command line of AWS's program for EKS."""
        return aws_line(self.block.region, self.block.profile, "eks", *words)


def eks_access(host: InventoryHost) -> EksAccess:
    """Return the way to the cluster of a target. Raises ConfigErrors."""
    return EksAccess(host, eks_block(host))


def principal_of(arn: str) -> str:
    """Return the ARN that a cluster lets in: that of the role, for a session of one. arn: as STS has it."""
    start, _, resource = arn.rpartition(":")
    kind, _, rest = resource.partition("/")
    if kind != "assumed-role":
        return arn
    return f"{start.replace(':sts:', ':iam:')}:role/{rest.partition('/')[0]}"
