"""An account of moto's, and functions that run: each invocation is a process with the bundle that the version has."""

from __future__ import annotations

import base64
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apig_wsgi
import boto3
import mangum
import pytest
from botocore.loaders import JSONFileLoader
from ec2_account import load_file
from moto import mock_aws
from moto.awslambda.utils import get_backend

from provision.apps.app_releases import Release
from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError
from provision.oci import image_packages
from provision.platforms.lambda_ import function_calls, health_questions

REGION, ACCOUNT = "eu-central-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/shop"
#: what prov makes clients of AWS by
CLIENT = AwsCalls._client
#: what only reads
READS = ("Describe", "Get", "List", "Head", "Filter", "Invoke")
#: what Lambda's own program does: it imports the handler, calls it with each event, and writes its answer
RUNTIME = """
import json, sys
import prov_handler
event = json.load(sys.stdin)
try:
    answer = prov_handler.handler(event, None)
except Exception as error:
    answer = {"errorMessage": str(error), "errorType": type(error).__name__}
    print("failed", file=sys.stderr)
print("ANSWER" + json.dumps(answer))
"""
#: SSM, for functions: the versions of parameters that the account has
SSM = """
import json, os
class Client:
    def get_parameters(self, Names, WithDecryption):
        every = json.loads(os.environ["PARAMETERS"])
        found = [{"Name": n.rpartition(":")[0], "Value": every[n]} for n in Names if n in every]
        return {"Parameters": found, "InvalidParameters": [n for n in Names if n not in every]}
def client(name):
    assert name == "ssm"
    return Client()
"""


class Cut(Exception):
    """The process was killed here."""


class Functions:
    """What AWS does and moto does not: it runs functions, and an alias has a policy of its own.

    left: changing requests until prov is cut; None never.  asked: versions and events, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.left: int | None = None
        self.changes: list[str] = []
        self.requests: list[str] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.lines: list[str] = []
        self.policy: dict[str, list[dict[str, Any]]] = {}

    def permissions(self, action: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Do what a request about the policy of an alias asks. Source: AddPermission, and its examples."""
        assert arguments["Qualifier"] == "live"
        own = self.policy.setdefault(arguments["FunctionName"], [])
        if action == "lambda:GetPolicy":
            if not own:
                raise CloudError("no policy", code="ResourceNotFoundException")
            return {"Policy": json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": own})}
        (sid,) = [arguments["StatementId"]]
        if action == "lambda:RemovePermission":
            own[:] = [each for each in own if each["Sid"] != sid]
            return {}
        assert sid not in [each["Sid"] for each in own]
        principal = arguments["Principal"]
        conditions: dict[str, Any] = {}
        if "SourceArn" in arguments:
            conditions["ArnLike"] = {"AWS:SourceArn": arguments["SourceArn"]}
        if "FunctionUrlAuthType" in arguments:
            conditions["StringEquals"] = {"lambda:FunctionUrlAuthType": arguments["FunctionUrlAuthType"]}
        if "InvokedViaFunctionUrl" in arguments:
            conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
        own.append(
            {
                "Sid": sid,
                "Effect": "Allow",
                "Principal": "*" if principal == "*" else {"Service": principal},
                "Action": arguments["Action"],
                "Resource": "the alias",
                "Condition": conditions,
            }
        )
        return {}

    def invoke(self, name: str, version: str, event: dict[str, Any]) -> dict[str, Any]:
        """Run a version of a function."""
        self.asked.append((version, event))
        found = get_backend(ACCOUNT, REGION).get_function(name, version)
        folder = self.folder / found.code_sha_256.replace("/", "_")
        if not folder.is_dir():
            with zipfile.ZipFile(io.BytesIO(found.code_bytes)) as bundle:
                bundle.extractall(folder)
            (folder / "boto3.py").write_text(SSM)
        parameters = {
            f"{each.name}:{each.version}": each.value.removeprefix("kms:alias/aws/ssm:")
            for versions in ssm_versions()
            for each in versions
        }
        environment = {
            **found.environment_vars,
            "PARAMETERS": json.dumps(parameters),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            [sys.executable, "-c", RUNTIME],
            cwd=folder,
            env=environment,
            input=json.dumps(event),
            capture_output=True,
            text=True,
            check=False,
        )
        log, _, answer = done.stdout.rpartition("ANSWER")
        self.lines += [*log.splitlines(), *done.stderr.splitlines()]
        failed = {"FunctionError": "Unhandled"} if done.returncode or "failed" in done.stderr else {}
        said = answer or json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited"})
        tail = base64.b64encode((log + done.stderr).encode()).decode()
        return {"Payload": io.BytesIO(said.encode()), "LogResult": tail, **failed}


def ssm_versions() -> Sequence[Any]:
    from moto.ssm.models import ssm_backends

    return list(ssm_backends[ACCOUNT][REGION]._parameters.values())


def install(
    release: Release, into: Path, uv: str, version: str, platform: str, added: Sequence[str] | None = None
) -> None:
    """Copy what uv would install: the adapter, from this environment."""
    for module in (mangum, apig_wsgi):
        source = Path(str(module.__file__)).parent
        shutil.copytree(source, into / source.name, ignore=shutil.ignore_patterns("__pycache__"))


@contextmanager
def account(folder: Path, functions: Functions | None = None) -> Iterator[Functions]:
    """An account with the role `shop`, in which functions run; requests can be cut; caches are in the folder.

    functions: what runs them, if they are not processes of this Python with what `install` copies.
    """
    real_packages = functions is not None
    functions = functions or Functions(folder / "functions")
    real = AwsCalls.call

    def call(self: AwsCalls, action: str, **arguments: Any) -> Any:
        functions.requests.append(action)
        if action == "lambda:Invoke":
            event = json.loads(arguments["Payload"])
            return functions.invoke(arguments["FunctionName"], arguments["Qualifier"], event)
        if action.endswith(("Permission", "GetPolicy")):
            answer = functions.permissions(action, arguments)
        else:
            answer = real(self, action, **arguments)
        # the lock is not what is deployed
        locking = str(arguments.get("Name", arguments.get("Names", ""))).count("/lock/")
        if not action.split(":")[1].startswith(READS) and not locking:
            functions.changes.append(action)
            if functions.left is not None:
                functions.left -= 1
                if functions.left == 0:
                    raise Cut
        return answer

    with pytest.MonkeyPatch.context() as patch, mock_aws(config={"lambda": {"use_docker": False}}):
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        if not real_packages:
            patch.setattr(image_packages, "install", install)
        patch.setattr(health_questions, "PAUSE", 0.01)
        patch.setattr(function_calls, "PERIOD", 0.01)
        patch.setattr(AwsCalls, "call", call)
        # each takes a third of a second
        patch.setattr(AwsCalls, "_client", lambda self, service: client(service))
        patch.setattr(JSONFileLoader, "load_file", load_file)
        client("iam").create_role(RoleName="shop", AssumeRolePolicyDocument=json.dumps(trust("lambda")))
        yield functions


def trust(service: str) -> dict[str, Any]:
    """The policy of a role that a service may assume."""
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [allowed]}


@functools.cache
def client(service: str) -> Any:
    """A client of moto's."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client(service, region_name=REGION, **keys)
