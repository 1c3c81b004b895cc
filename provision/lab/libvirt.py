"""libvirt for the lab's VMs: their own storage pool, and the daemons where systemd does not run them.

Without systemd, prov starts virtlogd and libvirtd as root. They end with the last VM, and their changes are
reverted: firewall chains, and forwarding for the whole machine. The labs that use them are recorded under
/run.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab import cgroup, firewall, forwarding, network, programs_run, provider, store
from provision.lab.store import Lab
from provision.locks import locked

STATE = forwarding.STATE / "libvirt"

_BEFORE = "before.json"  # state to restore when prov's daemons have ended

_ANSWER_SECONDS = 30.0
_END_SECONDS = 20.0
_DAEMONS = ("libvirtd", "virtlogd")  # in the order in which they are stopped

# For machines that emulate the processor. If /dev/kvm exists but no VM can use it, libvirt probes QEMU again
# at each call, for a minute. So libvirtd sees an unreadable file in its place. A VM's own /dev would lack
# that mount, so VMs get none (namespaces). nice: QEMU uses all processors.
_HIDING_KVM = """
set -e
: > "$1/no-kvm"
chmod 0 "$1/no-kvm"
cp /etc/libvirt/qemu.conf "$1/qemu.conf"
echo 'namespaces = []' >> "$1/qemu.conf"
if [ -e /dev/kvm ]; then mount --bind "$1/no-kvm" /dev/kvm; fi
mount --bind "$1/qemu.conf" /etc/libvirt/qemu.conf
exec nice -n 5 libvirtd -d -p "$1/libvirtd.pid"
"""


def virsh(*argv: str, timeout: float = 120.0) -> str:
    """Return the output of a virsh command. Raises LabError."""
    return programs_run.run(["virsh", "--quiet", "--connect", "qemu:///system", *argv], timeout=timeout)


def pool_path(lab: Lab) -> Path:
    """Return the folder of the VMs' disks. libvirtd makes it, for any user."""
    return Path("/var/lib/libvirt") / f"{lab.tag}-vms"


def ensure(lab: Lab, progress: Callable[[str], None]) -> None:
    """Make libvirt and the lab's pool available. Raises LabError with what to do otherwise."""
    if os.geteuid() == 0 and not cgroup.under_systemd():
        _keep_up(lab, progress)
    elif not _answers():
        _start_by_systemd()
    deadline = time.monotonic() + _ANSWER_SECONDS
    while not _answers():
        if time.monotonic() > deadline:
            raise LabError("libvirtd does not answer", hint="See what it says: virsh uri; libvirtd -v")
        time.sleep(0.2)
    _ensure_pool(lab)


def _keep_up(lab: Lab, progress: Callable[[str], None]) -> None:
    """Start the daemons unless they run, and keep them for this lab if prov started them.

    All of it is under one lock, because the last lab that used them may be stopping them right now.
    """
    with locked(STATE):
        if not _answers():
            _start(progress)
        if (STATE / _BEFORE).exists():
            _count(lab)
    with suppress(OSError):  # prov started the daemons
        STATE.rmdir()
        STATE.parent.rmdir()


def _start_by_systemd() -> None:
    """Start libvirtd. Raises LabError for a user without that right."""
    if os.geteuid() != 0:
        raise LabError(
            "libvirt does not let this user in, or does not run",
            hint="sudo systemctl start libvirtd && sudo adduser $USER libvirt   (and log in again)",
        )
    programs_run.run(["systemctl", "start", "libvirtd"])


def _count(lab: Lab) -> None:
    """Keep the daemons, if prov started them, for this lab too. The caller holds the lock."""
    (STATE / f"used-by-{lab.tag}").touch()


def _ensure_pool(lab: Lab) -> None:
    if lab.tag not in virsh("pool-list", "--all", "--name").split():
        virsh("pool-define-as", lab.tag, "dir", "--target", str(pool_path(lab)))
        virsh("pool-build", lab.tag)
    if lab.tag not in virsh("pool-list", "--name").split():
        virsh("pool-start", lab.tag)


