"""The driver `vagrant`: virtual machines, with a kernel and a boot of their own.

Locks are those of the other driver. Vagrant's own folder is also locked while it makes a VM, because Vagrant
can neither add a box nor upload its disk twice at the same time, for any lab.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from provision.errors import LabError, ProvError, UsageError
from provision.lab import box, libvirt, machine, nspawn, programs_run, provider, shared, store, vagrantfile
from provision.lab.lab_host import IMAGES, OWN_BOX, HostExists, HostRecord, LabHost, check_choice, check_names
from provision.lab.provider import Provider
from provision.lab.store import HostDir, Lab, foreseen
from provision.lab.vagrantfile import Project
from provision.locks import locked

# for machines that cannot build boxes: those of Debian's cloud team
PUBLIC_BOXES = {"debian-12": "debian/bookworm64", "debian-13": "debian/trixie64"}

_SCAN_SECONDS = 60

Progress = Callable[[str], None]


@foreseen()
def up(
    names: Sequence[str], *, image: str, login: str, python: bool, new: bool, progress: Progress
) -> list[LabHost]:
    """See provision.lab.up."""
    wanted = check_names(names)
    if image:
        check_choice("image", image, IMAGES)
    if login not in ("", "sudo") or not python:
        option = "--login" if python else "--without-python"
        raise UsageError(
            f"{option} is for hosts of the driver nspawn: virtual machines have the login and the software of"
            " their box",
            hint=f"Leave {option} out, or --driver vagrant.",
        )
    found = provider.check()
    lab = store.current()
    for name in wanted:
        if new and store.read_record(lab, name):
            raise HostExists(name)
    for name in wanted:
        _boot(lab, _asked(lab, name, image), found, progress, new=new)
    hosts = {host.name: host for host in store.hosts()}
    return [hosts[name] for name in wanted if name in hosts]


def _asked(lab: Lab, name: str, image: str) -> HostRecord:
    """Return the requested record; settings that are not given are those of the existing VM."""
    record = store.read_record(lab, name)
    known = record if record and record.driver == "vagrant" else None
    project = Project(Path(known.folder)) if known else vagrantfile.find(lab)
    if image and not project.takes_box:
        raise UsageError(
            "this Vagrantfile chooses its box itself",
            where=str(project.file),
            hint="Leave --image out, or have it use PROV_VM_BOX, as prov's own does.",
        )
    if not image and known:
        image = known.image
    elif not image:
        image = os.environ.get("PROV_VM_BOX", "debian-12") if project.takes_box else OWN_BOX
    return HostRecord(name, "", image, "sudo", True, driver="vagrant", folder=str(project.folder))


def _reserve(lab: Lab, asked: HostRecord, *, new: bool) -> HostRecord:
    """Return the VM's record: the one it has, else a new one. new: raise HostExists if it has one."""
    with locked(lab.path):
        record = store.read_record(lab, asked.name)
        if record and new:
            raise HostExists(asked.name)
        nspawn.refuse_other(lab, asked)
        if not record:
            record = asked
            vagrantfile.prepare(lab)
            lab.host(asked.name).path.mkdir(mode=0o755, parents=True, exist_ok=True)
            store.write_record(lab, record)
        return record


def _boot(lab: Lab, asked: HostRecord, found: Provider, progress: Progress, *, new: bool) -> None:
    """Bring one VM to the point where it lets prov in, from whatever state it is in."""
    host = lab.host(asked.name)
    with locked(host.path, waiting=_waiting(host, progress)):
        record = _reserve(lab, asked, new=new)
        project = Project(Path(record.folder))
        running = store.find(host.name)
        if record.host_key and running and running.state == "running":
            progress(f"{host.name} is running: {nspawn.describe(record)}, {record.address}")
            return
        try:
            _vagrant_up(lab, project, record, found, progress)
            _learn(lab, project, record)
        except ProvError as error:
            if not project.exists(host.name):
                _forget(lab, host, project)  # only the record was made
            raise _with_console(error, host) from error
        now = store.find(host.name)
        progress(f"{host.name} is up: {now.address if now else ''}")


def _waiting(host: HostDir, progress: Progress) -> Callable[[], None]:
    return lambda: progress(f"{host.name}: waiting for another prov that works on it")


