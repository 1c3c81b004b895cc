"""Virtual machines by Vagrant, with a stub in its place: what is asked of it, kept of it, and said when it fails."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from provision import lab as labs
from provision.commands.lab import lab as command
from provision.errors import LabError, ProvError, UsageError
from provision.lab import box, programs_run, provider, shared, store, vagrantfile
from provision.lab.lab_host import HostRecord
from provision.lab.provider import Provider

#: a `vagrant` that makes machines of VirtualBox, as far as anyone can see from its state and its words
STUB = """#!/bin/sh
echo "$PROV_VM_NAMES: $*" >> "$STUB_LOG"
case "$1" in
  up)
    [ -z "$STUB_FAILS" ] || { echo "$STUB_FAILS" >&2; exit 1; }
    mkdir -p ".vagrant/machines/$2/virtualbox"
    echo 1 > ".vagrant/machines/$2/virtualbox/id"
    echo "==> $2: Booting VM..." ;;
  ssh-config)
    printf 'Host %s\\n  HostName 127.0.0.1\\n  User vagrant\\n  Port 2222\\n' "$2"
    printf '  IdentityFile "/home/me and you/key"\\n  IdentityFile /other\\n' ;;
  status) printf '1,app,state,running\\n1,db,state,not_created\\n' ;;
  destroy) rm -r ".vagrant/machines/$3" ;;
esac
"""
KEYSCAN = "#!/bin/sh\necho '# 127.0.0.1:2222 SSH-2.0-x'\necho '[127.0.0.1]:2222 ssh-ed25519 AAAA'\n"

Stub = Callable[[], list[str]]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> store.Lab:
    monkeypatch.setenv("PROV_LAB_DIR", str(tmp_path / "lab"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in ("PROV_VM_BOX", "VAGRANT_DEFAULT_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    return store.current()


@pytest.fixture
def stub(lab: store.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A machine with VirtualBox and Vagrant. Returns what gives the calls of Vagrant so far."""
    programs, log = tmp_path / "bin", tmp_path / "log"
    programs.mkdir()
    for name, text in {"vagrant": STUB, "ssh-keyscan": KEYSCAN, "VBoxManage": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("STUB_LOG", str(log))
    monkeypatch.setenv("STUB_FAILS", "")
    monkeypatch.setattr(programs_run, "PATH", str(programs))
    monkeypatch.setattr(programs_run, "ENVIRONMENT", {**programs_run.ENVIRONMENT, "PATH": path})
    monkeypatch.setattr(provider, "virtualises", lambda: True)
    return lambda: log.read_text().splitlines() if log.exists() else []


def fails(*arguments: str) -> ProvError:
    with pytest.raises(ProvError) as caught:
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    return caught.value


def test_a_vm_is_reached_as_vagrant_says_and_leaves_nothing(lab: store.Lab, stub: Stub) -> None:
    said: list[str] = []
    labs.up(["web1"], driver="vagrant", progress=said.append)
    assert stub() == ["web1: up web1 --provider virtualbox --no-color", "web1: ssh-config web1 --no-color"]
    found = labs.find("web1")
    assert found
    assert (found.address, found.port, found.user) == ("127.0.0.1", 2222, "vagrant")
    assert found.key == Path("/home/me and you/key")
    assert (found.driver, found.image, found.login, found.state) == (
        "vagrant",
        "debian-12",
        "sudo",
        "stopped",
    )
    assert lab.known_hosts.read_text() == "[web1]:2222,[127.0.0.1]:2222 ssh-ed25519 AAAA\n"
    assert said == ["web1: Booting VM...", "web1 is up: 127.0.0.1"]
    labs.down(["web1"])
    assert stub()[-1] == "web1: destroy -f web1 --no-color"
    assert not lab.path.exists()


def test_the_key_that_was_seen_first_stays_pinned(lab: store.Lab, stub: Stub, tmp_path: Path) -> None:
    labs.up(["web1"], driver="vagrant")
    (tmp_path / "bin/ssh-keyscan").write_text(KEYSCAN.replace("AAAA", "BBBB"))
    labs.up(["web1"], driver="vagrant")
    assert "AAAA" in lab.known_hosts.read_text()


def test_a_vagrantfile_of_ones_own_is_used_and_chooses_its_box(lab: store.Lab, stub: Stub) -> None:
    own = Path.cwd()
    (own / "Vagrantfile").write_text('Vagrant.configure("2") { |config| config.vm.box = "mine" }\n')
    error = fails("up", "app", "--driver", "vagrant", "--image", "debian-13")
    assert "chooses its box itself" in error.message
    labs.up(["app"], driver="vagrant")
    assert (own / ".vagrant/machines/app").is_dir()
    assert labs.hosts()[0].image == "as in Vagrantfile"
    labs.down(["app"])
    assert (own / "Vagrantfile").exists()
    assert not lab.path.exists()


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            "The machine with the name 'web1' was not found configured for this environment.",
            "no machine 'web1'",
            "It has: app, db.",
        ),
        (
            "The box 'x/y' could not be found or\ncould not be accessed in the",
            "its box is not here",
            "box build",
        ),
        ("Error saving: No space left on device", "the disk is full", "Make room"),
        (
            "Name `a_web1` of domain about to create is already taken.",
            "another VM has that name",
            "virsh list",
        ),
        ("Timed out while waiting for the machine to boot.", "did not boot in time", "prov lab down web1"),
        ("could not get capabilities for arch=x86_64 domaintype=kvm", "no hardware virtualisation", "qemu"),
        ("There was an error talking to Libvirt", "`vagrant up` ended with status 1", ""),
    ],
)
def test_what_vagrant_refuses_is_explained_and_leaves_nothing(
    lab: store.Lab, stub: Stub, monkeypatch: pytest.MonkeyPatch, words: str, message: str, hint: str
) -> None:
    monkeypatch.setenv("STUB_FAILS", words)
    error = fails("up", "web1", "--driver", "vagrant")
    assert message in error.message
    assert hint in error.hint
    assert not lab.path.exists()


