"""Requests to a cluster's API server, by the official client.

Source: Kubernetes API concepts: "Server-Side Apply", "Dry-run", "Resource URIs".
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from provision.errors import ProvError
from provision.platforms.kubernetes.cluster_access import ClusterAccess, library
from provision.platforms.kubernetes.cluster_errors import refused, unanswered

Object = dict[str, Any]
#: the name under which the server notes which fields prov sets
MANAGER = "prov"
#: statuses of a log that is not there: its container has not started, or its pod has gone
NO_LOG = (400, 404)
UNAUTHORIZED = 401
#: seconds for a request
TIMEOUT = 30
#: kinds of objects -> path of their API, and their name in it
PLACES = {
    "ConfigMap": ("api/v1", "configmaps"),
    "Secret": ("api/v1", "secrets"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Service": ("api/v1", "services"),
    "Pod": ("api/v1", "pods"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "Job": ("apis/batch/v1", "jobs"),
    "CronJob": ("apis/batch/v1", "cronjobs"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "Ingress": ("apis/networking.k8s.io/v1", "ingresses"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
}


class ClusterCalls:
    """The API server of a target's cluster. Raises ConfigError for a way to it that can't be used, UsageError if the
    client is not installed."""

    def __init__(self, access: ClusterAccess) -> None:
        access.prepare()
        self._refusal = library("client").ApiException
        self._access = access
        self._namespace = access.block.namespace
        self._found: Any = None

    def _client(self) -> Any:
        """Return what sends requests. Raises ProvError."""
        if self._found is None:
            # no discovery: the kinds are known
            self._found = library("dynamic").DynamicClient(self._access.client, discoverer=lambda *_: None)
        return self._found

    def list(self, kind: str, labels: dict[str, str]) -> list[Object]:
        """Return the objects of a kind that have these labels. Raises ProvError."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        # a server that is older than a kind has none of it
        found = self._call("get", kind, missing=True, label_selector=selector) or {"items": []}
        return [{**each, "kind": kind} for each in found["items"]]

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None. Raises ProvError."""
        found: Object | None = self._call("get", kind, name, missing=True)
        return found

    def apply(self, document: Object, *, dry_run: bool = False) -> Object:
        """Apply an object, and return it as it is then. Fields that it has become prov's. Raises ProvError."""
        kind, name = document["kind"], document["metadata"]["name"]
        more: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        found: Object = self._call(
            "patch",
            kind,
            name,
            body=document,
            content_type="application/apply-patch+yaml",
            field_manager=MANAGER,
            force_conflicts=True,
            **more,
        )
        return found

    def keep_secret(self, name: str, version: str, document: Object) -> Object | None:
        """Make a Secret, or change one that has still this version; return it, or None if another client was first.

        version: its resourceVersion; "" to make it. Raises ProvError.
        """
        if not version:
            found: Object | None = self._call("post", "Secret", gone=(409,), body=document)
        else:
            body = {"metadata": {"resourceVersion": version}, "data": document["data"]}
            merge = "application/merge-patch+json"
            found = self._call("patch", "Secret", name, gone=(404, 409), body=body, content_type=merge)
        return found

    def delete(self, kind: str, name: str) -> None:
        """Remove an object, and what it has made. Raises ProvError."""
        self._call("delete", kind, name, missing=True, propagation_policy="Background")

    def last_lines(self, pod: str, container: str) -> str:
        """Return the last lines that a container has logged; "" if it has none."""
        try:
            return self._log(pod, [("container", container), ("tailLines", "10"), ("limitBytes", "4000")])
        except ProvError:
            # they explain a failure, and must not replace it
            return ""

    def log(self, pod: str, container: str, *, lines: int, seconds: float) -> str:
        """Return what a container has logged, each line after its time; "" before it has started. Raises ProvError.

        lines, seconds: as of LogsWanted.
        """
        some = ("sinceSeconds", str(math.ceil(seconds))) if seconds else ("tailLines", str(lines))
        return self._log(pod, [("container", container), ("timestamps", "true"), some])

    def _log(self, pod: str, query: Sequence[tuple[str, str]]) -> str:
        """Return a container's log."""
        answer = self._answer(
            "get", f"{self._path('Pod', pod)}/log", f"the log of {pod}", NO_LOG, query_params=list(query)
        )
        return str(answer.data.decode(errors="replace")).strip() if answer else ""

    def _path(self, kind: str, name: str = "") -> str:
        api, resource = PLACES[kind]
        return f"/{api}/namespaces/{self._namespace}/{resource}{f'/{name}' if name else ''}"

    def _call(
        self,
        verb: str,
        kind: str,
        name: str = "",
        *,
        missing: bool = False,
        gone: Sequence[int] = (),
        **more: Any,
    ) -> Any:
        """Return the answer to a request. missing: return None if there is no such object.  gone: further statuses for
        which to return None."""
        gone = (404,) if missing else gone
        answer = self._answer(verb, self._path(kind, name), f"{kind} {name}".strip(), gone, **more)
        return json.loads(answer.data) if answer else None

    def _answer(self, verb: str, path: str, what: str, none: Sequence[int] = (), **more: Any) -> Any:
        """Return the answer to a request. what: what it asks for.  none: statuses for which to return None."""
        from urllib3.exceptions import HTTPError

        try:
            return self._client().request(verb, path, serialize=False, _request_timeout=TIMEOUT, **more)
        except self._refusal as error:
            if error.status in none:
                return None
            if error.status == UNAUTHORIZED:
                raise self._access.not_accepted() from None
            raise refused(
                verb, what, self._access.name, self._namespace, error.status or 0, str(error.body or "")
            ) from None
        except (HTTPError, OSError) as error:
            server = str(self._access.client.configuration.host)
            raise unanswered(server, error, self._access.out_of_reach) from None