def _start(progress: Callable[[str], None]) -> None:
    """Start the missing daemons, and record what to restore afterwards. The caller holds the lock."""
    progress("starting libvirtd")
    before = STATE / _BEFORE
    if not before.exists():
        current = {"forwards": forwarding.is_everywhere(), "tables": firewall.tables()}
        store.write_atomic(before, json.dumps(current) + "\n")
    if not _runs("virtlogd"):
        programs_run.run(["virtlogd", "-d", "-p", str(STATE / "virtlogd.pid")])
    if not _runs("libvirtd"):
        if provider.choose().emulated:
            programs_run.run(["unshare", "--mount", "sh", "-c", _HIDING_KVM, "prov-lab", str(STATE)])
        else:
            programs_run.run(["libvirtd", "-d", "-p", str(STATE / "libvirtd.pid")])


def _runs(daemon: str) -> bool:
    """Return whether a daemon that prov started runs."""
    return _pid(daemon) > 0


def _pid(daemon: str) -> int:
    try:
        pid = int((STATE / f"{daemon}.pid").read_text())
        # the process id may have been reused
        return pid if Path(f"/proc/{pid}/comm").read_text().strip() == daemon else 0
    except (OSError, ValueError):
        return 0


def remove_machine(lab: Lab, name: str, vagrantfile: Path) -> None:
    """Remove what is left of a VM that Vagrant does not know, as after a killed `up`.

    name: libvirt's, which the VM of another Vagrantfile may also have.
    """
    if not _answers():
        return
    # the plugin records there where a VM comes from
    if name in virsh("list", "--all", "--name").split() and str(vagrantfile) in virsh("desc", name):
        if name in virsh("list", "--name").split():
            virsh("destroy", name)
        virsh("undefine", name, "--snapshots-metadata", "--managed-save", "--nvram")
    if lab.tag in virsh("pool-list", "--name").split():
        virsh("pool-refresh", lab.tag)
        for volume in virsh("vol-list", lab.tag).splitlines():
            file = volume.split()[0]
            if file == f"{name}.img" or file.startswith(f"{name}-"):
                virsh("vol-delete", "--pool", lab.tag, file)


def _answers() -> bool:
    try:
        virsh("uri")
    except LabError:
        return False
    return True


def release(lab: Lab) -> None:
    """After the lab's last VM, remove its pool, and stop the daemons if no one else needs them.

    The boxes' disks are in the pool. The caller holds the lab's lock.
    """
    if not shutil.which("virsh", path=programs_run.PATH):
        return
    if _answers():
        _remove_pool(lab)
    if STATE.is_dir() and os.geteuid() == 0:
        with locked(STATE):
            (STATE / f"used-by-{lab.tag}").unlink(missing_ok=True)
            others = any(STATE.glob("used-by-*"))
            if not others and not (_answers() and virsh("list", "--all", "--name").split()):
                _stop()
        with suppress(OSError):  # another process needs them
            STATE.rmdir()
            STATE.parent.rmdir()


def _remove_pool(lab: Lab) -> None:
    if lab.tag not in virsh("pool-list", "--all", "--name").split():
        return
    if lab.tag in virsh("pool-list", "--name").split():
        virsh("pool-refresh", lab.tag)
        for volume in virsh("vol-list", lab.tag).splitlines():
            virsh("vol-delete", "--pool", lab.tag, volume.split()[0])
        virsh("pool-destroy", lab.tag)
    with suppress(LabError):  # the folder is gone, or has other files in it
        virsh("pool-delete", lab.tag)
    virsh("pool-undefine", lab.tag)


def _stop() -> None:
    """Stop the daemons that prov started, and revert what they changed. The caller holds the lock."""
    if _answers():
        for active in virsh("net-list", "--name").split():
            virsh("net-destroy", active)
    for daemon in _DAEMONS:
        pid = _pid(daemon)
        if pid:
            os.kill(pid, 15)
        deadline = time.monotonic() + _END_SECONDS
        while _runs(daemon):
            if time.monotonic() > deadline:
                raise LabError(f"{daemon} does not end", hint=f"kill -9 {pid}")
            time.sleep(0.05)
    before = store.read_json(STATE / _BEFORE) or {}
    firewall.remove_libvirts(before.get("tables", []))
    if not before.get("forwards", True):
        forwarding.close_everywhere(network.uplinks())
    for path in STATE.iterdir():
        path.unlink()
