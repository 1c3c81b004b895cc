"""The block `ec2` of a host: what it may say, and what is refused with file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from inventories import errors, host, inventory

from provision.inventory import InventoryHost
from provision.inventory.ec2_block import instance_spec

GOOD = {
    "project": "shop",
    "region": "eu-central-1",
    "image": "ami-0123456789abcdef0",
    "type": "t3.small",
    "rules": "[{port: 22, from: [192.0.2.0/24]}]",
}


def with_block(folder: Path, **more: str) -> InventoryHost:
    """web1 with a good block but for these lines; "" leaves one out."""
    lines = [f"  {key}: {value}" for key, value in {**GOOD, **more}.items() if value]
    return host(folder, "\n".join(["ec2:", *lines]))


def test_short_and_long_forms(tmp_path: Path) -> None:
    spec = instance_spec(with_block(tmp_path))
    assert (spec.types, spec.subnets, spec.address) == (("t3.small",), (None,), "public")
    more = {
        "image": "{ssm: /aws/service/debian/release/12/latest/amd64}",
        "type": "[t3.small, t3a.small]",
        "subnet": "[subnet-0123456789abcdef0, subnet-0123456789abcdef1]",
        "rules": (
            '[{port: 8000-8100, protocol: udp, from: [192.0.2.1, "2001:db8::/32"]},'
            " {port: 22, from: [0.0.0.0/0]}]"
        ),
        "volumes": "[{size: 20}, {device: /dev/sdf, size: 100, keep: true}]",
    }
    spec = instance_spec(with_block(tmp_path, **more))
    assert spec.types == ("t3.small", "t3a.small")
    assert len(spec.subnets) == 2
    assert spec.rules[0].ports == (8000, 8100)
    assert spec.rules[0].sources == ("192.0.2.1/32", "2001:db8::/32")
    assert all(volume.encrypted for volume in spec.volumes)


@pytest.mark.parametrize(
    ("key", "value", "line", "words"),
    [
        ("region", "eu-central", 6, "'eu-central' is not a region like eu-central-1"),
        ("project", "", 4, "is required"),
        ("image", "ami-xyz", 7, "'ami-xyz' is not the id of an image"),
        ("type", "t3small", 8, "'t3small' is not a type of instance like t3.small"),
        ("rules", "[{port: 22, from: [here]}]", 9, "'here' is not an address or a network"),
        ("rules", "[{port: 70000, from: [0.0.0.0/0]}]", 9, "is not a port"),
        ("rules", "[{port: 443, from: [0.0.0.0/0]}]", 9, "no rule lets prov in: none is for port 22"),
        ("rules", "", 4, "give rules, or the security_groups that let prov in"),
        ("volumes", "[{size: 8}, {size: 9}]", 4, "two volumes"),
        ("volumes", "[{device: /dev/sdf}]", 10, "needs a size in GiB"),
        ("tags", "{'aws:x': y}", 4, "'aws:x' is set by prov or AWS"),
        ("tags", "{Name: y}", 4, "'Name' is set by prov or AWS"),
        ("adress", "public", 10, "unknown parameter 'adress'. Did you mean 'address'?"),
        ("subnet", "[]", 4, "needs at least one"),
    ],
)
def test_refused_with_its_line(tmp_path: Path, key: str, value: str, line: int, words: str) -> None:
    web1 = with_block(tmp_path, **{key: value})
    found = errors(lambda: instance_spec(web1))
    assert any(error.startswith("inv.yml:") and words in error for error in found), found
    assert any(error.startswith(f"inv.yml:{line} ") for error in found), found


def test_an_address_of_its_own_makes_a_host_of_any_inventory(tmp_path: Path) -> None:
    """`ec2` is also a name that people give to variables of their own."""
    assert host(tmp_path, "ec2: {mine: 1}\nansible_host: 192.0.2.1").connection.kind == "ssh"
    assert with_block(tmp_path).connection.kind == "ec2"


COUNTED = """
web:
  vars:
    ec2:
      project: shop
      region: eu-central-1
      image: ami-0123456789abcdef0
      type: t3.small
      security_groups: [sg-0123456789abcdef0]
      count: {count}
{hosts}"""


def test_a_group_counts_its_hosts(tmp_path: Path) -> None:
    loaded = inventory(tmp_path, COUNTED.format(count=3, hosts=""))
    assert list(loaded.hosts) == ["web1", "web2", "web3"]
    assert instance_spec(loaded.hosts["web2"]).project == "shop"
    assert [each.name for each in loaded.select("web")] == ["web1", "web2", "web3"]


@pytest.mark.parametrize(
    ("count", "hosts", "words"),
    [
        ("0", "", "must be a number from 1 to 100, not 0"),
        ("many", "", "must be a number from 1 to 100, not 'many'"),
        ("2", "  hosts:\n    web7:\n", "counts the hosts of web, which lists hosts or groups itself"),
    ],
)
def test_counts_that_are_refused(tmp_path: Path, count: str, hosts: str, words: str) -> None:
    (found,) = errors(lambda: inventory(tmp_path, COUNTED.format(count=count, hosts=hosts)))
    assert found == f"inv.yml:9 web.vars.ec2.count: {words}"


def test_one_host_counts_nothing(tmp_path: Path) -> None:
    web1 = with_block(tmp_path, count="2")
    (found,) = errors(lambda: instance_spec(web1))
    assert found.startswith("inv.yml:10 web1.ec2.count: counts the hosts of a group")


PROBE = """
import sys
from provision.inventory import load
from provision.roles.project import resolve
resolve(load(["inv.yml"]).select("all"))
from provision.roles.reach import reach
reach(load(["inv.yml"]).hosts["web1"])
print([name for name in sys.modules if name.startswith(("boto", "provision.cloud"))])
"""


def test_hosts_that_are_no_instances_import_nothing_of_the_cloud(tmp_path: Path) -> None:
    host(tmp_path, "ansible_host: 192.0.2.1\nroles: [base]")
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
