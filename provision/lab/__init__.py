"""Throwaway Debian hosts to try things on (design.md D12): `prov lab up web1`.

There are two drivers: `nspawn`, hosts in namespaces of this machine, for root on Linux; and `vagrant`, real
virtual machines. `find` and `hosts` only read the lab's state and are cheap to import and call; the others
load the driver when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provision.lab.lab_host import DRIVERS, IMAGES, LOGINS, HostExists, LabHost, check_choice
from provision.lab.store import find, hosts

__all__ = [
    "DRIVERS",
    "IMAGES",
    "LOGINS",
    "HostExists",
    "LabHost",
    "build_box",
    "down",
    "down_all",
    "find",
    "hosts",
    "install",
    "restore",
    "snapshot",
    "up",
]

Progress = Callable[[str], None]


def _silent(_message: str) -> None:
    """Ignore progress, for callers without a use for it."""


def up(
    names: Sequence[str],
    *,
    driver: str = "nspawn",
    image: str = "",
    login: str = "",
    python: bool = True,
    new: bool = False,
    progress: Progress = _silent,
) -> list[LabHost]:
    """Boot hosts with these names, in parallel, until each answers on SSH; running hosts are left alone.

    driver: one of DRIVERS.  image: a key of IMAGES, built once if needed; "" is Debian 12, or the
    Vagrantfile's choice.  login: one of LOGINS; "" is root, or the Vagrantfile's choice.  python: whether the
    host has python3 from the start.  new: raise HostExists for a host that the lab has; then no host is made.
    progress: called with one line of text, from several threads.
    Raises UsageError for invalid names, images or logins, or if a host exists with other settings; LabError
    if a host cannot be made or does not answer in time.
    """
    check_choice("driver", driver, DRIVERS)
    if driver == "vagrant":
        from provision.lab import vagrant

        return vagrant.up(names, image=image, login=login, python=python, new=new, progress=progress)
    from provision.lab import nspawn

    return nspawn.up(
        names,
        image=image or "debian-12",
        login=login or "root",
        python=python,
        new=new,
        progress=progress,
    )


def down(names: Sequence[str], *, progress: Progress = _silent) -> None:
    """Remove these hosts and everything that belongs to them; the last host takes the network with it.

    Raises UsageError for a name that the lab does not know, LabError if something cannot be removed.
    """
    from provision.lab import host_removal

    host_removal.down(names, progress=progress)


def down_all(*, images: bool = False, progress: Progress = _silent) -> list[str]:
    """Remove every host; with images, also the cached base images and boxes. Returns the names removed."""
    from provision.lab import host_removal

    return host_removal.down_all(with_images=images, progress=progress)


def snapshot(name: str, label: str, *, progress: Progress = _silent) -> None:
    """Save the present state of a host under a label, and replace what the label had.

    Raises UsageError if the host does not exist, LabError if it does not run or cannot be saved.
    """
    from provision.lab import snapshots

    snapshots.save(name, label, progress)


def restore(name: str, label: str, *, progress: Progress = _silent) -> None:
    """Return a host to the state saved under a label, and wait until it answers.

    Raises UsageError if the host or the label does not exist, LabError if the host does not come up.
    """
    from provision.lab import snapshots

    snapshots.restore(name, label, progress)


def build_box(image: str, *, again: bool = False, progress: Progress = _silent) -> str:
    """Build the Vagrant box of an image from this machine's package mirror, unless it exists.

    again: rebuild an existing box.  Returns the path of the box.  Raises LabError if it cannot be built.
    """
    from provision.lab import box

    return str(box.ensure(image, again=again, progress=progress))


def install(driver: str) -> list[str]:
    """Install with apt what a driver needs and this machine lacks. Returns the packages."""
    check_choice("driver", driver, DRIVERS)
    from provision.lab import programs_run

    programs_run.check_root()
    if driver == "vagrant":
        from provision.lab import provider

        packages = provider.missing_packages()
    else:
        packages = programs_run.missing_packages()
    programs_run.install(packages)
    return packages
