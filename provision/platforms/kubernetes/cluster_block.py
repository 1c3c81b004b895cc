"""The block `kubernetes:` of a target. Source: Kubernetes API reference, for what each value may be."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, model_validator

from provision.apps.settings import Settings
from provision.inventory import InventoryHost
from provision.inventory.fields import OneLine, matching
from provision.inventory.validation import validate
from provision.platforms.block_fields import Repository

#: RFC 1123 labels, which most names of objects are
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
#: factors of quantities: Kubernetes API reference, "Quantity"
FACTORS = {"": 1.0, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def client(text: str) -> str:
    """A namespace, or a network. Raises ValueError."""
    if re.fullmatch(LABEL, text) and not text.isdecimal():
        return text
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is neither a namespace nor a network like 10.0.0.0/8") from None


def amount(quantity: str) -> float:
    """Return a quantity as a number: "250m" is 0.25."""
    number, unit = re.fullmatch(r"([\d.]+)(\w*)", quantity).groups()  # type: ignore[union-attr]
    return float(number) * FACTORS[unit]


Label = Annotated[str, matching(LABEL, "a name of a-z, 0-9 and '-', up to 63")]
ObjectName = Annotated[
    str, matching(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*", "a name of a-z, 0-9, '-' and '.', up to 253")
]
Client = Annotated[str, AfterValidator(client)]
Cpu = Annotated[str, matching(r"[1-9]\d*m|[1-9]\d*|\d+\.\d+", "an amount of processors like '250m' or '1'")]
Memory = Annotated[str, matching(r"[1-9]\d*(Ki|Mi|Gi|k|M|G)?", "an amount of memory like 256Mi")]
AnnotationName = Annotated[
    str,
    matching(r"([a-z0-9.-]+/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", "the name of an annotation"),
]


class Amounts(Settings):
    """Processors and memory of a pod."""

    cpu: Cpu | None = Field(default=None, description="Processors: '250m' is a quarter of one.")
    memory: Memory | None = Field(default=None, description="Memory, like 256Mi.")


class IngressBlock(Settings):
    """How requests come in."""

    ingress_class: Label = Field(alias="class", description="The Ingress class, such as `nginx`.")
    tls_secret: ObjectName | None = Field(
        default=None, description="The Secret with the certificate. Default: APP-tls."
    )
    annotations: dict[AnnotationName, OneLine] = Field(
        default={}, description="Annotations of the Ingress, such as `cert-manager.io/cluster-issuer`."
    )


class Autoscale(Settings):
    """A number of pods that follows the load, from `replicas` up."""

    most: int = Field(alias="max", ge=2, le=1000, description="Largest number of pods.")
    cpu: int = Field(
        default=70, ge=1, le=100, description="Use of the requested processors, in percent, to keep to."
    )


class Storage(Settings):
    """A volume for the data folder, which all pods of the application share."""

    size: Memory = Field(description="Its size, like 5Gi.")
    storage_class: ObjectName | None = Field(
        default=None,
        alias="class",
        description="Its storage class, which must offer ReadWriteMany. Default: the cluster's.",
    )


class ClusterBlock(Settings):
    """A place in a cluster for the applications of a target."""

    namespace: Label = Field(description="The namespace, which must exist.")
    registry: Repository = Field(description="Where the images are: that of `shop` is REGISTRY/shop:RELEASE.")
    pull_secret: ObjectName | None = Field(
        default=None, description="The Secret with the login to the registry."
    )
    clients: tuple[Client, ...] = Field(
        min_length=1,
        description="Namespaces and networks that may reach the applications' port: that of the Ingress controller.",
    )
    ingress: IngressBlock | None = Field(
        default=None, description="How requests come in. Default: a Service alone, inside the cluster."
    )
    replicas: int = Field(default=2, ge=1, le=1000, description="Pods of the web process.")
    autoscale: Autoscale | None = Field(
        default=None, description="A number of pods that follows the load. Default: `replicas`."
    )
    requests: Amounts = Field(
        default=Amounts(cpu="100m", memory="256Mi"), description="What each pod is guaranteed."
    )
    limits: Amounts = Field(default=Amounts(memory="512Mi"), description="What each pod may use at most.")
    storage: Storage | None = Field(
        default=None,
        description="A volume for the data folder. Default: a folder of the pod, which ends with it.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> ClusterBlock:
        for name in ("cpu", "memory"):
            least, most = getattr(self.requests, name), getattr(self.limits, name)
            if least and most and amount(least) > amount(most):
                raise ValueError(f"`requests` has {name} {least}, more than {most} of `limits`")
        if self.autoscale and self.autoscale.most < self.replicas:
            raise ValueError(
                f"`autoscale` ends at {self.autoscale.most}, below the {self.replicas} of `replicas`"
            )
        if self.autoscale and not self.requests.cpu:
            raise ValueError("`autoscale` needs the `cpu` of `requests`, which it measures by")
        return self


class KubeconfigBlock(ClusterBlock):
    """A place in a cluster that kubeconfig names."""

    context: OneLine | None = Field(
        default=None, description="The context of kubeconfig, which `prov plan` and `prov deploy` need."
    )
    kubeconfig: Path | None = Field(
        default=None,
        description="The file, relative to this inventory file. Default: KUBECONFIG, or ~/.kube/config.",
    )


B = TypeVar("B", bound=ClusterBlock)


def block_of(host: InventoryHost, name: str, model: type[B], example: str) -> B:
    """Return the block of a target. Raises ConfigErrors. example: what a block must have, for an error."""
    if host.named(name) not in host.vars:
        hint = f"Write one:  {name}: {{{example}}}"
        raise host.error(
            ("platform",), f"needs a block `{name}`, which says where in the cluster it is", hint
        )
    return validate(model, host.vars[host.named(name)] or {}, host, (name,))
