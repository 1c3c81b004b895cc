"""An account of ministack's with what a target on ECS needs: a cluster, a network, roles, a load balancer's listener.

Ministack has an environment of its own, build/ministack, as it pins botocore; `make` makes it. Its tasks are processes
of this machine: tests/unit/aws_server/run_ministack.py.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader
from ec2_account import load_file
from lambda_account import trust

from provision.cloud.aws_calls import AwsCalls
from provision.locks import locked
from provision.platforms.ecs import task_states

TOP = Path(__file__).parents[2]
REGION, ACCOUNT = "eu-central-1", "000000000000"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
#: seconds for ministack to answer
STARTS = 60
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
#: what only reads
READS = ("Describe", "Get", "List")


class Cut(Exception):
    """The process was killed here."""


class Account:
    """An account. images: the folder in which tasks run.  ids: of what it has: subnets, group, listener.

    left: changing requests until prov is cut; None never.
    """

    def __init__(self, address: str, images: Path) -> None:
        self.address, self.images = address, images
        self.changes: list[str] = []
        self.left: int | None = None
        self.ids: dict[str, str] = {}

    def client(self, service: str) -> Any:
        """A client of ministack's."""
        return client(self.address, service)

    def reset(self) -> None:
        """Empty it, and make what prov expects."""
        request = urllib.request.Request(f"{self.address}/_ministack/reset", method="POST")
        urllib.request.urlopen(request, timeout=30).close()
        for path in self.images.iterdir():
            path.unlink()
        self.client("ecs").create_cluster(clusterName="main")
        for name, service in (("exec", "ecs-tasks"), ("app", "ecs-tasks"), ("events", "events")):
            policy = json.dumps(trust(service))
            self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)
        ec2, elb = self.client("ec2"), self.client("elbv2")
        # ministack's load balancers are all in the default one
        vpc = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"172.31.{n}.0/24")["Subnet"]["SubnetId"]
            for n in (201, 202)
        ]
        group = ec2.create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
        balancer = elb.create_load_balancer(Name="front", Subnets=subnets)["LoadBalancers"][0]
        answer = elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}],
        )
        self.ids = {
            "vpc": vpc,
            "subnets": ", ".join(subnets),
            "group": group,
            "listener": answer["Listeners"][0]["ListenerArn"],
        }
        self.changes.clear()


@functools.cache
def client(address: str, service: str) -> Any:
    """A client of ministack's: each takes a third of a second to make."""
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=address,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@contextlib.contextmanager
def ministack() -> Iterator[Account]:
    """Ministack on a port of its own."""
    with locked(TOP / "build"):
        subprocess.run(["make", "-s", "build/ministack/.installed"], cwd=TOP, check=True)
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images"
        images.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        own = {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "IMAGES": str(images),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "TMPDIR": folder,
            "LOG_LEVEL": "WARNING",
            "MINISTACK_REGION": REGION,
            **KEYS,
        }
        log = Path(folder) / "log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [
                    str(TOP / "build/ministack/bin/python"),
                    str(Path(__file__).parent / "aws_server/run_ministack.py"),
                ],
                env={**os.environ, **own},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            await_answer(address, process, log)
            yield Account(address, images)
        finally:
            # its tasks are in its session
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def await_answer(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until ministack is ready."""
    end = time.monotonic() + STARTS
    while True:
        try:
            urllib.request.urlopen(f"{address}/_ministack/health", timeout=5).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)


@contextlib.contextmanager
def used_by_prov(account: Account) -> Iterator[Account]:
    """Let prov in this process use an account; requests can be cut."""
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
        patch.setattr(task_states, "PERIOD", 0.02)
        patch.setattr(AwsCalls, "call", call)
        patch.setattr(AwsCalls, "_client", lambda self, service: account.client(service))
        patch.setattr(JSONFileLoader, "load_file", load_file)
        account.reset()
        yield account
