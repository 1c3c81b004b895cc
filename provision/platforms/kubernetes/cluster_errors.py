"""Refusals of an API server in plain words, with what to do next.

Source: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

import json

from provision.errors import ConfigError, ProvError, UnreachableError
from provision.inventory import InventoryHost
from provision.platforms.kubernetes.cluster_block import BLOCK, ClusterBlock

#: what to do about a status of HTTP
HINTS = {
    401: "Log in again, as kubeconfig says; `kubectl auth whoami` tries it.",
    403: "Have a Role with these rights bound to you; `kubectl auth can-i --list` shows what you have.",
    409: "Another client was at work at the same moment: deploy again.",
    422: "Is something of this name there that an older version made otherwise? Remove it, and deploy again.",
    429: "The server has too much to do: deploy again later.",
}


def refused(verb: str, what: str, block: ClusterBlock, status: int, body: str) -> ProvError:
    """Return the error for a request that the server refused. what: kind and name.  body: its answer."""
    said = body
    try:
        said = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        said = body.strip()[:300] or f"HTTP {status}"
    if what.startswith("Secret") and status == 422:
        # the server quotes values
        said = "the values of a Secret were refused"
    if status == 404 and f'namespaces "{block.namespace}"' in said:
        hint = f"Make it, or correct `namespace`:  kubectl create namespace {block.namespace}"
        return ProvError(f"the cluster has no namespace {block.namespace!r}", hint=hint)
    hint = HINTS.get(status, "")
    if "exceeded quota" in said:
        hint = "Ask for more, or lower `requests`, `limits` or `replicas` of the block `kubernetes`."
    if status == 401:
        return ProvError("the cluster does not accept the login of kubeconfig", hint=hint)
    return ProvError(f"the cluster refused to {verb} {what} in {block.namespace}: {said}", hint=hint)


def unanswered(server: str, error: Exception) -> UnreachableError:
    """Return the error for a request that got no answer."""
    reason = getattr(error, "reason", None) or error
    return UnreachableError(
        f"the cluster at {server} could not be reached: {reason}",
        hint="Is `context` the right one, and does this machine reach it? `kubectl cluster-info` tries it.",
    )


def unusable_login(host: InventoryHost, block: ClusterBlock, error: Exception) -> ConfigError:
    """Return the error for a kubeconfig that can't be used."""
    name = next((name for name in ("context", "kubeconfig") if getattr(block, name)), "namespace")
    place = block.kubeconfig or "KUBECONFIG or ~/.kube/config"
    said = str(error).rstrip(".") or type(error).__name__
    return host.error(
        (BLOCK, name), f"{place} can't be used: {said}", "kubectl config get-contexts lists contexts."
    )
