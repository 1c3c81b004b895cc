"""The examples on Lambda's own runtime: bundles with real wheels, run by AWS's emulator of its runtime interface.

The emulator is in aws-sam-cli, the runtime client is awslambdaric; both are installed into an environment of this test.
moto is AWS; functions read their secrets from its server.
"""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, command_line
from inventories import project
from lambda_account import ACCOUNT, REGION, ROLE, Functions, account, client
from moto.awslambda.utils import get_backend
from moto.server import ThreadedMotoServer

EXAMPLES = Path(__file__).parents[2] / "examples"
CANARY = "canary-e41c"
INVENTORY = """
    prod:
      hosts:
        prod:
          platform: lambda
          lambda: {region: %s, role: "%s"}
          apps:
            hello:
              source: %s
              target: %s
              interface: %s
              domains: [hello.test]
              health: /healthz
              python: "3.%s"
              secrets: {SECRET_KEY: %s}
              release: [python -c "print('made ready')"]
    """


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Emulator:
    """A version of a function, run by AWS's emulator."""

    def __init__(self, tools: Path, folder: Path, found: Any, endpoint: str) -> None:
        with zipfile.ZipFile(io.BytesIO(found.code_bytes)) as bundle:
            bundle.extractall(folder)
        packages = f"lib/python3.{sys.version_info.minor}/site-packages"
        self._port = free_port()
        emulator = tools / packages / "samcli/local/rapid/aws-lambda-rie-x86_64"
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
        keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": REGION}
        environment = {
            **found.environment_vars,
            **keys,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(found.timeout),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(found.memory_size),
            "LAMBDA_TASK_ROOT": str(folder),
            "PATH": os.environ["PATH"],
        }
        self.log = folder.with_suffix(".log")
        program = [str(tools / "bin/python"), "-m", "awslambdaric", found.handler]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(emulator), *addresses, *program], cwd=folder, env=environment, stdout=log, stderr=log
            )

    def ask(self, event: dict[str, Any]) -> bytes:
        """Invoke the function."""
        url = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, json.dumps(event).encode())
        for _ in range(50):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return bytes(answer.read())
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
                time.sleep(0.1)
        raise AssertionError(self.log.read_text())


class EmulatedFunctions(Functions):
    """Functions that AWS's emulator runs."""

    def __init__(self, folder: Path, tools: Path, endpoint: str) -> None:
        super().__init__(folder)
        self._tools, self._endpoint = tools, endpoint
        self.emulators: dict[str, Emulator] = {}

    def invoke(self, name: str, version: str, event: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((version, event))
        found = get_backend(ACCOUNT, REGION).get_function(name, version)
        if version not in self.emulators:
            self.folder.mkdir(exist_ok=True)
            self.emulators[version] = Emulator(self._tools, self.folder / version, found, self._endpoint)
        answer = self.emulators[version].ask(event)
        failed = {"FunctionError": "Unhandled"} if b'"errorMessage"' in answer else {}
        tail = base64.b64encode(self.emulators[version].log.read_bytes()).decode()
        return {"Payload": io.BytesIO(answer), "LogResult": tail, **failed}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the emulator, and what Lambda's runtime has: its client, and boto3."""
    folder = tmp_path_factory.mktemp("tools")
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "aws-sam-cli", "awslambdaric", "boto3"], check=True)
    return folder


@pytest.fixture
def functions(tmp_path: Path, tools: Path) -> Iterator[EmulatedFunctions]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    found = EmulatedFunctions(
        tmp_path / "functions", tools, "http://{}:{}".format(*server.get_host_and_port())
    )
    try:
        with account(tmp_path, found):
            yield found
    finally:
        for each in found.emulators.values():
            each.process.kill()
            each.process.wait()
        server.stop()


@pytest.fixture
def prov(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    return command_line(monkeypatch, capsys)


@pytest.mark.parametrize(("example", "interface"), [("flask_hello", "wsgi"), ("fastapi_hello", "asgi")])
def test_an_example_is_served_by_lambdas_own_runtime(
    prov: Prov,
    functions: EmulatedFunctions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
    interface: str,
) -> None:
    values = (REGION, ROLE, EXAMPLES / example, "hello:app", interface, sys.version_info.minor, CANARY)
    monkeypatch.chdir(project(tmp_path, {"inventory/hosts.yml": INVENTORY % values}))
    status, out, err = prov("deploy", "prod")
    logs = "".join(each.log.read_text() for each in functions.emulators.values())
    assert status == 0, out + err + logs
    assert "[release 1] made ready" in logs and CANARY not in out + err + logs
    assert prov("plan", "prod")[0] == 0
    event = functions.asked[-1][1]
    version = client("lambda").get_alias(FunctionName="prod-hello", Name="live")["FunctionVersion"]

    def ask(path: str, **more: Any) -> tuple[int, bytes]:
        http = {**event["requestContext"]["http"], **more.pop("http", {}), "path": path}
        asked = {
            **event,
            "rawPath": path,
            "requestContext": {**event["requestContext"], "http": http},
            **more,
        }
        answer = json.loads(functions.invoke("prod-hello", version, asked)["Payload"].read())
        body = answer["body"]
        return answer["statusCode"], base64.b64decode(body) if answer["isBase64Encoded"] else body.encode()

    assert ask("/healthz") == (200, b"ok")
    status, body = ask("/whoami", http={"sourceIp": "192.0.2.9"})
    who = json.loads(body)
    assert status == 200 and (who["client"], who["scheme"]) == ("192.0.2.9", "https"), who
    data = os.urandom(100_000)
    status, body = ask(
        "/upload", http={"method": "POST"}, body=base64.b64encode(data).decode(), isBase64Encoded=True
    )
    assert status == 200 and json.loads(body)["bytes"] == len(data)
    assert ask("/none-such")[0] == 404