def test_a_name_that_a_host_of_the_other_driver_has(lab: store.Lab, stub: Stub) -> None:
    lab.host("web1").path.mkdir(parents=True)
    store.write_record(lab, HostRecord("web1", "192.0.2.1", "debian-12", "root", True))
    error = fails("up", "web1", "--driver", "vagrant")
    assert isinstance(error, UsageError)
    assert "asked for VM" in error.message
    assert "prov lab down web1 && prov lab up web1 --driver vagrant" in error.hint
    assert stub() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "web1", "--driver", "vargant"], "Did you mean 'vagrant'?"),
        (
            ["up", "web1", "--driver", "vagrant", "--login", "root"],
            "--login is for hosts of the driver nspawn",
        ),
        (["up", "web1", "--driver", "vagrant", "--without-python"], "--without-python is for"),
        (["up", "web1", "--driver", "vagrant", "--image", "debian-14"], "Did you mean 'debian-13'?"),
        (["snapshot", "web"], "no lab host 'web'"),
        (["restore", "web"], "no lab host 'web'"),
        (["box", "build", "--image", "debian-14"], "Did you mean 'debian-13'?"),
    ],
)
def test_bad_usage(lab: store.Lab, stub: Stub, arguments: list[str], says: str) -> None:
    error = fails(*arguments)
    assert isinstance(error, UsageError)
    assert says in str(error)
    assert error.hint
    assert not lab.path.exists()


def test_a_snapshot_that_was_not_made(lab: store.Lab, stub: Stub) -> None:
    labs.up(["web1"], driver="vagrant")
    (lab.host("web1").snapshots / "clean").mkdir(parents=True)
    error = fails("restore", "web1", "claen")
    assert "Did you mean 'clean'?" in error.message
    assert fails("snapshot", "web1", "A b").message == "'A b' cannot be a snapshot's name"
    assert fails("snapshot", "web1").message == "web1 is stopped"


def test_without_vagrant_it_says_what_to_install(
    lab: store.Lab, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin/vagrant").unlink()
    error = fails("up", "web1", "--driver", "vagrant")
    assert "vagrant" in error.message
    assert "developer.hashicorp.com" in error.hint, "there is no apt here"
    (tmp_path / "bin/apt-get").write_text("#!/bin/sh\n")
    (tmp_path / "bin/apt-get").chmod(0o755)
    error = fails("up", "web1", "--driver", "vagrant")
    assert error.message == "the lab needs vagrant"
    assert "--driver vagrant --install" in error.hint


def test_the_provider_is_what_the_machine_has(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    assert provider.choose() == Provider("virtualbox")
    monkeypatch.setattr(provider, "virtualises", lambda: False)
    assert provider.choose() == Provider("libvirt", emulated=True), "VirtualBox cannot do without"
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "virtualbox")
    with pytest.raises(LabError, match="hardware virtualisation"):
        provider.choose()
    monkeypatch.setenv("VAGRANT_DEFAULT_PROVIDER", "")
    (tmp_path / "bin/VBoxManage").unlink()
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(LabError) as caught:
        provider.choose()
    assert "VirtualBox" in caught.value.hint


def test_vagrant_that_hangs_is_ended(lab: store.Lab, stub: Stub, tmp_path: Path) -> None:
    (tmp_path / "bin/vagrant").write_text("#!/bin/sh\necho '==> web1: Thinking...'\nexec sleep 60\n")
    vagrantfile.prepare(lab)
    with pytest.raises(LabError, match="did not end in time") as caught:
        vagrantfile.run(vagrantfile.find(lab), lab, "web1", ["halt"], timeout=0.2)
    assert "Thinking" in caught.value.message


def test_the_vagrantfile_is_shipped_with_prov(lab: store.Lab) -> None:
    vagrantfile.prepare(lab)
    top = Path(__file__).parents[2] / "Vagrantfile"
    assert (lab.vagrant / "Vagrantfile").read_text() == top.read_text()
    assert vagrantfile.find(lab).domain("web1") == f"{lab.tag}_web1"


def test_known_hosts_names_ports_as_ssh_looks_them_up() -> None:
    record = HostRecord("web1", "192.0.2.1", "debian-12", "root", True)
    assert shared._known_as(record) == "web1,192.0.2.1"


def test_boxes_need_room_and_a_debian(lab: store.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert "PROV_VM_BOX=" in fails("box", "build").hint
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in fails("box", "build").message


def test_the_boot_sectors_are_what_a_bios_reads(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(4 * 2**20)
    box._write_boot_sectors(disk, b"B" * 512, b"C" * 1000)
    data = disk.read_bytes()
    assert (data[:440], data[510:512], data[512:1512]) == (b"B" * 440, b"\x55\xaa", b"C" * 1000)
    active, kind, begin, length = struct.unpack("<B3xB3xII", data[446:462])
    assert (active, kind, begin, (begin + length) * 512) == (0x80, 0x83, 2048, len(data))
    with pytest.raises(LabError, match=r"core\.img"):
        box._write_boot_sectors(disk, b"", b"C" * 2**20)


def test_the_boxs_script_is_a_posix_shells() -> None:
    subprocess.run(["sh", "-n", box._SCRIPT], check=True)
