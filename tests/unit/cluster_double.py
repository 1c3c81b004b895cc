"""An API server for tests: it stores what is applied, and plays the controllers that make pods of it.

It is a double: fields are replaced whole, and nothing is validated. tests/prove/test_kubernetes_server.py asks a real
one.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]


def without_records(cluster: Cluster) -> dict[tuple[str, str], Object]:
    """The objects of applications."""
    return {
        key: each
        for key, each in cluster.objects.items()
        if "prov/record" not in each["metadata"].get("labels", {})
    }


def record_in(cluster: Cluster, name: str) -> Any:
    """What a record says, such as `prod.lock`."""
    return json.loads(gzip.decompress(base64.b64decode(cluster.objects["secrets", name]["data"]["record"])))


def put_record(cluster: Cluster, name: str, value: Any) -> None:
    """Have a record say something else, as another client does."""
    packed = base64.b64encode(gzip.compress(json.dumps(value).encode())).decode()
    found = cluster.objects["secrets", name]
    found["data"]["record"] = packed
    found["metadata"]["resourceVersion"] += "0"


def let_time_pass(cluster: Cluster) -> None:
    """Let the lock of a run that has died end."""
    if ("secrets", "prod.lock") in cluster.objects:
        lock = record_in(cluster, "prod.lock")
        if lock["run"]:
            lock["run"]["renewed"] = 0
            put_record(cluster, "prod.lock", lock)


class Cluster:
    """objects: by resource and name.  requests: (method, path) of each.  pods: those that are listed.

    refusal: status and message that changes get.  idle: whether no controller is at work.
    logs: lines of containers, by pod.  hidden: whether its pods may not be seen.
    left: requests that are still answered; None for all.  cut: called at the first one that is not.
    lets_in: whether a header Authorization is that of a login.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.requests: list[tuple[str, str]] = []
        self.pods: list[Object] = []
        self.logs: dict[str, str] = {}
        self.refusal: tuple[int, str] | None = None
        self.idle = False
        self.hidden = False
        self.left: int | None = None
        self.cut: Callable[[], None] = lambda: None
        self.lets_in: Callable[[str], bool] = lambda given: given == "Bearer secret-token"
        self.lock = threading.Lock()

    def applied(self, resource: str, name: str, wanted: Object, *, dry_run: bool) -> Object:
        """Apply an object; its defaults are those that differ most between what is sent and what is kept."""
        before = self.objects.get((resource, name))
        found = copy.deepcopy(wanted)
        noted: Object = before["metadata"] if before else {"uid": name, "generation": 1}
        spec = found.get("spec", {})
        if resource == "deployments":
            spec.setdefault("replicas", before["spec"]["replicas"] if before else 1)
        changed = before is not None and before.get("spec") != found.get("spec")
        generation = noted["generation"] + changed
        found["metadata"].update(
            uid=noted["uid"], generation=generation, managedFields=[{"manager": "prov"}], resourceVersion="1"
        )
        found["status"] = (before or {}).get("status", {})
        if not dry_run:
            self.objects[resource, name] = found
            if not self.idle:
                self.control(resource, found)
        return found

    def kept(self, resource: str, given: Object, name: str) -> tuple[int, Object]:
        """Make an object, or change one of the same version: with both, another client may be first."""
        with self.lock:
            key = resource, name or given["metadata"]["name"]
            found = self.objects.get(key)
            if not name:
                if found:
                    return 409, {"message": "already exists"}
                made = self.objects[key] = copy.deepcopy(given)
                made["metadata"]["resourceVersion"] = "1"
                return 201, made
            if found is None or found["metadata"]["resourceVersion"] != given["metadata"]["resourceVersion"]:
                return (409 if found else 404), {"message": "the object has been modified"}
            found["data"] = given["data"]
            found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
            return 200, copy.deepcopy(found)

    def control(self, resource: str, found: Object) -> None:
        """Report that pods run, or that commands have ended."""
        if resource == "deployments":
            n, generation = found["spec"]["replicas"], found["metadata"]["generation"]
            counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), n)
            found["status"] = {"observedGeneration": generation, **counts}
        if resource == "jobs":
            found["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}


def handler_of(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, value: Any) -> None:
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def ask(self) -> None:
            if cluster.left is not None:
                cluster.left -= 1
                if cluster.left < 0:
                    cluster.cut()
                    self.close_connection = True
                    return
            url = urlsplit(self.path)
            cluster.requests.append((self.command, url.path))
            query = parse_qs(url.query)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            resource, _, name = url.path.partition("/namespaces/")[2].partition("/")[2].partition("/")
            if not cluster.lets_in(self.headers.get("Authorization", "")):
                self.answer(401, {"message": "Unauthorized"})
            elif resource == "pods" and cluster.hidden:
                self.answer(403, {"message": "pods is forbidden"})
            elif cluster.refusal and self.command in ("PATCH", "POST"):
                self.answer(cluster.refusal[0], {"message": cluster.refusal[1]})
            elif self.command == "POST" or "merge-patch" in self.headers.get("Content-Type", ""):
                self.answer(*cluster.kept(resource, json.loads(body), name))
            elif self.command == "PATCH":
                dry = query.get("dryRun") == ["All"]
                assert query["fieldManager"] == ["prov"] and query["force"] in (["true"], ["True"])
                self.answer(200, cluster.applied(resource, name, json.loads(body), dry_run=dry))
            elif self.command == "DELETE":
                found = cluster.objects.pop((resource, name), None)
                self.answer(200 if found else 404, {})
            elif name.endswith("/log"):
                pod = name.partition("/")[0]
                if "timestamps" not in query:
                    self.answer(200, "no module named shop")
                elif pod in cluster.logs:
                    self.answer(200, cluster.logs[pod].encode())
                else:
                    self.answer(400, {"message": "container is waiting to start: ContainerCreating"})
            elif name:
                found = cluster.objects.get((resource, name))
                self.answer(200, found) if found else self.answer(404, {"message": "not found"})
            else:
                wanted = dict(each.split("=") for each in query["labelSelector"][0].split(","))
                every = [o for (kind, _), o in cluster.objects.items() if kind == resource]
                every += cluster.pods if resource == "pods" else []
                items = [o for o in every if wanted.items() <= o["metadata"]["labels"].items()]
                self.answer(200, {"items": items})

        do_GET = do_PATCH = do_POST = do_DELETE = ask

        def log_message(self, format: str, *arguments: Any) -> None:
            """Keep quiet."""

    return Handler


@contextmanager
def listening(cluster: Cluster, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve a cluster; yields its port. tls: with which it proves who it is; None for plain HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(cluster))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def served(cluster: Cluster, kubeconfig: Path) -> Iterator[None]:
    """Serve a cluster, and write the kubeconfig with its context `test`."""
    with listening(cluster) as port:
        kubeconfig.write_text(yaml.safe_dump(config_of(f"http://127.0.0.1:{port}")))
        yield


def config_of(address: str) -> Object:
    """The kubeconfig of a server."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": "secret-token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
