"""Refusals of an API server in plain words, with what to do next.

Source: Kubernetes API conventions, "Response Status Kind".
"""

from __future__ import annotations

import json

from provision.errors import ConfigError, ProvError, UnreachableError
from provision.inventory import InventoryHost
from provision.platforms.kubernetes.cluster_block import KubeconfigBlock

#: what to do about a status of HTTP
HINTS = {
    403: "Have a Role with these rights bound to you; `kubectl auth can-i --list` shows what you have.",
    409: "Another client was at work at the same moment: deploy again.",
    422: "Is something of this name there that an older version made otherwise? Remove it, and deploy again.",
    429: "The server has too much to do: deploy again later.",
}


def refused(verb: str, what: str, block: str, namespace: str, status: int, body: str) -> ProvError:
    """Return the error for a request that the server refused. what: kind and name.  block: its name.  body: its
    answer."""
    said = body
    try:
        said = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        said = body.strip()[:300] or f"HTTP {status}"
    if what.startswith("Secret") and status == 422:
        # the server quotes values
        said = "the values of a Secret were refused"
    if status == 404 and f'namespaces "{namespace}"' in said:
        hint = f"Make it, or correct `namespace`:  kubectl create namespace {namespace}"
        return ProvError(f"the cluster has no namespace {namespace!r}", hint=hint)
    hint = HINTS.get(status, "")
    if "exceeded quota" in said:
        hint = f"Ask for more, or lower `requests`, `limits` or `replicas` of the block `{block}`."
    return ProvError(f"the cluster refused to {verb} {what} in {namespace}: {said}", hint=hint)


def unanswered(server: str, error: Exception, hint: str) -> UnreachableError:
    """Return the error for a request that got no answer."""
    reason = getattr(error, "reason", None) or error
    return UnreachableError(f"the cluster at {server} could not be reached: {reason}", hint=hint)


def unusable_login(host: InventoryHost, name: str, block: KubeconfigBlock, error: Exception) -> ConfigError:
    """Return the error for a kubeconfig that can't be used. name: of the block."""
    field = next((each for each in ("context", "kubeconfig") if getattr(block, each)), "namespace")
    place = block.kubeconfig or "KUBECONFIG or ~/.kube/config"
    said = str(error).rstrip(".") or type(error).__name__
    return host.error(
        (name, field), f"{place} can't be used: {said}", "kubectl config get-contexts lists contexts."
    )
