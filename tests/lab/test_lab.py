"""The lab with real hosts: what it boots, and that nothing of it is left.

Each test runs in a lab folder of its own, so that hosts that someone else has up stay out of it; the base
images are those of the machine's lab, built if they are not there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from provision import lab as labs
from provision.errors import LabError
from provision.lab import disk, forwarding, machine, network, store

pytestmark = pytest.mark.lab

PROV = str(Path(sys.executable).with_name("prov"))


def prov(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run prov lab to its end."""
    done = subprocess.run([PROV, "lab", *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def on(name: str, *argv: str, check: bool = True) -> str:
    """What a command prints on a host."""
    return prov("ssh", name, "--", *argv, check=check).stdout.strip()


def in_use(lab: store.Lab) -> list[str]:
    """Everything on this machine that belongs to a lab, but for the folder with its images."""
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(lab.path) in line]
    found += [path.name for path in Path("/sys/class/net").glob(f"{lab.tag}*")]
    ruleset = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    found += [line for line in ruleset.splitlines() if lab.tag in line]
    for top in ("/sys/fs/cgroup", "/run/systemd/nspawn", "/run/systemd/transient", "/run/netns"):
        found += [str(path) for path in Path(top).rglob(f"{lab.tag}*")]
    found += [str(path) for path in lab.path.rglob("*") if path != lab.images]
    uplinks = store.read_json(forwarding.STATE / "uplinks.json") or {}
    found += [f"{uplink} forwards" for uplink, bridges in uplinks.items() if lab.tag in bridges]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words, root = (process / "cmdline").read_bytes(), (process / "root").readlink()
        except OSError:
            continue  # it has ended
        if os.fsencode(lab.path) in words or root.is_relative_to(lab.path):
            found.append(f"process {process.name}: {words!r}")
    return found


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[store.Lab]:
    """An empty lab with the machine's images; after the test, nothing of it may be left."""
    store.DEFAULT_DIR.joinpath("images").mkdir(parents=True, exist_ok=True)
    path = tmp_path_factory.mktemp("lab")
    (path / "images").symlink_to(store.DEFAULT_DIR / "images")
    monkeypatch.setenv("PROV_LAB_DIR", str(path))
    yield store.current()
    prov("down", "--all")
    assert in_use(store.current()) == []


def test_up_list_and_down_leave_the_machine_as_it_was(lab: store.Lab) -> None:
    before = {path: path.read_text() for path in Path("/proc/sys/net/ipv4/conf").glob("*/forwarding")}
    done = prov("up", "t-1", "t-2", "--json")
    *events, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(event["name"], event["state"], event["changed"]) for event in events] == [
        ("t-1", "running", True),
        ("t-2", "running", True),
    ]
    assert summary["event"] == "summary"
    assert "booting" in done.stderr
    assert len(in_use(lab)) > 10, "or the check for what is left checks nothing"

    boots = [on(name, "cat", "/proc/sys/kernel/random/boot_id") for name in ("t-1", "t-2")]
    again = [json.loads(line) for line in prov("up", "t-1", "t-2", "--json").stdout.splitlines()]
    assert [event["changed"] for event in again[:-1]] == [False, False]
    assert [on(name, "cat", "/proc/sys/kernel/random/boot_id") for name in ("t-1", "t-2")] == boots

    listed = [json.loads(line) for line in prov("list", "--json").stdout.splitlines()]
    assert [(event.get("name"), event.get("address")) for event in listed[:-1]] == [
        (event["name"], event["address"]) for event in events
    ]
    assert on("t-1", "systemctl", "is-system-running", "--wait") == "running"
    assert on("t-1", "cat", "/proc/1/comm") == "systemd"
    assert on("t-1", "hostname") == "t-1"
    assert on("t-1", "getent", "hosts", "t-2").split() == [events[1]["address"], "t-2"]
    on("t-1", "ping", "-c1", "-W2", "t-2")

    prov("down", "t-1")
    assert on("t-2", "getent", "hosts", "t-1", check=False) == ""
    prov("down", "t-2")
    assert in_use(lab) == []
    others = [path for path in Path("/sys/class/net").glob("prov-*") if (path / "bridge").is_dir()]
    if not others:
        assert {path: path.read_text() for path in before if path.exists()} == before


@pytest.mark.usefixtures("lab")
def test_a_host_is_refused_as_another() -> None:
    prov("up", "t-1")
    done = prov("up", "t-1", "--image", "debian-13", check=False)
    assert done.returncode == 2
    assert "prov lab down t-1 && prov lab up t-1 --image debian-13" in done.stderr
    assert labs.hosts()[0].state == "running"


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("seconds", [0.15, 0.25, 0.35])
@pytest.mark.parametrize("then", [["down", "--all"], ["up", "t-1", "t-2"]])
def test_a_killed_up_leaves_nothing_that_is_not_found_again(seconds: float, then: list[str]) -> None:
    process = subprocess.Popen([PROV, "lab", "up", "t-1", "t-2"], stdout=subprocess.PIPE)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    prov(*then)
    if then[0] == "up":
        assert on("t-1", "getent", "hosts", "t-2")
        assert on("t-2", "getent", "hosts", "t-1")


