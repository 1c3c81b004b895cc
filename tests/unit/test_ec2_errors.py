"""What AWS refuses, in plain words, with what to do; nothing is left that costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from ec2_account import BLOCK, FakeInstances, account, ec2, ec2_project, instances, own_groups, prov

from provision.cloud import aws_calls, ec2_instances
from provision.cloud.aws_calls import AwsCalls
from provision.cloud.cloud_errors import CloudError, refused
from provision.cloud.root_shell import Said


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[FakeInstances]:
    with account(tmp_path) as fake:
        yield fake


def answers(monkeypatch: pytest.MonkeyPatch, operation: str, *codes: str) -> list[dict[str, Any]]:
    """Let AWS refuse an operation with these codes, one after another, then work. Returns the requests."""
    seen: list[dict[str, Any]] = []
    left = list(codes)
    real = AwsCalls.call

    def call(self: AwsCalls, action: str, **arguments: Any) -> Any:
        if action != f"ec2:{operation}":
            return real(self, action, **arguments)
        seen.append(arguments)
        if not left:
            return real(self, action, **arguments)
        error = {"Error": {"Code": left.pop(0), "Message": "as AWS says it."}}
        raise refused(action, error, profile=self.who, region=self.region)

    monkeypatch.setattr(AwsCalls, "call", call)
    return seen


@pytest.mark.parametrize(
    ("code", "words", "hint"),
    [
        ("UnauthorizedOperation", "may not ec2:RunInstances in eu-central-1", '"Action": "ec2:RunInstances"'),
        ("VcpuLimitExceeded", "a quota of the account is used up", "Service Quotas"),
        ("ExpiredToken", "have expired", "run the same command"),
        ("RequestExpired", "have expired", "run the same command"),
        ("AuthFailure", "does not accept the credentials", "clock"),
        ("InternalFailure", "ec2:RunInstances in eu-central-1: as AWS says it (InternalFailure)", ""),
    ],
)
def test_refusals_in_plain_words(
    aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, words: str, hint: str
) -> None:
    answers(monkeypatch, "RunInstances", code)
    folder = ec2_project(tmp_path)
    failed = prov(folder, "up", "web1")
    assert failed.status == 1
    assert words in json.loads(failed.failure())["error"]["message"]
    assert hint in json.loads(failed.failure())["error"]["hint"]
    # the same command continues
    assert prov(folder, "up", "web1").status == 0
    assert len(instances()) == 1


def test_without_capacity_the_next_type_is_tried(
    aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = answers(monkeypatch, "RunInstances", "InsufficientInstanceCapacity")
    assert prov(ec2_project(tmp_path), "up", "web1").status == 0
    assert [each["InstanceType"] for each in seen] == ["t3.small", "t3a.small"]
    assert seen[0]["ClientToken"] != seen[1]["ClientToken"]
    assert instances()[0]["InstanceType"] == "t3a.small"
    assert prov(ec2_project(tmp_path), "plan", "web1").status == 0, "either type is as wanted"


def test_without_any_capacity(aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "RunInstances", *["InsufficientInstanceCapacity"] * 2)
    failed = prov(ec2_project(tmp_path), "up", "web1")
    assert "no capacity for t3.small in eu-central-1, t3a.small in eu-central-1" in failed.failure()
    assert instances() == []


def test_a_launch_is_repeated_with_the_same_token(
    aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EC2 shows a new instance only after a moment: a second request in that moment must not make a second one."""
    seen = answers(monkeypatch, "RunInstances", "RequestExpired", "InternalFailure")
    folder = ec2_project(tmp_path)
    for _ in range(3):
        prov(folder, "up", "web1")
    assert len(seen) == 3
    assert len({each["ClientToken"] for each in seen}) == 1
    assert len({each["UserData"] for each in seen}) == 1
    prov(folder, "down", "web1", "--yes")
    prov(folder, "up", "web1")
    assert seen[3]["ClientToken"] != seen[0]["ClientToken"], (
        "an instance that has ended is not asked for again"
    )


@pytest.mark.parametrize(
    ("line", "changed", "words"),
    [
        ("image:", "image: ami-0123456789abcdef0", "does not exist in eu-central-1"),
        ("image:", 'image: {name: "nothing-*", owner: "136693071363"}', "has no image named 'nothing-*'"),
        ("image:", "image: {ssm: /aws/service/nothing}", "has no parameter /aws/service/nothing"),
        ("type:", "type: t4g.small", "t4g.small runs arm64, and the image"),
        ("type:", "type: t3.tiny", "t3.tiny"),
        ("type:", "type: t3.small\nkey: mine", "lacks mine"),
        ("type:", "type: t3.small\nsecurity_groups: [sg-0123456789abcdef0]", "lacks sg-0123456789abcdef0"),
        ("type:", "type: t3.small\nsubnet: subnet-0123456789abcdef0", "subnet-0123456789abcdef0"),
    ],
)
def test_what_does_not_exist_is_found_before_anything_is_made(
    aws: FakeInstances, tmp_path: Path, line: str, changed: str, words: str
) -> None:
    block = "\n".join(changed if each.startswith(line) else each for each in BLOCK.strip().splitlines())
    folder = ec2_project(tmp_path, block)
    for command in ("plan", "up"):
        failed = prov(folder, command, "web1")
        assert failed.status == 1
        assert words in failed.failure()
        assert instances() == [] and own_groups() == []


