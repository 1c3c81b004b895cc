"""One real virtual machine, from its box to its end, in the order of this file: what only a kernel and a boot of
its own can show. Where the processor is emulated this takes minutes; it fails, and says why, where no VM can be."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import PROV, Run, prov
from helpers.hosts import on, reboot
from helpers.projects import HELLO, STACK, Project
from helpers.web import Site

from provision import lab as labs
from provision.lab import libvirt, store

pytestmark = pytest.mark.lab

VM = "t-vm"
RULED_OUT = 8099  # a port on which something listens, and that the firewall holds back

#: what containers can't do: kernel modules and settings, swap, a file system on a device, packets that are dropped
PROOFS = f"""
apt.packages(c, "nftables")
kernel.module(c, "zram", options={{"num_devices": 2}})
kernel.sysctl(c, "60-proof", {{"vm.swappiness": 7, "kernel.panic": 11}})
swap.swap_file(c, 64)
command.command(c, ["mke2fs", "-q", "-t", "ext4", "/srv/data.img", "16M"], creates="/srv/data.img")
mounts.mount(c, "/srv/data", "/srv/data.img", "ext4", options="loop,noatime")
nftables.firewall(c, ["80", "443"])
listener = files.file(c, "/etc/systemd/system/listener.service", '''[Service]
ExecStart=/usr/bin/python3 -m http.server {RULED_OUT} --directory /srv/data
[Install]
WantedBy=multi-user.target
''')
systemd.service(c, "listener", restart_on=[listener])
"""


def lab(*argv: str, timeout: float = 1500) -> str:
    """Run prov lab to its end."""
    done = subprocess.run([PROV, "lab", *argv], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def left_over() -> set[str]:
    """What VMs leave on a machine when they are not cleaned up."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    found = {f"mount {line}" for line in mounts if "libvirt" in line or "kvm" in line or ".building" in line}
    found |= {f"interface {path.name}" for path in Path("/sys/class/net").glob("virbr*")}
    # libvirtd makes dnsmasq's folder when it first starts, and never removes it, like those of its packages
    folders = {"/var/lib/libvirt/dnsmasq"}
    for folder in ("/var/lib/libvirt", "/etc/libvirt/storage", "/etc/libvirt/qemu", "/run/prov-lab/libvirt"):
        found |= {f"file {path}" for path in Path(folder).glob("*") if str(path) not in folders}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # empty once it has ended
            words = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if Path(words[0]).name.startswith(("qemu-system", "libvirtd", "virtlogd", "vagrant")):
            found.add(f"process {words[0]}")
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    found |= {line for line in tables.stdout.splitlines() if "prov-" not in line}
    return found | {f"forwards {Path('/proc/sys/net/ipv4/ip_forward').read_text().strip()}"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project, in whose lab the VM is up; afterwards nothing of it is left."""
    labs.install("vagrant")  # first: the packages bring folders of their own, which stay
    before = left_over()
    folder = tmp_path_factory.mktemp("vagrant")
    # boxes and images are kept in the machine's own lab, as they are for the lab's other tests
    (store.DEFAULT_DIR / "images").mkdir(parents=True, exist_ok=True)
    (folder / "lab").mkdir()
    (folder / "lab/images").symlink_to(store.DEFAULT_DIR / "images")
    new = Project(folder).examples()
    new.role("proofs", PROOFS, head="from provision.steps import kernel, mounts, nftables, swap")
    new.inventory({VM: {"apps": {"hello": HELLO}}}, ansible_connection="lab", roles=[*STACK, "proofs"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROV_LAB_DIR", str(folder / "lab"))
        patch.chdir(folder)
        try:
            lab("up", VM, "--driver", "vagrant")
            yield new
        finally:
            lab("down", "--all")
        assert [path.name for path in (folder / "lab").iterdir()] == ["images"]
    assert left_over() <= before


@pytest.fixture(scope="module")
def deployed(project: Project) -> Run:
    """The first deploy; before it, the VM is saved as it came."""
    lab("snapshot", VM, "bare")
    return prov("deploy", VM, cwd=project.folder, timeout=1500)


def site(project: Project) -> Site:
    found = labs.find(VM)
    assert found
    return Site(found.address, "hello.test", project.ca)


def nothing_changes(project: Project) -> None:
    again = prov("deploy", VM, cwd=project.folder, timeout=600, status=0)
    assert again.not_in("ok", "skipped") == []


def all_is_there(project: Project) -> None:
    """Asked of the host's own tools, and from outside."""
    assert "/swapfile file 64M" in " ".join(on(VM, "swapon", "--show", "--noheadings").split())
    on(VM, "test", "-b", "/dev/zram1")  # the second one, which the module's options ask for
    assert on(VM, "sysctl", "-n", "vm.swappiness", "kernel.panic").split() == ["7", "11"]
    mounted = on(VM, "findmnt", "--noheadings", "--output", "SOURCE,FSTYPE,OPTIONS", "/srv/data")
    assert mounted.startswith("/dev/loop") and "ext4" in mounted and "noatime" in mounted
    on(VM, "python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {RULED_OUT}), 20)")
    with pytest.raises(TimeoutError):
        socket.create_connection((site(project).address, RULED_OUT), timeout=3)
    answer = site(project).get("/", timeout=60)
    assert (answer.status, answer.title) == (200, "Hello from Flask")


def test_it_is_a_machine_of_its_own(project: Project) -> None:
    assert on(VM, "systemd-detect-virt", "--container", check=False) == "none"
    assert on(VM, "systemd-detect-virt", "--vm") != "none"
    assert on(VM, "uname", "-r") != platform.release()
    assert on(VM, "systemctl", "is-system-running", "--wait") == "running"
    found = labs.find(VM)
    assert found
    assert (found.driver, found.state, found.login) == ("vagrant", "running", "sudo")
    assert found.address in found.known_hosts.read_text(), "its key is pinned"


def test_the_whole_stack_and_what_needs_a_kernel(project: Project, deployed: Run) -> None:
    assert deployed.status == 0, deployed.errors
    all_is_there(project)


def test_a_second_deploy_changes_nothing(project: Project, deployed: Run) -> None:
    nothing_changes(project)


def test_everything_is_back_after_a_reboot(project: Project, deployed: Run) -> None:
    reboot(VM, seconds=600)
    assert on(VM, "systemctl", "is-system-running", "--wait", timeout=300) == "running"
    all_is_there(project)
    nothing_changes(project)


def test_the_snapshot_is_the_bare_host_again(project: Project, deployed: Run) -> None:
    lab("restore", VM, "bare")
    assert on(VM, "swapon", "--show") == ""
    assert on(VM, "ls", "/etc/nginx", check=False) == ""
    assert abs(int(on(VM, "date", "+%s")) - time.time()) < 60, "its clock goes right"


def test_a_vm_that_does_not_boot_is_told_with_its_console(project: Project) -> None:
    lab("down", VM)
    small = {"PROV_VM_MEMORY": "72", "PROV_VM_BOOT_TIMEOUT": "40"}
    argv = [PROV, "lab", "up", "t-vm2", "--driver", "vagrant"]
    done = subprocess.run(
        argv, env={**os.environ, **small}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert "did not boot in time" in done.stderr
    assert "Its console's last lines" in done.stderr
    lab("down", "t-vm2")
    assert not libvirt.pool_path(store.current()).exists()
