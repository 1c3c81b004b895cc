"""What the lab's hosts share: the client key, the pinned host keys, each other's names, the cleanup.

The caller holds the lock of the lab's folder for everything here.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from provision.lab import cgroup, disk, forwarding, guest, memory_disk, network, programs_run, store
from provision.lab.lab_host import HostRecord
from provision.lab.store import Lab
from provision.locks import locked


def records(lab: Lab) -> list[HostRecord]:
    """Return the records of all hosts, by name."""
    return [record for name in lab.names() if (record := store.read_record(lab, name))]


def give_to_user(path: Path) -> None:
    """Let the user who called sudo read a private file too: their own prov and ssh need it."""
    if "SUDO_UID" in os.environ and "SUDO_GID" in os.environ:
        os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))


def client_key(lab: Lab) -> str:
    """Return the public key that every host accepts; the key pair is made with the first host."""
    public = lab.key.with_suffix(".pub")
    if not lab.key.exists():
        new = lab.path / "client_key.new"
        for left in (new, new.with_suffix(".new.pub")):
            left.unlink(missing_ok=True)
        programs_run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", lab.tag, "-f", str(new)])
        give_to_user(new)
        new.with_suffix(".new.pub").rename(public)
        new.rename(lab.key)
    return public.read_text()


def publish(lab: Lab) -> None:
    """Write every host's key into known_hosts, and every host's name into the others' /etc/hosts."""
    everyone = records(lab)
    lines = [f"{_known_as(record)} {record.host_key}\n" for record in everyone if record.host_key]
    store.write_atomic(lab.known_hosts, "".join(lines))
    bridged = [record for record in everyone if record.driver == "nspawn"]
    for record in bridged:
        host = lab.host(record.name)
        # its disk may be full, its /etc may be a link, or it is being removed: that concerns this host only
        with suppress(OSError):
            if disk.is_mounted(host):
                guest.refresh_names(host.root, bridged, record.name)


def _known_as(record: HostRecord) -> str:
    """Return the names of a host in a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""
    if record.port == store.SSH_PORT:
        return f"{record.name},{record.address}"
    return f"[{record.name}]:{record.port},[{record.address}]:{record.port}"


def settle(lab: Lab) -> None:
    """After a removal, update the other hosts.

    If it was the last host, or the last of its driver, remove what the hosts shared.
    """
    names = lab.names()
    machines = [record.name for record in records(lab) if record.driver == "vagrant"]
    # a host without a readable record counts as one on the bridge
    if len(machines) == len(names) and lab.network.exists():
        network.remove(lab)
    if not machines and lab.vagrant.exists():
        from provision.lab import libvirt

        libvirt.release(lab)
        shutil.rmtree(lab.vagrant.parent)
    if names:
        publish(lab)
        return
    for path in (
        lab.key,
        lab.key.with_suffix(".pub"),
        lab.known_hosts,
        *lab.path.glob(".*"),
        *lab.path.glob("*.new*"),
    ):
        path.unlink(missing_ok=True)
    if os.geteuid() == 0 and not cgroup.under_systemd():
        _forget_runtime_folders()
    for folder in (lab.hosts, lab.images):
        with suppress(OSError):  # images remain, or another process has just made a host's folder
            folder.rmdir()
    memory_disk.release(lab)
    with suppress(OSError):
        lab.path.rmdir()


def _forget_runtime_folders() -> None:
    """Remove systemd-nspawn's folders unless another lab may be starting a host right now."""
    with locked(forwarding.STATE):
        if not forwarding.bridges():
            disk.forget_runtime_folders()
    with suppress(OSError):  # another process is about to write here
        forwarding.STATE.rmdir()
