"""The least policy, and user data by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ec2_account import BLOCK, ec2_project, prov

import provision

CLOUD = Path(provision.__file__).parent / "cloud"


def actions(document: dict[str, object]) -> set[str]:
    statements = document["Statement"]
    assert isinstance(statements, list)
    return {action for each in statements for action in each["Action"]}


def policy(folder: Path, block: str) -> dict[str, object]:
    (event,) = [
        e for e in prov(ec2_project(folder, block), "policy", "web1").events if e["event"] == "policy"
    ]
    document: dict[str, object] = event["policy"]
    return document


def test_it_has_every_action_that_prov_calls(tmp_path: Path) -> None:
    block = BLOCK.replace("image: {", "image: {ssm: /aws/service/x} # {")
    whole = policy(tmp_path, block + "address: elastic\niam_profile: web\nhost_key: console\n")
    called = {
        action
        for path in CLOUD.glob("*.py")
        if path.name not in ("least_policy.py", "described_instances.py")  # the latter is for inventories
        for action in re.findall(r'"((?:ec2|ssm):[A-Z]\w+)"', path.read_text())
    }
    assert called - actions(whole) == set()
    assert actions(whole) - called == {"iam:PassRole"}, "a least policy has no more"


def test_it_has_no_more_than_the_block_needs(tmp_path: Path) -> None:
    document = policy(tmp_path, BLOCK)
    assert not {"ec2:AllocateAddress", "ssm:GetParameter", "iam:PassRole"} & actions(document)
    text = json.dumps(document)
    assert '"aws:ResourceTag/prov:project": ["shop"]' in text
    assert len(re.sub(r"\s", "", text)) < 6144, "IAM takes that much for a managed policy"


def test_user_data_by_hand(tmp_path: Path) -> None:
    (event,) = [
        e for e in prov(ec2_project(tmp_path), "userdata", "web1").events if e["event"] == "user_data"
    ]
    assert event["user_data"].startswith("#cloud-config\n")
    assert event["host_key"] in event["user_data"]
