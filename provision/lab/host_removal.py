"""Remove hosts of any driver, and with the last one what they shared."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence

from provision.errors import LabError, UsageError
from provision.lab import images, parallel, programs_run, shared, store
from provision.lab.store import Lab, foreseen
from provision.locks import locked
from provision.names import suggestion

Progress = Callable[[str], None]


@foreseen()
def down(names: Sequence[str], *, progress: Progress) -> None:
    """See provision.lab.down."""
    lab = store.current()
    known = lab.names()
    for name in names:
        if name not in known:
            if store.find(name):
                programs_run.check_root()  # it is in root's lab
            there = f"The lab has: {', '.join(known)}." if known else "The lab has no hosts."
            raise UsageError(f"no lab host {name!r}.{suggestion(name, known)}", hint=there)
    if any(not _is_vm(lab, name) for name in names):
        programs_run.check_root()
    images.sweep_if_idle(lab)
    parallel.each(list(dict.fromkeys(names)), lambda name: _remove(lab, name, progress))


@foreseen()
def down_all(*, with_images: bool, progress: Progress) -> list[str]:
    """See provision.lab.down_all."""
    lab = store.current()
    names = lab.names()
    if with_images or not (names and all(_is_vm(lab, name) for name in names)):
        programs_run.check_root()
    down(names, progress=progress)
    if with_images:
        _remove_images(lab, progress)
    if lab.path.is_dir():
        with locked(lab.path):
            shared.settle(lab)
    return names


def _is_vm(lab: Lab, name: str) -> bool:
    record = store.read_record(lab, name)
    return record is not None and record.driver == "vagrant"


def _remove(lab: Lab, name: str, progress: Progress) -> None:
    """Remove everything of a host, in whatever state it is."""
    if _is_vm(lab, name):
        from provision.lab import vagrant

        vagrant.remove(lab, lab.host(name), progress)
    else:
        from provision.lab import nspawn

        nspawn.remove(lab, lab.host(name), progress)


def _remove_images(lab: Lab, progress: Progress) -> None:
    """Remove the images unless a host has been requested since.

    They are first moved aside under the lock that reserves hosts, so a later host finds none, and never a
    half.
    """
    aside = lab.path / "images.old"
    if lab.images.is_dir():
        from provision.lab import box

        with locked(lab.images), locked(lab.path):
            if lab.names():
                raise LabError(
                    "the images stay, because a host was made in the meantime",
                    hint="prov lab down --all --images",
                )
            box.forget_all(lab, progress)
            if aside.exists():
                shutil.rmtree(aside)  # left by a prov that was killed here
            lab.images.rename(aside)
    if aside.exists():
        shutil.rmtree(aside)
