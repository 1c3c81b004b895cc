"""An account of moto's, a project with a host on EC2, and instances that boot as real ones do, without SSH."""

from __future__ import annotations

import base64
import functools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.loaders import JSONFileLoader
from click.testing import CliRunner
from inventories import project
from moto import mock_aws

from provision.cli.main import cli
from provision.cloud import ec2_instances, first_boot, own_security_group
from provision.cloud.aws_calls import AwsCalls
from provision.cloud.boot_scripts import CLOUD_INIT, NEW_KEY, TAKE_KEY, USED_KEY
from provision.cloud.host_key_pairs import new_host_key
from provision.cloud.root_shell import Said
from provision.controller.transport import Target
from provision.errors import UnreachableError

# before moto reads its own, which has none of Debian's, and takes a second for each account
os.environ["MOTO_AMIS_PATH"] = str(Path(__file__).parents[1] / "ec2_images.json")

REGION = "eu-central-1"
OWNER, IMAGE = "136693071363", "debian-12-amd64-*"
BLOCK = f"""
project: shop
region: {REGION}
image: {{name: "{IMAGE}", owner: "{OWNER}"}}
type: [t3.small, t3a.small]
rules:
  - {{port: 22, from: [192.0.2.7]}}
  - {{port: 443, from: [0.0.0.0/0, "::/0"]}}
"""
#: what changes something in AWS
READS = ("Describe", "Get", "List")


class Cut(Exception):
    """The process was killed here."""


class FakeInstances:
    """What answers on SSH: the instances of moto, each with the host key that its user data handed over.

    left: calls and scripts until prov is killed; None never.
    """

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.next: dict[str, str] = {}
        self.scripts: list[str] = []
        self.cloud_init = Said(0, "status: done\n", "")
        self.left: int | None = None

    def step(self, act: Any) -> Any:
        """Do something; prov is killed after the last of them."""
        done = act()
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                raise Cut
        return done

    def shell(self, target: Target, note: Any) -> FakeShell:
        assert target.pinned is not None
        return FakeShell(self, target.address, target.pinned)


class FakeShell:
    """A RootShell that reaches an instance only if known_hosts has the key that it uses now."""

    def __init__(self, instances: FakeInstances, address: str, known_hosts: Path) -> None:
        self._all, self._address, self._known_hosts = instances, address, known_hosts

    def wait(self) -> None:
        self.run("exit 0", seconds=1)

    def run(self, script: str, *, seconds: float) -> Said:
        known = self._known_hosts.read_text().splitlines()
        if f"* {self.key}" not in known:
            raise UnreachableError("the host key is not known")
        found: Said = self._all.step(lambda: self._run(script))
        return found

    @property
    def key(self) -> str:
        """The host key that the instance uses: at first, that of its user data."""
        if self._address not in self._all.keys:
            instance = instance_at(self._address)
            answer = ec2().describe_instance_attribute(
                InstanceId=instance["InstanceId"], Attribute="userData"
            )
            text = base64.b64decode(answer["UserData"]["Value"]).decode()
            self._all.keys[self._address] = json.loads(text.partition("\n")[2])["ssh_keys"]["ed25519_public"]
        return self._all.keys[self._address]

    def _run(self, script: str) -> Said:
        self._all.scripts.append(script)
        if script == USED_KEY:
            return Said(0, f"{self.key}\n", "")
        if script == NEW_KEY:
            public = self._all.next.setdefault(self._address, new_host_key().public)
            return Said(0, f"{public}\n", "")
        if script == TAKE_KEY and self._address in self._all.next:
            self._all.keys[self._address] = self._all.next.pop(self._address)
        return self._all.cloud_init if script == CLOUD_INIT else Said(0, "", "")


read_file = functools.cache(functools.partial(JSONFileLoader.load_file, JSONFileLoader()))


def load_file(self: JSONFileLoader, path: str) -> Any:
    """A file of botocore's, read once for all sessions: each of them would read megabytes."""
    return read_file(path)


@functools.cache
def client(service: str, region: str) -> Any:
    """A client of moto's: making one takes half a second."""
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client(service, region_name=region, **keys)


def ec2() -> Any:
    """A client of moto's EC2."""
    return client("ec2", REGION)


def image() -> str:
    """The id of an image."""
    return str(ec2().describe_images(Owners=[OWNER])["Images"][0]["ImageId"])


def instances() -> list[dict[str, Any]]:
    """All instances that have not ended."""
    found = [each for r in ec2().describe_instances()["Reservations"] for each in r["Instances"]]
    return [each for each in found if each["State"]["Name"] not in ("terminated", "shutting-down")]


def instance_at(address: str) -> dict[str, Any]:
    """The instance at an address, or of an id."""
    (found,) = [
        each
        for each in instances()
        if address in (each.get("PublicIpAddress"), each["PrivateIpAddress"], each["InstanceId"])
    ]
    return found


def own_groups() -> list[dict[str, Any]]:
    """Security groups that prov made."""
    return [
        each for each in ec2().describe_security_groups()["SecurityGroups"] if each["GroupName"] != "default"
    ]


@contextmanager
def account(folder: Path) -> Iterator[FakeInstances]:
    """An empty account, in which prov's calls and what it runs on instances can be cut; caches are in the folder."""
    fake = FakeInstances()
    real = AwsCalls.call

    def call(self: AwsCalls, action: str, **arguments: Any) -> Any:
        if action.split(":")[1].startswith(READS):
            return real(self, action, **arguments)
        return fake.step(lambda: real(self, action, **arguments))

    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setattr(first_boot, "RootShell", fake.shell)
        patch.setattr(ec2_instances, "LOOK", 0.01)
        patch.setattr(own_security_group, "PAUSE", 0.01)
        patch.setattr(AwsCalls, "call", call)
        patch.setattr(JSONFileLoader, "load_file", load_file)
        yield fake


def ec2_project(folder: Path, block: str = BLOCK, more: str = "") -> Path:
    """A project with web1, which is an instance. more: lines for web1 after the block."""
    lines = "\n".join(f"        {line}" for line in block.strip().splitlines())
    extra = "\n".join(f"      {line}" for line in more.strip().splitlines())
    text = f"all:\n  hosts:\n    web1:\n      ansible_user: admin\n      ec2:\n{lines}\n{extra}\n"
    return project(folder, {"inventory/hosts.yml": text})


class Answer:
    """What a command has printed as JSON lines. status: its exit status."""

    def __init__(self, status: int, text: str, error: str) -> None:
        self.status, self.error = status, error
        self.events: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    def steps(self) -> dict[str, list[str]]:
        """The steps that have changed something, with what each has changed."""
        found = [each for each in self.events if each["event"] == "step" and each["state"] == "changed"]
        return {step["step"]: [shown(change) for change in step["diff"]] for step in found}

    def failure(self) -> str:
        """Why the only host failed, with what to do."""
        (found,) = [each for each in self.events if each["event"] == "host" and each.get("state") == "failed"]
        return json.dumps(found)


def shown(change: Mapping[str, str]) -> str:
    return f"{change['what']}: {change['before']} -> {change['after']}"


def prov(folder: Path, *words: str) -> Answer:
    """Run a command of `prov ec2` with --json in a project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(cli, ["ec2", *words, "--json"], prog_name="prov", standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    status = result.return_value if isinstance(result.return_value, int) else 0
    return Answer(status, result.stdout, result.stderr)