def _vagrant_up(lab: Lab, project: Project, record: HostRecord, found: Provider, progress: Progress) -> None:
    variables = _box(record.image, found, progress)
    if found.emulated:
        progress(
            "this machine has no hardware virtualisation: the processor is emulated, some 8 times slower"
        )
    home = provider.vagrant_home()
    # boxes are in the user's home for all labs; the lab's own folder says that it has VMs
    with locked(home, waiting=lambda: progress("waiting for another VM to boot")), locked(lab.vagrant):
        if found.name == "libvirt":
            libvirt.ensure(lab, progress)
        lab.host(record.name).console.unlink(missing_ok=True)
        vagrantfile.run(
            project,
            lab,
            record.name,
            ["up", record.name, "--provider", found.name],
            variables=variables,
            timeout=vagrantfile.UP_SECONDS,
            progress=progress,
        )


def _box(image: str, found: Provider, progress: Progress) -> dict[str, str]:
    """Return the box to use: the one in the environment, else one that prov builds, else a public one."""
    if image not in IMAGES:
        return {}
    if found.name == "libvirt" and os.geteuid() == 0 and box.can_build():
        made = box.ensure(image, progress=progress)
        return {"PROV_VM_BOX": box.name(image), "PROV_VM_BOX_URL": made.as_uri()}
    return {"PROV_VM_BOX": PUBLIC_BOXES[image]}


def _learn(lab: Lab, project: Project, record: HostRecord) -> None:
    """Record how to reach the VM, and its host key if it is new."""
    said = vagrantfile.ssh_config(project, lab, record.name)
    address, port = said["hostname"], int(said["port"])
    record = replace(
        record,
        address=address,
        port=port,
        account=said["user"],
        key=said["identityfile"],
        host_key=record.host_key or _scan(address, port),
    )
    with locked(lab.path):
        store.write_record(lab, record)
        shared.publish(lab)


def _scan(address: str, port: int) -> str:
    """Return the public key of a new VM, over a network that does not leave this machine."""
    argv = ["ssh-keyscan", "-T", str(_SCAN_SECONDS), "-p", str(port), "-t", "ed25519,ecdsa,rsa", address]
    lines = [
        line for line in programs_run.run(argv, timeout=3 * _SCAN_SECONDS).splitlines() if line[:1] != "#"
    ]
    for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"):
        for line in lines:
            if line.split()[1] == kind:
                return " ".join(line.split()[1:3])
    raise LabError(f"{address} port {port} shows no host key")


def _with_console(error: ProvError, host: HostDir) -> ProvError:
    """Return the error with the last lines of the VM's console, if it has any."""
    try:
        said = machine.console_tail(host.console)
    except PermissionError:
        return error  # readable by libvirt only
    if not said or isinstance(error, UsageError):
        return error
    return LabError(
        f"{error.message}\nIts console's last lines:\n{said}",
        where=error.where,
        hint=f"All of it: {host.console}. To start over: prov lab down {host.name}",
    )


def remove(lab: Lab, host: HostDir, progress: Progress) -> None:
    """Remove everything of a VM, in whatever state it is."""
    with locked(host.path, waiting=_waiting(host, progress)):
        record = store.read_record(lab, host.name)
        project = Project(Path(record.folder if record else lab.vagrant))
        if project.state(host.name).exists() and project.file.is_file():
            provider.check()
            if (project.state(host.name) / "libvirt").exists():
                libvirt.ensure(lab, progress)
            with suppress(UsageError):  # its Vagrantfile no longer has it
                vagrantfile.run(project, lab, host.name, ["destroy", "-f", host.name], progress=progress)
        _forget(lab, host, project)
    progress(f"{host.name} is gone")


def _forget(lab: Lab, host: HostDir, project: Project) -> None:
    """Remove what Vagrant does not know about, and the lab's record. The caller holds the host's lock."""
    if shutil.which("virsh", path=programs_run.PATH):
        libvirt.remove_machine(lab, project.domain(host.name), project.file)
    shutil.rmtree(project.state(host.name), ignore_errors=True)
    with locked(lab.path):
        shutil.rmtree(host.path)
        shared.settle(lab)