def test_a_killed_build_leaves_neither_processes_nor_half_an_image(lab: store.Lab) -> None:
    lab.images.unlink()
    process = subprocess.Popen([PROV, "lab", "up", "t-1"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if "extracting" in line:
            break
    assert "t-1" in lab.names(), "the host is known before anything is made"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    prov("down", "t-1")
    assert in_use(lab) == []
    assert not lab.path.exists()


@pytest.mark.usefixtures("lab")
def test_reboot_and_poweroff() -> None:
    (host,) = labs.up(["t-1"])
    on("t-1", "touch", "/root/kept")
    boot = on("t-1", "cat", "/proc/sys/kernel/random/boot_id")
    machine_id = on("t-1", "cat", "/etc/machine-id")
    on("t-1", "systemctl", "reboot", check=False)
    deadline = time.monotonic() + 15
    while (now := on("t-1", "cat", "/proc/sys/kernel/random/boot_id", check=False)) in ("", boot):
        assert time.monotonic() < deadline, "it does not come back"
        time.sleep(0.1)
    assert on("t-1", "cat", "/etc/machine-id") == machine_id
    assert labs.find("t-1") == host

    on("t-1", "systemctl", "poweroff", check=False)
    deadline = time.monotonic() + 15
    while labs.hosts()[0].state == "running":
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.05)
    assert labs.up(["t-1"]) == [host]
    on("t-1", "test", "-e", "/root/kept")
    assert on("t-1", "cat", "/proc/sys/kernel/random/boot_id") not in (boot, now)


def test_a_host_comes_back_after_the_machine_was_restarted(lab: store.Lab) -> None:
    (host,) = labs.up(["t-1"])
    on("t-1", "touch", "/root/kept")
    on("t-1", "sync")
    machine.stop(lab, lab.host("t-1"))
    network.disconnect(lab, lab.host("t-1"), host.address)
    disk.unmount(lab.host("t-1"))
    subprocess.run(["ip", "link", "delete", lab.tag], check=True)
    subprocess.run(["nft", "delete", "table", "ip", lab.tag], check=True)
    assert [known.state for known in labs.hosts()] == ["stopped"]
    assert labs.up(["t-1"]) == [host]
    on("t-1", "test", "-e", "/root/kept")


@pytest.mark.usefixtures("lab")
def test_without_python_there_is_none() -> None:
    (host,) = labs.up(["t-1"], python=False)
    assert not host.python
    assert on("t-1", "sh", "-c", "find / -xdev -name 'python3*' -not -path '/usr/share/*' | head") == ""
    assert on("t-1", "stat", "-c", "%s", "/etc/hosts") != "0"
    assert on("t-1", "systemctl", "is-system-running", "--wait") == "running"


@pytest.mark.parametrize("login", ["sudo", "sudo-password"])
def test_sudo_logins(lab: store.Lab, login: str) -> None:
    (host,) = labs.up(["t-1"], login=login)
    assert on("t-1", "id", "-un") == host.user == "admin"
    refused = prov("ssh", "t-1", "--", "sudo", "-n", "true", check=False)
    assert (refused.returncode == 0) == (login == "sudo")
    root = [
        "ssh",
        "-F",
        "none",
        "-i",
        str(host.key),
        f"-oUserKnownHostsFile={host.known_hosts}",
        "-oBatchMode=yes",
    ]
    assert b"denied" in subprocess.run([*root, f"root@{host.address}", "true"], capture_output=True).stderr
    if login == "sudo-password":
        argv = [PROV, "lab", "ssh", "t-1", "--", "sudo", "-S", "-p", "", "id", "-u"]
        done = subprocess.run(argv, input=f"{host.password}\n", capture_output=True, text=True, check=True)
        assert done.stdout == "0\n"
        assert lab.host("t-1").password.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("lab")
def test_debian_13() -> None:
    labs.up(["t-1"], image="debian-13")
    assert on("t-1", "cut", "-d.", "-f1", "/etc/debian_version") == "13"
    assert on("t-1", "systemctl", "is-system-running", "--wait") == "running"
    assert on("t-1", "python3", "-c", "print(6 * 7)") == "42"


@pytest.mark.usefixtures("lab")
def test_a_host_installs_from_the_registries_and_has_its_own_firewall() -> None:
    labs.up(["t-1"])
    script = """
    set -eu
    sysctl -q -w net.ipv4.conf.eth0.forwarding=1
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends nginx-light nftables python3-venv
    nft add table inet own
    systemctl is-active nginx
    python3 -m venv /venv
    /venv/bin/pip -q install itsdangerous
    /venv/bin/python -c 'import itsdangerous'
    """
    assert on("t-1", "sh", "-c", script).splitlines()[-1] == "active"


def test_the_console_is_shown_if_a_host_does_not_come_up(
    lab: store.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "BOOT_SECONDS", 3.0)
    labs.up(["t-1"])
    on("t-1", "systemctl", "disable", "--now", "ssh", check=False)
    on("t-1", "true", check=False)
    machine.stop(lab, lab.host("t-1"))
    with pytest.raises(LabError, match="accepts no login on port") as caught:
        labs.up(["t-1"])
    assert "login:" in caught.value.message
    assert "prov lab down t-1" in caught.value.hint

    machine.stop(lab, lab.host("t-1"))
    (lab.host("t-1").root / "sbin/init").unlink()
    (lab.host("t-1").root / "lib/systemd/systemd").unlink()
    with pytest.raises(LabError, match="ended while it booted"):
        labs.up(["t-1"])


@pytest.mark.parametrize("damage", ["", "{}", None])
def test_a_host_whose_record_is_lost_is_removed_all_the_same(lab: store.Lab, damage: str | None) -> None:
    labs.up(["t-1"])
    record = lab.host("t-1").record
    record.unlink() if damage is None else record.write_text(damage)
    assert labs.hosts() == []
    prov("down", "t-1")


@pytest.mark.usefixtures("lab")
def test_two_at_once_boot_a_host_once() -> None:
    both = [subprocess.Popen([PROV, "lab", "up", "t-1", "t-2"], stdout=subprocess.PIPE) for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
    assert [process.returncode for process in both] == [0, 0]
    assert len({host.address for host in labs.hosts()}) == 2
    assert on("t-1", "getent", "hosts", "t-2")


@pytest.mark.usefixtures("lab")
def test_files_that_a_host_made_immutable_go_too() -> None:
    labs.up(["t-1"])
    on("t-1", "chattr", "+i", "/etc/resolv.conf")


def send(name: str, folder: Path, names: list[str], to: str) -> None:
    """Copy folders to a host."""
    pack = subprocess.Popen(["tar", "-C", folder, "-cf", "-", *names], stdout=subprocess.PIPE)
    subprocess.run(
        [PROV, "lab", "ssh", name, "--", "tar", "-C", to, "-xf", "-"], stdin=pack.stdout, check=True
    )
    assert pack.wait() == 0


@pytest.mark.usefixtures("lab")
def test_the_lab_works_where_systemd_is_init_and_installs_what_it_needs() -> None:
    """A lab in a lab host, whose init is systemd, whatever that of this machine is."""
    labs.up(["t-1"], image="debian-13", login="sudo")
    # an overlay's upper folder cannot be on an overlay
    on("t-1", "sudo", "mkdir", "-p", "/lab")
    on("t-1", "sudo", "mount", "-t", "tmpfs", "-o", "size=2G,mode=777", "tmpfs", "/lab")
    on("t-1", "sudo", "sh", "-c", "mkdir -p /lab/l/images /lab/python; chmod 777 /lab/python")
    send("t-1", Path(labs.__file__).parents[2], ["provision"], "/lab/python")
    send("t-1", Path(click.__file__).parents[1], ["click"], "/lab/python")
    images = store.DEFAULT_DIR / "images"
    pack = ["tar", "-C", str(images), "--exclude=./*/var/lib/apt/lists", "-cf", "-", "debian-12-r1"]
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
        unpack = [PROV, "lab", "ssh", "t-1", "--", "sudo", "tar", "-C", "/lab/l/images", "-xf", "-"]
        subprocess.run(unpack, stdin=packing.stdout, check=True)
    inner = "import sys; sys.argv[0] = 'prov'; from provision.cli.main import main; main()"
    script = f"""
    set -eu
    prov() {{ sudo PROV_LAB_DIR=/lab/l PYTHONPATH=/lab/python SUDO_UID=1000 python3 -c "{inner}" lab "$@"; }}
    prov up in-1 --without-python && exit 9
    prov up in-1 --without-python --install
    systemctl list-units --plain --no-legend 'prov-*'
    prov ssh in-1 -- systemctl reboot || true
    sleep 1
    until prov ssh in-1 -- systemctl is-system-running --wait; do sleep 0.2; done
    prov down in-1
    systemctl list-units --all --plain --no-legend 'prov-*'
    sudo find /run/systemd/nspawn -name 'prov-*'
    ip -br link | grep prov- || true
    """
    lines = on("t-1", "sh", "-c", script).splitlines()
    assert "installed systemd-container" in lines
    assert sum("prov-" in line for line in lines) == 1, lines
    assert lines[-2:] == ["running", "in-1 is gone"]


def test_a_disk_that_is_too_small_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", tmp_path], check=True)
    try:
        monkeypatch.setenv("PROV_LAB_DIR", str(tmp_path / "lab"))
        done = prov("up", "t-1", check=False)
        assert done.returncode == 1
        assert "MB free" in done.stderr
        assert "PROV_LAB_DIR" in done.stderr
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)
        shutil.rmtree(tmp_path)
