"""The driver `nspawn`: hosts in namespaces of this machine.

A host's record is written before anything of the host is made, so that `down` finds everything even if `up`
was killed. Locks: a host's folder while it is made or removed; the lab's folder, briefly, while records or
the network change; always in this order.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

from provision.errors import LabError, UsageError
from provision.lab import (
    cgroup,
    disk,
    guest,
    images,
    machine,
    memory_disk,
    network,
    parallel,
    programs_run,
    shared,
    store,
)
from provision.lab.lab_host import IMAGES, LOGINS, HostExists, HostRecord, LabHost, check_choice, check_names
from provision.lab.store import HostDir, Lab, foreseen
from provision.locks import locked

Progress = Callable[[str], None]


@foreseen()
def up(
    names: Sequence[str], *, image: str, login: str, python: bool, new: bool, progress: Progress
) -> list[LabHost]:
    """See provision.lab.up."""
    wanted = check_names(names)
    check_choice("image", image, IMAGES)
    check_choice("login", login, LOGINS)
    programs_run.check()
    cgroup.check()
    lab = store.current()
    memory_disk.ensure(lab, progress)
    blank = [HostRecord(name, "", image, login, python) for name in wanted]
    for record in blank:
        refuse_other(lab, record)
    layers: tuple[str, ...] = ()
    reserved: list[str] = []
    try:
        records = [_reserve(lab, record, new=new, reserved=reserved) for record in blank]
        if not all(record.host_key for record in records):  # complete hosts have their layers
            layers = images.ensure(lab, image, python, progress)
    except (LabError, UsageError):
        # new hosts are only records so far, but another prov may have made them since
        for name in reserved:
            remove(lab, lab.host(name), lambda _line: None, reserved_only=True)
        raise
    asked = {record.name: replace(record, layers=layers) for record in blank}
    parallel.each(wanted, lambda name: boot(lab, asked[name], progress))
    found = {host.name: host for host in store.hosts()}
    return [found[name] for name in wanted if name in found]


def describe(record: HostRecord) -> str:
    """Describe the kind of a host in a few words."""
    vm = "VM with " if record.driver == "vagrant" else ""
    return f"{vm}{record.image}, login {record.login}, {'with' if record.python else 'without'} python3"


def refuse_other(lab: Lab, asked: HostRecord) -> None:
    """Raise UsageError if the host exists with other settings."""
    record = store.read_record(lab, asked.name)
    if record and record.wanted != asked.wanted:
        name = asked.name
        options = f"--image {asked.image} --login {asked.login}{'' if asked.python else ' --without-python'}"
        if asked.driver == "vagrant":
            options = "--driver vagrant" + (f" --image {asked.image}" if asked.image in IMAGES else "")
        raise UsageError(
            f"{name} exists as {describe(record)}; asked for {describe(asked)}",
            hint=f"prov lab down {name} && prov lab up {name} {options}",
        )


def _reserve(
    lab: Lab, asked: HostRecord, *, new: bool = False, reserved: list[str] | None = None
) -> HostRecord:
    """Return the host's record: the one it has, else a new one with an address of its own.

    new: raise HostExists if it has one.  reserved: gets the name of a host that had none.
    """
    with locked(lab.path):
        record = store.read_record(lab, asked.name)
        if record and new:
            raise HostExists(asked.name)
        refuse_other(lab, asked)
        if not record:
            if reserved is not None:
                reserved.append(asked.name)
            addresses = [other.address for other in shared.records(lab)]
            record = replace(asked, address=network.free_address(network.subnet(lab), addresses))
            lab.host(asked.name).path.mkdir(mode=0o755, parents=True, exist_ok=True)
            store.write_record(lab, record)
        return record


def boot(lab: Lab, asked: HostRecord, progress: Progress) -> None:
    """Bring one host to the point where it answers on SSH, from whatever state it is in."""
    host = lab.host(asked.name)

    def waiting() -> None:
        progress(f"{host.name}: waiting for another prov that works on it")

    with locked(host.path, waiting=waiting):
        record = _reserve(lab, asked)
        if record.host_key and cgroup.populated(lab.cgroup(host.name)):
            machine.wait_for_login(lab, record)  # its `up` may have been killed
            progress(f"{host.name} is running: {describe(record)}, {record.address}")
            return
        progress(f"{host.name}: booting {record.image}")
        if not guest.resolv_conf():
            progress(
                f"{host.name}: no name server of this machine can be reached from it: set /etc/resolv.conf there"
            )
        machine.stop(lab, host)
        if not record.host_key:
            record = _make(lab, host, record, asked.layers)
        disk.mount(lab, host, record)
        with locked(lab.path):
            network.ensure(lab)
            shared.publish(lab)
        network.connect(lab, host, record.address)
        machine.start(lab, host, record)
        machine.wait_for_login(lab, record)
        progress(f"{host.name} is up: {record.address}")


def _make(lab: Lab, host: HostDir, record: HostRecord, layers: tuple[str, ...]) -> HostRecord:
    """Make the host's disk again and mount it; remove the leftovers of an earlier attempt.

    Returns its full record.
    """
    disk.unmount(host)
    disk.wipe(host)
    record = replace(record, layers=layers)
    disk.mount(lab, host, record)
    with locked(lab.path):
        client_key = shared.client_key(lab)
    password = ""
    if record.login == "sudo-password":
        password = secrets.token_urlsafe(12)
        store.write_atomic(host.password, f"{password}\n", 0o600)
        shared.give_to_user(host.password)
    record = replace(record, host_key=guest.personalise(host.root, record, client_key, password))
    with locked(lab.path):
        store.write_record(lab, record)
    return record


def remove(lab: Lab, host: HostDir, progress: Progress, *, reserved_only: bool = False) -> None:
    """Remove everything of a host, in whatever state it is.

    reserved_only: leave it alone if its disk has been made.
    """

    def waiting() -> None:
        progress(f"{host.name}: waiting for another prov that works on it")

    with locked(host.path, waiting=waiting):
        record = store.read_record(lab, host.name)
        if record and record.host_key and reserved_only:
            return
        address = record.address if record else ""
        machine.stop(lab, host)
        network.disconnect(lab, host, address)
        disk.unmount(host)
        disk.wipe(host)
        with locked(lab.path):
            shutil.rmtree(host.path)
            shared.settle(lab)
    progress(f"{host.name} is gone")
