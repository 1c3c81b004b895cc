"""`prov ec2 plan`, `up`, `down` and `list` against moto: exact plans, one instance, nothing left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from ec2_account import (
    BLOCK,
    FakeInstances,
    account,
    ec2,
    ec2_project,
    image,
    instances,
    own_groups,
    prov,
)
from inventories import host as any_host

from provision.cli.main import cli
from provision.cloud import instance_tags
from provision.cloud.instance_addresses import AddressCache
from provision.controller.openssh.arguments import target_words
from provision.inventory import load
from provision.inventory.ec2_block import instance_spec
from provision.roles.reach import reach


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[FakeInstances]:
    with account(tmp_path) as fake:
        yield fake


def tags() -> dict[str, str]:
    (instance,) = instances()
    return instance_tags.of(instance)


def test_a_plan_says_what_up_does_and_a_second_run_changes_nothing(
    aws: FakeInstances, tmp_path: Path
) -> None:
    folder = ec2_project(tmp_path)
    planned = prov(folder, "plan", "web1")
    assert planned.status == 3
    assert list(planned.steps()) == ["security group prov-shop-web1", "instance", "first boot"]
    assert planned.steps()["security group prov-shop-web1"] == [
        "security group:  -> prov-shop-web1",
        "rule:  -> tcp 22 from 192.0.2.7/32",
        "rule:  -> tcp 443 from 0.0.0.0/0",
        "rule:  -> tcp 443 from ::/0",
    ]
    assert "type:  -> t3.small, or without capacity t3a.small" in planned.steps()["instance"]
    assert instances() == [] and own_groups() == [], "a plan makes nothing"
    done = prov(folder, "up", "web1")
    assert (done.status, done.steps()) == (0, planned.steps())
    (instance,) = instances()
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["State"]["Name"] == "running"
    assert tags()["Name"] == "web1" and tags()["prov:first-boot"] == "done"
    for command, status in (("plan", 0), ("up", 0)):
        again = prov(folder, command, "web1")
        assert (again.status, again.steps()) == (status, {})
    assert len(instances()) == 1


def test_the_key_of_user_data_is_replaced_and_the_new_one_pinned(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    (used,) = aws.keys.values()
    assert tags()["prov:host-key"] == used
    assert "prov:host-key-next" not in tags()
    data = ec2().describe_instance_attribute(InstanceId=instances()[0]["InstanceId"], Attribute="userData")
    assert used not in str(data)
    target = reach(load(cwd=folder).hosts["web1"])
    assert target.pinned is not None and target.pinned.read_text() == f"* {used}\n"
    assert target.address == instances()[0]["PublicIpAddress"]


def test_where_an_instance_is_can_be_learnt_without_the_cache(aws: FakeInstances, tmp_path: Path) -> None:
    """Another machine, or the same without its cache, finds the address and the key by tags."""
    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    web1 = load(cwd=folder).hosts["web1"]
    before = reach(web1)
    AddressCache(instance_spec(web1), "web1").forget()
    after = reach(web1)
    assert (before.address, before.pinned) == (after.address, after.pinned)
    assert after.pinned is not None and after.pinned.is_file()


def test_a_stopped_instance_is_started_and_not_doubled(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    (name,) = [each["InstanceId"] for each in instances()]
    ec2().stop_instances(InstanceIds=[name])
    assert prov(folder, "plan", "web1").steps() == {"instance": ["state: stopped -> running"]}
    assert prov(folder, "up", "web1").steps() == {"instance": ["state: stopped -> running"]}
    assert [(each["InstanceId"], each["State"]["Name"]) for each in instances()] == [(name, "running")]


def test_rules_tags_and_metadata_follow_the_inventory(aws: FakeInstances, tmp_path: Path) -> None:
    prov(ec2_project(tmp_path), "up", "web1")
    (group,) = own_groups()
    name = instances()[0]["InstanceId"]
    # by hand: another rule, IMDSv1, a tag
    ec2().authorize_security_group_ingress(
        GroupId=group["GroupId"], IpProtocol="tcp", FromPort=23, ToPort=23, CidrIp="0.0.0.0/0"
    )
    ec2().modify_instance_metadata_options(InstanceId=name, HttpTokens="optional")
    ec2().create_tags(Resources=[name], Tags=[{"Key": "by", "Value": "hand"}])
    folder = ec2_project(tmp_path, BLOCK.replace("port: 443", "port: 8443") + "tags: {team: shop}\n")
    wanted = {
        "security group prov-shop-web1": [
            "rule:  -> tcp 8443 from 0.0.0.0/0",
            "rule:  -> tcp 8443 from ::/0",
            "rule: tcp 23 from 0.0.0.0/0 -> ",
            "rule: tcp 443 from 0.0.0.0/0 -> ",
            "rule: tcp 443 from ::/0 -> ",
        ],
        "instance": [
            "metadata: IMDSv1 and IMDSv2 -> IMDSv2 only",
            "tag team:  -> shop",
            "tag by: hand -> ",
        ],
    }
    assert prov(folder, "plan", "web1").steps() == wanted
    assert prov(folder, "up", "web1").steps() == wanted
    assert prov(folder, "plan", "web1").status == 0


def test_another_type_stops_the_instance_only_if_that_is_meant(aws: FakeInstances, tmp_path: Path) -> None:
    prov(ec2_project(tmp_path), "up", "web1")
    folder = ec2_project(tmp_path, BLOCK.replace("[t3.small, t3a.small]", "t3.medium"))
    assert prov(folder, "plan", "web1").steps() == {
        "instance": ["type: t3.small -> t3.medium, stopped for it"]
    }
    refused = prov(folder, "up", "web1")
    assert refused.status == 1 and "prov ec2 up web1 --stop" in refused.failure()
    assert instances()[0]["InstanceType"] == "t3.small"
    assert prov(folder, "up", "web1", "--stop").status == 0
    assert [(each["InstanceType"], each["State"]["Name"]) for each in instances()] == [
        ("t3.medium", "running")
    ]
    assert prov(folder, "plan", "web1").status == 0


def test_an_elastic_address_is_allocated_once(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path, BLOCK + "address: elastic\n")
    assert prov(folder, "plan", "web1").steps()["elastic address"] == ["elastic address:  -> a new one"]
    assert prov(folder, "up", "web1").status == 0
    (address,) = ec2().describe_addresses()["Addresses"]
    assert address["InstanceId"] == instances()[0]["InstanceId"]
    assert reach(load(cwd=folder).hosts["web1"]).address == address["PublicIp"]
    assert prov(folder, "plan", "web1").status == 0
    prov(folder, "down", "web1", "--yes")
    assert ec2().describe_addresses()["Addresses"] == []


def test_down_removes_what_prov_made_and_nothing_else(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    other = ec2().run_instances(ImageId=image(), MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    ec2().create_tags(Resources=[other], Tags=[{"Key": "Name", "Value": "web1"}])
    group = ec2().create_security_group(GroupName="theirs", Description="x")["GroupId"]
    prov(folder, "up", "web1")
    planned = prov(folder, "plan", "web1", "--down")
    assert list(planned.steps()) == ["instance", "security group prov-shop-web1"]
    done = prov(folder, "down", "web1", "--yes")
    assert (done.status, list(done.steps())) == (0, list(planned.steps()))
    assert [each["InstanceId"] for each in instances()] == [other]
    assert [each["GroupId"] for each in own_groups()] == [group]
    assert prov(folder, "down", "web1", "--yes").steps() == {}


def test_down_asks(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    with pytest.raises(Exception, match="removing instances needs --yes"):
        prov(folder, "down", "web1")
    assert len(instances()) == 1


def test_disks_that_are_to_stay_are_named_by_down(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path, BLOCK + "volumes: [{size: 8}, {device: /dev/sdf, size: 20, keep: true}]\n")
    made = prov(folder, "plan", "web1").steps()["instance"]
    assert "volume /dev/sdf:  -> 20 GiB, gp3, encrypted, kept by down" in made
    prov(folder, "up", "web1")
    assert all(volume["Encrypted"] for volume in ec2().describe_volumes()["Volumes"])
    assert prov(folder, "plan", "web1").status == 0
    notes = [each["text"] for each in prov(folder, "down", "web1", "--yes").events if each["event"] == "note"]
    (left,) = ec2().describe_volumes()["Volumes"]
    assert left["Size"] == 20
    assert any(note.startswith("/dev/sdf stays") and note.endswith(left["VolumeId"]) for note in notes)


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
def test_down_shows_what_it_removes_and_takes_no_for_an_answer(
    aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    (name,) = [each["InstanceId"] for each in instances()]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("provision.commands.ec2.on_terminal", lambda: True)
    result = CliRunner().invoke(cli, ["ec2", "down", "web1"], input=f"{answer}\n")
    assert f"- instance {name} (running)" in result.output
    assert "Remove all this?" in result.output
    assert len(instances()) == left


def test_list_shows_what_aws_has_now(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    assert prov(folder, "list", "web1").events[0]["state"] == "none"
    prov(folder, "up", "web1")
    (found,) = [each for each in prov(folder, "list", "web1").events if each["event"] == "instance"]
    (instance,) = instances()
    assert found["instance"] == instance["InstanceId"] and found["address"] == instance["PublicIpAddress"]
    assert (found["state"], found["first_boot"]) == ("running", "done")


def test_a_cached_address_needs_no_aws(
    aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    monkeypatch.setattr("provision.cloud.aws_calls.AwsCalls.__init__", None)
    assert reach(load(cwd=folder).hosts["web1"]).address == instances()[0]["PublicIpAddress"]


#: calls that change something, and scripts on the instance, of a first `up`
CUTS = 14


@pytest.mark.parametrize("at", range(1, CUTS + 1))
def test_up_that_was_killed_anywhere_is_finished_by_the_next(tmp_path: Path, at: int) -> None:
    """After the first of them, after the second, ... which is before the next."""
    with account(tmp_path) as fake:
        folder = ec2_project(tmp_path)
        fake.left = at
        assert prov(folder, "up", "web1").status == 1
        assert fake.left == 0, "it was not cut"
        fake.left = None
        assert prov(folder, "up", "web1").status == 0
        assert len(instances()) == 1 and len(own_groups()) == 1
        assert tags()["prov:host-key"] in fake.keys.values()
        assert prov(folder, "plan", "web1").steps() == {}
        # and what it made can be found and removed, also from there
        prov(folder, "down", "web1", "--yes")
        assert instances() == [] and own_groups() == []


@pytest.mark.parametrize("at", [1, 2])
def test_down_that_was_killed_is_finished_by_the_next(tmp_path: Path, at: int) -> None:
    with account(tmp_path) as fake:
        folder = ec2_project(tmp_path)
        prov(folder, "up", "web1")
        fake.left = at
        assert prov(folder, "down", "web1", "--yes").status == 1
        fake.left = None
        assert prov(folder, "down", "web1", "--yes").status == 0
        assert instances() == [] and own_groups() == []


def test_a_host_without_an_instance_is_unreachable_with_what_to_do(
    aws: FakeInstances, tmp_path: Path
) -> None:
    folder = ec2_project(tmp_path)
    with pytest.raises(Exception, match="web1 has no instance in eu-central-1") as caught:
        reach(load(cwd=folder).hosts["web1"])
    assert "prov ec2 up web1" in str(getattr(caught.value, "hint", ""))


def test_other_hosts_use_its_private_address(aws: FakeInstances, tmp_path: Path) -> None:
    from provision.apps.host_addresses import address_of

    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    assert address_of(load(cwd=folder).hosts["web1"]) == instances()[0]["PrivateIpAddress"]
    assert any_host(tmp_path / "x", "ansible_host: 192.0.2.1").connection.kind == "ssh"


def test_an_instance_without_its_host_is_listed(aws: FakeInstances, tmp_path: Path) -> None:
    prov(ec2_project(tmp_path), "up", "web1")
    (name,) = [each["InstanceId"] for each in instances()]
    file = tmp_path / "inventory/hosts.yml"
    file.write_text(file.read_text().replace("web1", "web2"))
    found = {
        each["host"]: each for each in prov(tmp_path, "list", "web2").events if each["event"] == "instance"
    }
    assert (found["web1"]["instance"], found["web1"]["state"]) == (name, "running, not in the inventory")
    assert found["web2"]["state"] == "none"


def test_session_manager_leads_to_the_instance_by_its_id(aws: FakeInstances, tmp_path: Path) -> None:
    block = BLOCK.replace("{port: 22, from: [192.0.2.7]}", "{port: 80, from: [192.0.2.7]}")
    folder = ec2_project(tmp_path, block + "address: ssm\n")
    assert prov(folder, "up", "web1").status == 0
    target = reach(load(cwd=folder).hosts["web1"])
    assert target.address == instances()[0]["InstanceId"]
    assert target_words(target)[0] == (
        "-oProxyCommand=aws ssm start-session --region eu-central-1 --document-name AWS-StartSSHSession"
        " --target %h --parameters portNumber=%p"
    )
