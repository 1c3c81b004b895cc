"""Inventories that ask AWS, in the form of Ansible's plugin aws_ec2: the same hosts, groups and variables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ec2_account import account, ec2, image
from inventories import errors, project

from provision.cloud.described_instances import safe_name, snake_key
from provision.inventory import Inventory, load

HEAD = "plugin: amazon.aws.aws_ec2\nregions: [eu-central-1]\n"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Three instances: web1 and web2 run, db1 is stopped. Returns their ids by name."""
    with account(tmp_path):
        found = {}
        for name, role in (("web1", "web"), ("web2", "web"), ("db1", "db")):
            tags = [{"Key": "Name", "Value": name}, {"Key": "Role", "Value": role}]
            made = ec2().run_instances(
                ImageId=image(),
                MinCount=1,
                MaxCount=1,
                InstanceType="t3.small",
                TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            )
            found[name] = made["Instances"][0]["InstanceId"]
        ec2().stop_instances(InstanceIds=[found["db1"]])
        yield found


def read(folder: Path, text: str) -> Inventory:
    """The inventory of a file of the plugin."""
    return load(["inventory"], cwd=project(folder, {"inventory/aws_ec2.yml": HEAD + text}))


def groups(inventory: Inventory) -> dict[str, list[str]]:
    return {
        name: sorted(group.hosts) for name, group in inventory.groups.items() if group.hosts and name != "all"
    }


def test_names_are_those_of_dns_by_default(machines: dict[str, str], tmp_path: Path) -> None:
    found = read(tmp_path, "filters: {instance-state-name: running}\n")
    names = {each["PublicDnsName"] for each in described(machines, "web1", "web2")}
    assert set(found.hosts) == names
    assert set(groups(found)) == {"aws_ec2"}


def described(machines: dict[str, str], *names: str) -> list[dict[str, Any]]:
    ids = [machines[name] for name in names]
    return [i for r in ec2().describe_instances(InstanceIds=ids)["Reservations"] for i in r["Instances"]]


def test_groups_variables_and_addresses(machines: dict[str, str], tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """hostnames: ["tag:Name", instance-id]
compose:
  ansible_host: private_ip_address
  zone: placement.availability_zone
  nothing: tags.Nothing
groups:
  webs: tags.Role == 'web'
  named: "'Name' in (tags | list)"
  others: nothing == 1
keyed_groups:
  - {key: tags.Role, prefix: role}
  - {key: instance_type, prefix: type, parent_group: types}
  - {key: tags, prefix: tag}
  - {key: placement.region, separator: ""}
  - {key: tags.Nothing, prefix: nothing}
""",
    )
    (web1,) = described(machines, "web1")
    assert sorted(found.hosts) == ["db1", "web1", "web2"]
    assert found.hosts["web1"].connection.address == web1["PrivateIpAddress"]
    variables = found.hosts["web1"].vars
    assert variables["zone"] == web1["Placement"]["AvailabilityZone"]
    assert variables["tags"] == {"Name": "web1", "Role": "web"}
    assert variables["instance_id"] == machines["web1"]
    assert groups(found) == {
        "aws_ec2": ["db1", "web1", "web2"],
        "webs": ["web1", "web2"],
        "named": ["db1", "web1", "web2"],
        "role_web": ["web1", "web2"],
        "role_db": ["db1"],
        "type_t3_small": ["db1", "web1", "web2"],
        "tag_Name_web1": ["web1"],
        "tag_Name_web2": ["web2"],
        "tag_Name_db1": ["db1"],
        "tag_Role_web": ["web1", "web2"],
        "tag_Role_db": ["db1"],
        "eu_central_1": ["db1", "web1", "web2"],
    }
    assert found.groups["types"].children == ["type_t3_small"]
    assert [host.name for host in found.select("role_web,!web2")] == ["web1"]


def test_filters_include_and_exclude(machines: dict[str, str], tmp_path: Path) -> None:
    text = 'hostnames: ["tag:Name"]\n'
    both = "include_filters: [{'tag:Role': web}, {'tag:Role': [db]}]\nexclude_filters: [{'tag:Name': web2}]\n"
    assert sorted(read(tmp_path, text + both).hosts) == ["db1", "web1"]
    assert sorted(read(tmp_path, text + "filters: {'tag:Role': db}\n").hosts) == ["db1"]


def test_names_with_a_prefix(machines: dict[str, str], tmp_path: Path) -> None:
    text = (
        "filters: {'tag:Name': web1}\nhostnames: [{name: 'tag:Name', prefix: 'tag:Role', separator: '-'}]\n"
    )
    assert list(read(tmp_path, text).hosts) == ["web-web1"]
    every = (
        "filters: {'tag:Name': web1}\nhostnames: ['tag:Name', 'tag:Role=web']\nallow_duplicated_hosts: true\n"
    )
    assert list(read(tmp_path, every).hosts) == ["web1", "Role_web"]


def test_other_files_of_the_folder_add_to_it(machines: dict[str, str], tmp_path: Path) -> None:
    text = 'hostnames: ["tag:Name"]\nkeyed_groups: [{key: tags.Role, prefix: role}]\n'
    project(tmp_path, {"inventory/group_vars/role_web.yml": "roles: [base]\n"})
    assert read(tmp_path, text).hosts["web1"].roles == ("base",)


def test_the_cache_answers_until_it_is_old(
    machines: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'hostnames: ["tag:Name"]\ncache: true\n'
    first = read(tmp_path, text)
    ec2().terminate_instances(InstanceIds=[machines["web2"]])
    again = read(tmp_path, text)
    assert sorted(again.hosts) == sorted(first.hosts) == ["db1", "web1", "web2"]
    assert again.hosts["web1"].vars == first.hosts["web1"].vars
    assert sorted(read(tmp_path, text + "cache_timeout: 0\n").hosts) == ["db1", "web1"]


def test_what_is_wrong_in_the_file(machines: dict[str, str], tmp_path: Path) -> None:
    def wrong(text: str) -> list[str]:
        return errors(lambda: read(tmp_path, text))

    assert wrong("keyed_group: []\n") == [
        "inventory/aws_ec2.yml:3 keyed_group: the plugin aws_ec2 has no option 'keyed_group'."
        " Did you mean 'keyed_groups'?"
    ]
    strict = "filters: {'tag:Name': web1}\nhostnames: ['tag:Name']\nstrict: true\n"
    (nothing,) = wrong(strict + "compose: {x: tags.Nothing}\n")
    assert nothing.startswith("inventory/aws_ec2.yml:6 compose.x: for web1: 'tags.Nothing'")
    (broken,) = wrong(strict + "compose:\n  x: tags.(\n")
    assert broken.startswith("inventory/aws_ec2.yml:7 compose.x: for web1: 'tags.('")


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("PublicIpAddress", "public_ip_address"),
        ("ImageId", "image_id"),
        ("VpcId", "vpc_id"),
        ("EbsOptimized", "ebs_optimized"),
        ("TargetGroupARNs", "target_group_arns"),
        ("AmiLaunchIndex", "ami_launch_index"),
        ("Ipv6Address", "ipv6_address"),
    ],
)
def test_names_of_variables(name: str, snake: str) -> None:
    assert snake_key(name) == snake


def test_names_of_groups() -> None:
    assert [safe_name(name) for name in ("eu-central-1", "1a", "a b/c", "_x")] == [
        "eu_central_1",
        "_a",
        "a_b_c",
        "_x",
    ]
