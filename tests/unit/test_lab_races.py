"""What two labs, or two runs of prov, do at the same moment; no host is booted."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from provision.lab import box, cgroup, firewall, forwarding, libvirt, provider, store, vagrant, vagrantfile
from provision.lab.lab_host import HostRecord
from provision.lab.provider import Provider
from provision.locks import locked


@pytest.fixture
def labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[store.Lab]:
    """Two labs of one user, on a machine without systemd."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cgroup, "under_systemd", lambda: False)
    monkeypatch.setattr(libvirt, "STATE", tmp_path / "run/libvirt")
    monkeypatch.setattr(firewall, "tables", list)
    monkeypatch.setattr(forwarding, "is_everywhere", lambda: True)
    monkeypatch.setattr(provider, "vagrant_home", lambda: tmp_path / "vagrant.d")
    monkeypatch.setattr(libvirt, "_ensure_pool", lambda lab: None)
    return [store.Lab(tmp_path / name) for name in ("a", "b")]


class Daemon:
    """A libvirtd that runs or does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, runs: bool) -> None:
        self.runs = runs
        self.starts = 0
        monkeypatch.setattr(libvirt, "_answers", lambda: self.runs)
        monkeypatch.setattr(libvirt, "_start", self._start)

    def _start(self, progress: object) -> None:
        self.starts += 1
        self.runs = True
        (libvirt.STATE / "before.json").write_text("{}")


@pytest.mark.trust("8", "libvirtd-ends-under-a-new-vm")
def test_a_daemon_that_another_lab_is_just_ending_is_started_again(
    labs: list[store.Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(monkeypatch, runs=False)
    libvirt.ensure(labs[0], lambda _line: None)
    second = threading.Thread(target=libvirt.ensure, args=(labs[1], lambda _line: None))
    with locked(libvirt.STATE):  # as the first lab's last VM goes
        second.start()
        time.sleep(0.1)
        daemon.runs = False
        for path in libvirt.STATE.iterdir():
            path.unlink()
    second.join(10)
    assert daemon.starts == 2 and daemon.runs
    assert [path.name for path in libvirt.STATE.glob("used-by-*")] == [f"used-by-{labs[1].tag}"]


def test_a_daemon_that_is_not_ours_is_left_alone(
    labs: list[store.Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(monkeypatch, runs=True)
    libvirt.ensure(labs[0], lambda _line: None)
    assert daemon.starts == 0
    assert not libvirt.STATE.parent.exists(), "so it is never ended by us"


def test_vms_of_two_labs_are_made_one_after_the_other(
    labs: list[store.Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the boxes in the user's home, which Vagrant cannot add twice at the same time."""
    Daemon(monkeypatch, runs=True)
    monkeypatch.setenv("PROV_VM_BOX", "other/box")
    at_work: list[str] = []
    most = 0

    def run(project: object, lab: store.Lab, name: str, *_: object, **__: object) -> str:
        nonlocal most
        at_work.append(name)
        most = max(most, len(at_work))
        time.sleep(0.1)
        at_work.remove(name)
        return ""

    monkeypatch.setattr(vagrantfile, "run", run)

    def up(lab: store.Lab) -> None:
        record = HostRecord("vm", "", "other/box", "sudo", True, driver="vagrant")
        project = vagrantfile.Project(lab.vagrant)
        vagrant._vagrant_up(lab, project, record, Provider("libvirt"), lambda _line: None)

    threads = [threading.Thread(target=up, args=(lab,)) for lab in labs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert most == 1


def test_a_box_is_not_removed_while_a_vm_is_made_from_it(labs: list[store.Lab]) -> None:
    copy = provider.vagrant_home() / "boxes/prov-VAGRANTSLASH-debian-12"
    copy.mkdir(parents=True)
    threads = [threading.Thread(target=box.forget, args=("debian-12", lambda _line: None)) for _ in range(2)]
    with locked(provider.vagrant_home()):
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        assert copy.is_dir()
    for thread in threads:
        thread.join(10)
    assert not copy.exists()


def test_a_lock_that_is_waited_for_in_vain_is_given_up(tmp_path: Path) -> None:
    vain = pytest.raises(TimeoutError, match="has held the lock of")
    with locked(tmp_path / "a"), vain, locked(tmp_path / "a", seconds=0.1):
        pytest.fail("both have it")
    with locked(tmp_path / "a", seconds=0.1) as held:
        assert held
