"""From no instance to HTTPS and back: moto's server is AWS, a lab host with Debian's own cloud-init is the instance.

What moto makes up is the address: instances get that of the lab host. The host boots with the user data that prov has
sent, in a NoCloud seed.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import HELLO, Project
from helpers.web import Site
from moto.server import ThreadedMotoServer

from provision import lab

# moto reads its images when it is imported, and has none of Debian's
os.environ["MOTO_AMIS_PATH"] = str(Path(__file__).parents[1] / "ec2_images.json")
moto_instances = importlib.import_module("moto.ec2.models.instances")
interfaces = importlib.import_module("moto.ec2.models.elastic_network_interfaces")

pytestmark = [pytest.mark.lab, pytest.mark.minutes]
NAME = "t-ec2"
REGION = "eu-central-1"
#: the archive, the network and the locale of the lab's image stay; no other datasource is looked for
SETTINGS = """datasource_list: [NoCloud]
network: {config: disabled}
apt: {preserve_sources_list: true}
preserve_hostname: true
locale: false
"""


#: notes its arguments, and connects its streams with a port
PIPE = """import os, pathlib, select, socket, sys
pathlib.Path("asked").write_text(" ".join(sys.argv[1:]))
peer = socket.create_connection(("{address}", 22))
while True:
    for ready in select.select([0, peer], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else peer.recv(65536)
        if not data:
            sys.exit()
        os.write(1, data) if ready is peer else peer.sendall(data)
"""


class FakeAws:
    """moto's server, and the lab host that boots when an instance is made. booted: set when it has begun to."""

    def __init__(self, host: lab.LabHost) -> None:
        self.host = host
        self.server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        self.server.start()
        address, port = self.server.get_host_and_port()
        self.url = f"http://{address}:{port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        self.ec2: Any = boto3.client(
            "ec2",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def boot(self, instance: str, data: bytes) -> None:
        """Boot the host with user data, as the instance of that id."""
        folder = "/var/lib/cloud/seed/nocloud"
        text = base64.b64encode(data).decode()
        on(
            NAME, "sh", "-c",
            f"mkdir -p {folder}; echo 'instance-id: {instance}' >{folder}/meta-data;"
            f" echo {text} | base64 -d >{folder}/user-data;"
            " systemctl reboot",
            check=False,
        )  # fmt: skip

    def instances(self) -> list[dict[str, Any]]:
        found = [i for r in self.ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        return [each for each in found if each["State"]["Name"] != "terminated"]


@pytest.fixture
def aws(lab_hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    host = lab_hosts.one(NAME, Kind("debian-12", "sudo"))
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -q"
    install = f"{apt} update && {apt} install -y --no-install-recommends cloud-init"
    configure = f"printf '%s' '{SETTINGS}' >/etc/cloud/cloud.cfg.d/99-test.cfg"
    on(NAME, "sh", "-c", f"{install} && {configure}", timeout=180)
    made = FakeAws(host)
    begun: list[threading.Thread] = []
    real = moto_instances.InstanceBackend.run_instances

    def run_instances(self: Any, *given: Any, **more: Any) -> Any:
        reservation = real(self, *given, **more)
        (instance,) = reservation.instances
        # no packet may go to an address that moto has made up
        assert instance.public_ip == host.address
        data = base64.b64decode(str(instance.user_data))
        begun.append(threading.Thread(target=made.boot, args=(instance.id, data)))
        begun[-1].start()
        return reservation

    monkeypatch.setattr(moto_instances.InstanceBackend, "run_instances", run_instances)
    monkeypatch.setattr(interfaces, "random_public_ip", lambda: host.address)
    yield made
    for thread in begun:
        thread.join()
    made.server.stop()


def test_from_no_instance_to_https_and_back(aws: FakeAws, project: Project) -> None:
    block = {
        "project": "tests",
        "region": REGION,
        "image": {"name": "debian-12-amd64-*", "owner": "136693071363"},
        "type": "t3.small",
        "rules": [{"port": 22, "from": ["10.0.0.0/8"]}, {"port": 443, "from": ["0.0.0.0/0"]}],
    }
    project.examples().inventory(
        {NAME: {"apps": {"hello": {**HELLO, "server": "gunicorn", "front": "nginx"}}}},
        ansible_user=aws.host.user,
        ansible_ssh_private_key_file=str(aws.host.key),
        roles=["base", "python", "app"],
        ec2=block,
    )
    env = {**aws.environment, "XDG_CACHE_HOME": str(project.folder / "cache")}
    for command in ("plan", "deploy"):
        run = prov(command, NAME, cwd=project.folder, env=env, status=4)
        assert f"{NAME} has no instance" in run.error()["message"]

    run = prov("deploy", NAME, "--create", cwd=project.folder, env=env, status=0, timeout=150)
    assert run.not_in(NAME, "ok", "changed") == []
    made = [step["step"] for step in run.steps(NAME) if step["role"] == "ec2"]
    assert made == [f"security group prov-tests-{NAME}", "instance", "first boot"]
    site = Site(aws.host.address, "hello.test", project.ca)
    assert site.get("/").status == 200

    # the key of user data is not that of the host any more, and user data was what cloud-init takes
    (instance,) = aws.instances()
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    key = prov("run", NAME, "--", "cat", "/etc/ssh/ssh_host_ed25519_key.pub", cwd=project.folder, env=env)
    assert tags["prov:host-key"] in str(key.events)
    handed = base64.b64decode(
        aws.ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")[
            "UserData"
        ]["Value"]
    ).decode()
    assert tags["prov:host-key"] not in handed
    status = prov("run", NAME, "--", "cloud-init", "status", "--long", cwd=project.folder, env=env, status=0)
    assert "status: done" in str(status.events)
    used = prov(
        "run", NAME, "--", "cat", "/var/lib/cloud/instance/user-data.txt", cwd=project.folder, env=env
    )
    assert json.loads(handed.partition("\n")[2])["ssh_keys"]["ed25519_public"] in str(used.events)

    # through Session Manager, whose place a program takes that pipes to the host's sshd
    inventory = project.folder / "inventory/hosts.yml"
    text = inventory.read_text()
    program = project.folder / "bin/aws"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{PIPE.format(address=aws.host.address)}")
    program.chmod(0o755)
    inventory.write_text(text.replace("    ec2:\n", "    ec2:\n      address: ssm\n"))
    path = {**env, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    through = prov("run", NAME, "--", "true", cwd=project.folder, env=path, status=0)
    assert through.errors == []
    asked = (project.folder / "asked").read_text().split()
    assert asked[:2] == ["ssm", "start-session"] and instance["InstanceId"] in asked
    inventory.write_text(text)

    # nothing to change, then a change in AWS alone
    again = prov("deploy", NAME, "--create", cwd=project.folder, env=env, status=0)
    assert again.tally(NAME)["changed"] == 0
    inventory.write_text(text.replace("port: 443", "port: 8443"))
    plan = prov("ec2 plan", NAME, cwd=project.folder, env=env)
    assert plan.status == 3

    down = prov("ec2 down", NAME, "--yes", cwd=project.folder, env=env)
    assert down.status == 0
    assert aws.instances() == []
    assert [g["GroupName"] for g in aws.ec2.describe_security_groups()["SecurityGroups"]] == ["default"]
    gone = prov("plan", NAME, cwd=project.folder, env=env, status=4)
    assert f"{NAME} has no instance" in gone.error()["message"]