def test_a_region_that_does_not_exist(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path, BLOCK.replace("eu-central-1", "eu-centrall-1"))
    with pytest.raises(CloudError, match=r"no region 'eu-centrall-1'\. Did you mean 'eu-central-1'"):
        prov(folder, "plan", "web1")


def test_a_profile_that_does_not_exist(aws: FakeInstances, tmp_path: Path) -> None:
    with pytest.raises(CloudError, match=r"config has no profile 'other'"):
        prov(ec2_project(tmp_path, BLOCK + "profile: other\n"), "plan", "web1")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError(), "no credentials for AWS were found"),
        (EndpointConnectionError(endpoint_url="https://ec2"), "AWS could not be reached in eu-central-1"),
    ],
)
def test_calls_without_an_answer(
    aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", fails)
    assert words in prov(ec2_project(tmp_path), "plan", "web1").failure()


def test_two_instances_with_one_name_are_refused(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    prov(folder, "up", "web1")
    image = instances()[0]["ImageId"]
    twin = ec2().run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    tags = [{"Key": "prov:project", "Value": "shop"}, {"Key": "prov:host", "Value": "web1"}]
    ec2().create_tags(Resources=[twin], Tags=tags)
    for command in ("plan", "up"):
        failed = prov(folder, command, "web1")
        assert failed.status == 1 and "2 instances have the tags of web1" in failed.failure()
    assert len(instances()) == 2


def test_a_security_group_of_that_name_that_prov_did_not_make(aws: FakeInstances, tmp_path: Path) -> None:
    ec2().create_security_group(GroupName="prov-shop-web1", Description="theirs")
    failed = prov(ec2_project(tmp_path), "up", "web1")
    assert failed.status == 1 and "that prov did not make" in failed.failure()
    assert instances() == []


def test_an_instance_that_ends_while_prov_waits(
    aws: FakeInstances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ec2_instances.look

    def ended(calls: AwsCalls, name: str) -> Any:
        ec2().terminate_instances(InstanceIds=[name])
        return real(calls, name)

    folder = ec2_project(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(ec2_instances, "look", ended)
        failed = prov(folder, "up", "web1")
    assert failed.status == 1 and "was terminated while prov waited" in failed.failure()
    assert prov(folder, "up", "web1").status == 0, "the next run makes another"
    assert len(instances()) == 1


def test_cloud_inits_own_errors_are_shown(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path)
    aws.cloud_init = Said(1, "status: error\ndetail:\nFailed at merging in cloud config part\n", "")
    failed = prov(folder, "up", "web1")
    assert failed.status == 1 and "Failed at merging in cloud config part" in failed.failure()
    assert "prov ec2 down web1" in failed.failure()
    aws.cloud_init = Said(2, "status: done\nrecoverable_errors: WARNING: a module\n", "")
    noted = prov(folder, "up", "web1")
    assert noted.status == 0
    assert any("WARNING: a module" in str(each) for each in noted.events)


def test_user_data_of_ones_own(aws: FakeInstances, tmp_path: Path) -> None:
    folder = ec2_project(tmp_path, BLOCK + "user_data: ../first.sh\n")
    first = folder / "first.sh"
    assert "user data can't be read" in prov(folder, "up", "web1").failure()
    for text, words in (
        ("echo hello\n", "cloud-init would not read it"),
        ("#cloud-config\nssh_keys: {}\n", "ssh_keys is set by prov"),
        ("#!/bin/sh\n" + "".join(f"echo {n * 7919 % 104729:x}\n" for n in range(30000)), "EC2 takes 16384"),
    ):
        first.write_text(text)
        failed = prov(folder, "up", "web1")
        assert failed.status == 1 and words in failed.failure()
        assert instances() == []


def test_boto3_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(CloudError, match="AWS needs boto3") as caught:
        aws_calls.AwsCalls("eu-central-1")
    assert "prov-deploy[ec2]" in caught.value.hint


def test_every_page_is_read(aws: FakeInstances) -> None:
    pages = iter([{"Things": [1, 2], "NextToken": "x"}, {"Things": [3]}])
    seen: list[dict[str, Any]] = []
    calls = AwsCalls("eu-central-1")

    def call(action: str, **arguments: Any) -> Any:
        seen.append(arguments)
        return next(pages)

    calls.call = call  # type: ignore[method-assign]
    found: list[Any] = list(calls.every("ec2:DescribeThings", "Things", Filters=[]))
    assert found == [1, 2, 3]
    assert seen == [{"Filters": []}, {"Filters": [], "NextToken": "x"}]


def test_refused_answers_hide_the_encoded_message() -> None:
    error = ClientError(
        {
            "Error": {
                "Code": "UnauthorizedOperation",
                "Message": "No. Encoded authorization failure message: abc",
            }
        },
        "RunInstances",
    )
    assert "abc" not in str(refused("ec2:RunInstances", error.response, profile="x", region="y"))
