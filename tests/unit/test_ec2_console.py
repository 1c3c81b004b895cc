"""`host_key: console`: the instance's own key, read from its console before the first connection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ec2_account import BLOCK, FakeInstances, account, ec2_project, instance_at, instances, prov

from provision.cloud import console_keys, instance_tags
from provision.cloud.aws_calls import AwsCalls
from provision.cloud.boot_scripts import NEW_KEY, TAKE_KEY
from provision.cloud.cloud_errors import CloudError
from provision.cloud.console_keys import key_in
from provision.cloud.host_key_pairs import new_host_key

BOOT = (
    "[    9.1] cloud-init[512]: ci-info\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n"
    "ecdsa-sha2-nistp256 AAAAE2Vj= root@x\r\n"
)


def console(*keys: str) -> str:
    lines = "".join(f"{key} root@ip-10-0-0-1\r\n" for key in keys)
    return f"{BOOT}{lines}-----END SSH HOST KEY KEYS-----\r\n[   9.4] login:"


class Console:
    """What the console of instances shows. early: looks before it shows anything.  old: a type before Nitro."""

    def __init__(self, fake: FakeInstances) -> None:
        self.fake, self.key, self.early, self.old = fake, new_host_key().public, 2, False

    def answer(self, instance: str, latest: bool) -> str:
        if latest and self.old:
            raise CloudError("not supported", code="UnsupportedOperation")
        self.fake.keys[instance_at(instance)["PublicIpAddress"]] = self.key
        self.early -= 1
        return "" if self.early >= 0 else console(self.key)


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    with account(tmp_path) as fake:
        found, real = Console(fake), AwsCalls.call

        def call(self: AwsCalls, action: str, **arguments: Any) -> Any:
            if action == "ec2:GetConsoleOutput":
                return {"Output": found.answer(arguments["InstanceId"], "Latest" in arguments)}
            return real(self, action, **arguments)

        monkeypatch.setattr(AwsCalls, "call", call)
        monkeypatch.setattr(console_keys, "LOOK", 0.01)
        yield found


@pytest.mark.parametrize("old", [False, True])
def test_no_key_is_handed_over_and_the_consoles_is_pinned(shown: Console, tmp_path: Path, old: bool) -> None:
    shown.old = old
    folder = ec2_project(tmp_path, f"{BLOCK}host_key: console\n")
    planned = prov(folder, "plan", "web1")
    done = prov(folder, "up", "web1")
    assert (done.status, done.steps()) == (0, planned.steps())
    assert done.steps()["first boot"][1] == "host key:  -> made on the host, and read from its console"
    (instance,) = instances()
    tags = instance_tags.of(instance)
    assert (tags[instance_tags.HOST_KEY], tags[instance_tags.FIRST_BOOT]) == (shown.key, instance_tags.DONE)
    # it is the host's own already
    assert not {NEW_KEY, TAKE_KEY} & set(shown.fake.scripts)
    again = prov(folder, "up", "web1")
    assert (again.status, again.steps()) == (0, {})
    (event, *_) = prov(folder, "userdata", "web1").events
    assert event["user_data"] == "" and event["host_key"] == ""
    (policy, *_) = prov(folder, "policy", "web1").events
    assert "ec2:GetConsoleOutput" in str(policy)


def test_a_console_without_a_key_ends_the_wait(
    shown: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_keys, "WITHIN", 0.0)
    shown.early = 99
    done = prov(ec2_project(tmp_path, f"{BLOCK}host_key: console\n"), "up", "web1")
    assert done.status == 1
    assert "has shown no host key within 0 s" in done.failure()


def test_which_key_of_a_console_counts() -> None:
    first, second = new_host_key().public, new_host_key().public
    assert key_in(console(first)) == first
    # it has booted again, with another key
    assert key_in(console(first) + console(second)) == second
    # a list that is still being written
    assert key_in(console(first) + BOOT + second) == first
    assert key_in(console(first, second)) == ""
    assert key_in(f"{first}\n") == ""
    assert key_in(console(f"{first}AAAA")) == ""
