"""An account with a double of Elastic Beanstalk's API, and moto as a server for S3, SSM, IAM and CloudWatch Logs."""

from __future__ import annotations

import contextlib
import functools
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from beanstalk_double import ACCOUNT, REGION, Beanstalk, api_of
from botocore.loaders import JSONFileLoader
from ec2_account import load_file
from lambda_account import trust
from moto.server import ThreadedMotoServer

from provision.cloud.aws_calls import AwsCalls
from provision.platforms.elastic_beanstalk import environment_waits

KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
BUCKET = "bundles"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/beanstalk"
#: what only reads
READS = ("Describe", "Get", "List", "Head", "Check", "Filter")


class Cut(Exception):
    """The process was killed here."""


class Account:
    """An account. beanstalk: its state.  endpoints: variables that lead AWS's libraries there.

    left: changing requests until prov is cut; None never.
    """

    def __init__(self, moto: str) -> None:
        self.moto = moto
        self.beanstalk = Beanstalk(client(moto, "s3"), client(moto, "ssm"))
        self.api = api_of(self.beanstalk)
        own = f"http://127.0.0.1:{self.api.server_address[1]}"
        self.endpoints = {"AWS_ENDPOINT_URL": moto, "AWS_ENDPOINT_URL_ELASTIC_BEANSTALK": own}
        self.changes: list[str] = []
        self.left: int | None = None

    def client(self, service: str) -> Any:
        """A client of this account's."""
        own = service == "elasticbeanstalk"
        return client(self.endpoints["AWS_ENDPOINT_URL_ELASTIC_BEANSTALK"] if own else self.moto, service)

    def reset(self) -> None:
        """Empty it, and make what prov expects."""
        urllib.request.urlopen(
            urllib.request.Request(f"{self.moto}/moto-api/reset", method="POST"), timeout=30
        ).close()
        self.beanstalk.reset()
        iam = self.client("iam")
        for name, service in (("beanstalk", "elasticbeanstalk"), ("other", "ec2")):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust(service)))
        iam.create_instance_profile(InstanceProfileName="web")
        where = {"LocationConstraint": REGION}
        self.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self.changes.clear()
        self.left = None


@functools.cache
def client(address: str, service: str) -> Any:
    """A client; each takes a third of a second to make."""
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=address,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@contextlib.contextmanager
def beanstalk_account() -> Iterator[Account]:
    """The account, on ports of its own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    account = Account(f"http://{host}:{port}")
    try:
        yield account
    finally:
        account.beanstalk.reset()
        account.api.shutdown()
        account.api.server_close()
        server.stop()


@contextlib.contextmanager
def used_by_prov(account: Account, cache: Path) -> Iterator[Account]:
    """Let prov in this process use an account; requests can be cut. cache: folder of its caches."""
    real = AwsCalls.call

    def call(self: AwsCalls, action: str, **arguments: Any) -> Any:
        answer = real(self, action, **arguments)
        # the lock is not what is deployed
        locking = str(arguments.get("Name", arguments.get("Names", ""))).count("/lock/")
        if not action.split(":")[1].startswith(READS) and not locking:
            account.changes.append(action)
            if account.left is not None:
                account.left -= 1
                if account.left == 0:
                    raise Cut
        return answer

    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            patch.delenv(name, raising=False)
        for name, value in KEYS.items():
            patch.setenv(name, value)
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setattr(environment_waits, "PERIOD", 0.01)
        patch.setattr(environment_waits, "PAUSE", 0.01)
        patch.setattr(AwsCalls, "call", call)
        patch.setattr(AwsCalls, "_client", lambda self, service: account.client(service))
        patch.setattr(JSONFileLoader, "load_file", load_file)
        account.reset()
        yield account
