"""Snapshots: the state of a host at one moment, under a label, and a fast way back to it.

A VM's snapshot includes its memory, so it continues where it was. For a host in a namespace it is the disk,
copied while all processes are frozen; a restored host boots as after a power cut.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from provision.errors import LabError, UsageError
from provision.lab import cgroup, disk, libvirt, machine, nspawn, openssh, programs_run, store, vagrantfile
from provision.lab.lab_host import HostRecord, is_label
from provision.lab.store import HostDir, Lab, foreseen
from provision.lab.vagrantfile import Project
from provision.locks import locked
from provision.names import suggestion

_COPY_SECONDS = 600.0
_LOGIN_SECONDS = 120.0

Progress = Callable[[str], None]


@foreseen()
def save(name: str, label: str, progress: Progress) -> None:
    """See provision.lab.snapshot."""
    lab, host, record = _find(name, label)
    found = store.find(name)
    if not found or found.state != "running":
        raise LabError(f"{name} is stopped", hint=f"prov lab up {name}")
    with locked(host.path, waiting=lambda: progress(f"{name}: waiting for another prov that works on it")):
        if record.driver == "vagrant":
            _vagrant(lab, record, ["save", "--force", name, label])
        else:
            _copy_disk(lab, host, label)
        (host.snapshots / label).mkdir(parents=True, exist_ok=True)
    progress(f"{name}: saved as {label}")


@foreseen()
def restore(name: str, label: str, progress: Progress) -> None:
    """See provision.lab.restore."""
    lab, host, record = _find(name, label)
    saved = sorted(path.name for path in host.snapshots.glob("*") if is_label(path.name))
    if label not in saved:
        there = (
            f"It has: {', '.join(saved)}." if saved else f"It has none. Make one: prov lab snapshot {name}"
        )
        raise UsageError(f"{name} has no snapshot {label!r}.{suggestion(label, saved)}", hint=there)
    if record.driver == "vagrant":
        with locked(host.path, waiting=lambda: progress(f"{name}: waiting for another prov")):
            _vagrant(lab, record, ["restore", name, label, "--no-provision"])
            _set_clock(name)
    else:
        with locked(host.path, waiting=lambda: progress(f"{name}: waiting for another prov")):
            machine.stop(lab, host)
            disk.unmount(host)
            disk.wipe(host)
            host.disk.mkdir(mode=0o700)
            _copy(host.snapshots / label, host.disk / "upper")
        nspawn.boot(lab, record, lambda _line: None)
    progress(f"{name}: restored to {label}")


def _find(name: str, label: str) -> tuple[Lab, HostDir, HostRecord]:
    """Return the lab, and the host's folder and record. Raises UsageError for an invalid name or label."""
    lab = store.current()
    record = store.read_record(lab, name) if name in lab.names() else None
    if record is None:
        hint = f"The lab has: {', '.join(lab.names())}." if lab.names() else f"prov lab up {name}"
        raise UsageError(f"no lab host {name!r}.{suggestion(name, lab.names())}", hint=hint)
    if not is_label(label):
        raise UsageError(f"{label!r} cannot be a snapshot's name", hint="It has 1 to 63 of a-z, 0-9 and '-'.")
    if record.driver == "nspawn":
        programs_run.check_root()
    return lab, lab.host(name), record


def _vagrant(lab: Lab, record: HostRecord, argv: list[str]) -> None:
    project = Project(Path(record.folder))
    if (project.state(record.name) / "libvirt").exists():
        libvirt.ensure(lab, lambda _line: None)
    vagrantfile.run(project, lab, record.name, ["snapshot", *argv])


def _set_clock(name: str) -> None:
    """Wait until the VM lets prov in, and set its clock, which continues from the time of the snapshot."""
    deadline = time.monotonic() + _LOGIN_SECONDS
    while True:
        try:
            found = store.find(name)
            assert found
            programs_run.run(
                openssh.argv(found, ["sudo", "date", "-u", "-s", f"@{time.time():.0f}"], batch=True)
            )
            return
        except LabError as error:
            if time.monotonic() > deadline:
                raise LabError(f"{name} does not let us in after it was restored: {error.message}") from None
        time.sleep(0.2)


def _copy_disk(lab: Lab, host: HostDir, label: str) -> None:
    """Copy the host's own layer while its processes are frozen."""
    host.snapshots.mkdir(mode=0o700, exist_ok=True)
    group = lab.cgroup(host.name)
    new, place = host.snapshots / f".{label}.new", host.snapshots / label
    shutil.rmtree(new, ignore_errors=True)
    try:
        cgroup.freeze(group)
        try:
            _copy(host.disk / "upper", new)
        finally:
            cgroup.thaw(group)
        if place.exists():
            shutil.rmtree(place)
        new.rename(place)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with all attributes.

    overlayfs stores in them which names are hidden (its documentation, "whiteouts").
    """
    argv = ["cp", "--archive", "--reflink=auto", "--no-target-directory", str(source), str(target)]
    programs_run.run(argv, timeout=_COPY_SECONDS)
