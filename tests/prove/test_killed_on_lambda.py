"""Deploys and rollbacks of a target on Lambda that are killed at each request: the next run finishes them.

AWS is moto as a server; versions of functions run as processes (tests/unit/lambda_account.py). The runs are processes
too, and end by SIGKILL. EVERY=n in the environment takes each nth request.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from inventories import project
from lambda_account import REGION, Functions, trust
from test_lambda import APP, PARTS, write

from provision.cloud.cloud_errors import CloudError

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
FUNCTIONS = "/2015-03-31/functions/"
#: runs prov with short waits and what uv would install; its process is killed once a request has been answered
PROGRAM = """
import os, shutil, signal, sys
from pathlib import Path
import apig_wsgi
from provision.cloud.aws_calls import AwsCalls
from provision.oci import image_packages
from provision.platforms import target_lock
from provision.platforms.lambda_ import function_calls, health_questions
target_lock.WATCHED, health_questions.PAUSE, function_calls.PERIOD = 0.0, 0.01, 0.01
adapter = Path(apig_wsgi.__file__).parent
def install(release, into, *rest):
    shutil.copytree(adapter, into / "apig_wsgi", ignore=shutil.ignore_patterns("__pycache__"))
image_packages.install = install
real, left = AwsCalls.call, [int(sys.argv.pop(1))]
def call(self, action, **arguments):
    answer = real(self, action, **arguments)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
AwsCalls.call = call
from provision.cli.main import main
sys.argv[0] = "prov"
raise SystemExit(main())
"""
#: requests of the longest run, and more
MOST = 200
OLD = "jobs: {old: {command: python clean.py, schedule: daily}}"


class QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    def log(self, *_: Any) -> None:
        """Log nothing."""


class Server:
    """Moto as a server, with what it lacks: `Functions` has it."""

    def __init__(self, folder: Path) -> None:
        self.functions = Functions(folder)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=QuietHandler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self._told("config", {"lambda": {"use_docker": False}})

    def _told(self, what: str, value: Any = None) -> None:
        data = json.dumps(value).encode() if value else b""
        request = urllib.request.Request(f"{self.address}/moto-api/{what}", data=data, method="POST")
        urllib.request.urlopen(request, timeout=30).close()

    def client(self, service: str) -> Any:
        keys = {name.lower(): value for name, value in KEYS.items() if name != "AWS_DEFAULT_REGION"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.address, **keys)

    def reset(self) -> None:
        """Empty the account, but for its role."""
        self._told("reset")
        self._told("config", {"lambda": {"use_docker": False}})
        self.functions.policy.clear()
        policy = json.dumps(trust("lambda"))
        self.client("iam").create_role(RoleName="shop", AssumeRolePolicyDocument=policy)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path, query = environ["PATH_INFO"], parse_qs(environ.get("QUERY_STRING", ""))
        name, _, rest = path.removeprefix(FUNCTIONS).partition("/")
        what, _, sid = rest.partition("/")
        if not path.startswith(FUNCTIONS) or what not in ("invocations", "policy"):
            return self._moto(environ, start)
        data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = json.loads(data) if data else {}
        (qualifier,) = query["Qualifier"]
        if what == "invocations":
            found = self.functions.invoke(name, qualifier, body)
            failed = [("X-Amz-Function-Error", "Unhandled")] if "FunctionError" in found else []
            start("200 OK", [("X-Amz-Log-Result", found["LogResult"]), *failed])
            return [found["Payload"].read()]
        verb = {"GET": "GetPolicy", "POST": "AddPermission", "DELETE": "RemovePermission"}[
            environ["REQUEST_METHOD"]
        ]
        asked = {
            "FunctionName": name,
            "Qualifier": qualifier,
            **body,
            **({"StatementId": sid} if sid else {}),
        }
        try:
            found = self.functions.permissions(f"lambda:{verb}", asked)
        except CloudError as error:
            start("404 Not Found", [("x-amzn-ErrorType", error.code)])
            return [b"{}"]
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(found).encode()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path / "functions")
    try:
        yield found
    finally:
        found.stop()


def run(server: Server, *words: str, killed_at: int = 0) -> int:
    """Run a command; return its exit status, -9 if it was killed. killed_at: after that many requests; 0 for never."""
    let_time_pass(server)
    own = {"AWS_ENDPOINT_URL": server.address, "XDG_CACHE_HOME": str(Path("cache").resolve()), **KEYS}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(killed_at), *words],
        env={**os.environ, **own},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    ).returncode


def let_time_pass(server: Server) -> None:
    """End the lock of a run that was killed: it would do so a minute later."""
    ssm = server.client("ssm")
    for each in ssm.get_parameters_by_path(Path="/prov-records/prod/lock")["Parameters"]:
        ssm.delete_parameter(Name=each["Name"])


def serving(server: Server) -> tuple[str, list[str], list[str]]:
    """What serves: the description of the version, the rules, and the statements of the policy."""
    alias = server.client("lambda").get_alias(FunctionName="prod-shop", Name="live")
    assert not alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")
    found = server.client("lambda").get_function(
        FunctionName="prod-shop", Qualifier=alias["FunctionVersion"]
    )["Configuration"]
    rules = [each["Name"] for each in server.client("events").list_rules()["Rules"]]
    return (
        str(found["Description"]),
        rules,
        sorted(each["Sid"] for each in server.functions.policy["prod-shop"]),
    )


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_run_on_lambda_that_is_killed_at_any_request_is_finished_by_the_next(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(
        project(
            tmp_path,
            {"shop/shop.py": APP, "shop/clean.py": "print('cleaned')\n", "shop/requirements.txt": ""},
        )
    )
    killed = 0
    for at in range(1, MOST, int(os.environ.get("EVERY", "1"))):
        server.reset()
        Path("shop/shop.py").write_text(APP)
        write(app=OLD)
        assert run(server, "deploy", "prod") == 0
        old = serving(server)
        Path("shop/shop.py").write_text(APP + "# newer\n")
        write(app=PARTS)
        if command == "rollback":
            assert run(server, "deploy", "prod", "--prune") == 0
            assert serving(server) != old
        words = ("deploy", "prod", "--prune") if command == "deploy" else ("rollback", "prod", "--no-hold")
        status = run(server, *words, killed_at=at)
        if status == 0:
            break
        assert status == -signal.SIGKILL, at
        killed += 1
        # a rollback may have ended but for its lock
        assert run(server, *words) in ((0,) if command == "deploy" else (0, 1)), at
        if command == "deploy":
            assert run(server, "plan", "prod", "--prune") == 0, at
        else:
            assert serving(server) == old, at
    assert killed
