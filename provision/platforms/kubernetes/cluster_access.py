"""How prov reaches the cluster of a target: by kubeconfig, or as a platform that is built on this one does it."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable
from functools import cached_property
from typing import Any

from provision.errors import ProvError, UsageError
from provision.inventory import InventoryHost
from provision.platforms.kubernetes.cluster_block import ClusterBlock, KubeconfigBlock, block_of
from provision.platforms.kubernetes.cluster_errors import unusable_login

BLOCK = "kubernetes"
EXAMPLE = "namespace: shop, registry: registry.example.com, clients: [ingress-nginx]"


class ClusterAccess:
    """The way to a cluster. block: of the target.  name: of the block."""

    name = BLOCK

    def __init__(self, host: InventoryHost, block: ClusterBlock) -> None:
        self.host = host
        self.block = block

    def prepare(self) -> None:
        """Raise ConfigError or UsageError for what can be known before the cluster is asked."""
        raise NotImplementedError

    @cached_property
    def client(self) -> Any:
        """Return a client of the official library for the API server. Raises ProvError."""
        raise NotImplementedError

    def not_accepted(self) -> ProvError:
        """Return the error for a login that the cluster does not accept."""
        raise NotImplementedError

    @property
    def out_of_reach(self) -> str:
        """Return what to do if its API server does not answer. Raises ProvError."""
        raise NotImplementedError

    def kubectl(self, *words: str) -> str:
        """Return a command line of kubectl for the target."""
        raise NotImplementedError


#: returns the way to the cluster of a target; raises ConfigErrors for a block that can't be used
AccessOf = Callable[[InventoryHost], ClusterAccess]


class KubeconfigAccess(ClusterAccess):
    """The way by kubeconfig, which knows clusters and their logins."""

    block: KubeconfigBlock

    def prepare(self) -> None:
        """Read kubeconfig."""
        if self.block.context is None:
            message = "needs `context`, so that prov asks this cluster and no other"
            raise self.host.error((BLOCK,), message, "kubectl config get-contexts lists contexts.")
        _ = self.client

    @cached_property
    def client(self) -> Any:
        """Return a client. Raises ConfigError for a kubeconfig that can't be used."""
        config, block = library("config"), self.block
        origin = self.host.origin(BLOCK, "kubeconfig")
        file = None
        if block.kubeconfig and origin:
            file = str(origin.folder / block.kubeconfig.expanduser())
        try:
            return config.new_client_from_config(file, block.context, persist_config=False)
        except (config.ConfigException, OSError, ValueError, TypeError, KeyError) as error:
            raise unusable_login(self.host, BLOCK, block, error) from None

    def not_accepted(self) -> ProvError:
        """Return the error for a login that the cluster does not accept."""
        hint = "Log in again, as kubeconfig says; `kubectl auth whoami` tries it."
        return ProvError("the cluster does not accept the login of kubeconfig", hint=hint)

    @property
    def out_of_reach(self) -> str:
        """Return what to do if its API server does not answer."""
        return "Is `context` the right one, and does this machine reach it? `kubectl cluster-info` tries it."

    def kubectl(self, *words: str) -> str:
        """Return a command line of kubectl for the target."""
        context = ["--context", self.block.context] if self.block.context else []
        return shlex.join(["kubectl", *context, "--namespace", self.block.namespace, *words])


def kubeconfig_access(host: InventoryHost) -> KubeconfigAccess:
    """Return the way to the cluster of a target. Raises ConfigErrors."""
    return KubeconfigAccess(host, block_of(host, BLOCK, KubeconfigBlock, EXAMPLE))


def library(module: str) -> Any:
    """Return a module of the official client; importing it takes half a second. Raises UsageError without it."""
    try:
        return importlib.import_module(f"kubernetes.{module}")
    except ImportError:
        hint = "Install it:  pip install 'prov-deploy[kubernetes]'"
        raise UsageError("the Kubernetes client is not installed", hint=hint) from None
