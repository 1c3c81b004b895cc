"""A host that two runs of prov want at the same moment: one has it, and the other takes nothing away."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import cast

import pytest

from provision import lab as labs
from provision.errors import LabError
from provision.lab import (
    box,
    cgroup,
    disk,
    host_removal,
    images,
    machine,
    memory_disk,
    network,
    nspawn,
    programs_run,
    shared,
    store,
)
from provision.lab.lab_host import HostRecord
from provision.testing.trial_stages import Stages, TrialOptions
from provision.testing.trials import Trial


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.Lab:
    """A lab on which nothing is really made."""
    monkeypatch.setenv("PROV_LAB_DIR", str(tmp_path / "lab"))
    monkeypatch.setattr(network, "subnet", lambda lab: IPv4Network("192.0.2.0/24"))
    for module, name in (
        (programs_run, "check"),
        (cgroup, "check"),
        (memory_disk, "ensure"),
        (machine, "stop"),
        (network, "disconnect"),
        (disk, "unmount"),
        (shared, "settle"),
    ):
        monkeypatch.setattr(module, name, lambda *_: None)
    return store.current()


def keep(lab: store.Lab, name: str) -> HostRecord:
    record = HostRecord(name, "192.0.2.99", "debian-12", "root", True, ("x",), "ssh-ed25519 AAAA")
    lab.host(name).path.mkdir(parents=True)
    store.write_record(lab, record)
    return record


def test_new_hosts_are_refused_together_if_one_is_there(lab: store.Lab) -> None:
    keep(lab, "web2")
    with pytest.raises(labs.HostExists, match="the lab has a host web2 already") as raised:
        labs.up(["web1", "web2"], new=True)
    assert "prov lab down web2" in raised.value.hint
    assert lab.names() == ["web2"], "nothing is left of the other one"


@pytest.mark.trust("8", "lab-up-fails-beside-another")
def test_an_up_that_fails_leaves_a_host_that_another_has_made_in_the_meantime(
    lab: store.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> tuple[str, ...]:
        mine = store.read_record(lab, "web1")
        assert mine
        store.write_record(lab, replace(mine, host_key="ssh-ed25519 AAAA"))  # by another prov
        raise LabError("the image could not be built")

    monkeypatch.setattr(images, "ensure", fails)
    with pytest.raises(LabError, match="could not be built"):
        labs.up(["web1", "web2"])
    assert lab.names() == ["web1"], "web2 was reserved by this one alone"


@pytest.mark.trust("8", "lab-images-removed-under-up")
def test_a_host_that_is_asked_for_while_images_go_finds_none_and_not_half_of_one(
    lab: store.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lab.images / "x/etc").mkdir(parents=True)
    told: list[str] = []

    def comes() -> None:
        nspawn._reserve(lab, HostRecord("web1", "", "debian-12", "root", True))
        told.append("reserved")

    other = threading.Thread(target=comes)

    def forgets(*_: object) -> None:
        other.start()
        time.sleep(0.1)
        told.append("removing")

    monkeypatch.setattr(box, "forget_all", forgets)
    host_removal._remove_images(lab, lambda _line: None)
    other.join(10)
    assert told == ["removing", "reserved"]
    record = HostRecord("web1", "192.0.2.11", "debian-12", "root", True, ("x",))
    with pytest.raises(LabError, match="which is gone"):
        disk.mount(lab, lab.host("web1"), record)
    lab.images.mkdir()
    with pytest.raises(LabError, match="a host was made in the meantime"):
        host_removal._remove_images(lab, lambda _line: None)
    assert lab.images.is_dir() and not (lab.path / "images.old").exists()


@pytest.mark.trust("8", "two-tests-of-one-role")
def test_a_trial_removes_no_host_that_another_has_booted(
    lab: store.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(lab, "test-nginx-debian-12")

    class Made:
        hosts: Sequence[str] = ("test-nginx-debian-12",)
        image = "debian-12"

    stages = Stages(cast(Trial, Made()), TrialOptions(lab.path))
    done = stages.boot()
    assert done.state == "failed" and "already" in str(done.errors[0][1])
    assert not stages.booted
    monkeypatch.setattr(nspawn, "up", lambda *_, **__: [])
    assert stages.boot().state == "passed"
    assert stages.booted
