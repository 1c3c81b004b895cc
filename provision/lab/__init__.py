"""Throwaway Debian hosts to try things on (design.md D12): `prov lab up web1`.

`find` and `hosts` only read the lab's state and are cheap to import and call; `up` and `down` load the
driver when they are used, which needs root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provision.lab.model import IMAGES, LOGINS, LabHost
from provision.lab.store import find, hosts

__all__ = ["IMAGES", "LOGINS", "LabHost", "down", "down_all", "find", "hosts", "up"]

Progress = Callable[[str], None]


def _silent(_message: str) -> None:
    """The progress of a caller who does not want to hear of it."""


def up(
    names: Sequence[str],
    *,
    image: str = "debian-12",
    login: str = "root",
    python: bool = True,
    progress: Progress = _silent,
) -> list[LabHost]:
    """Boot hosts of these names, in parallel, until each answers on SSH; those that run are left alone.

    image: a key of IMAGES, built once if need be.  login: one of LOGINS.  python: whether the host has
    python3 from the start.  progress: called with one line of text, from several threads.
    Raises UsageError for names, images or logins that cannot be, or for a host that exists with others;
    LabError if a host cannot be made or does not answer within a minute.
    """
    from provision.lab import nspawn

    return nspawn.up(names, image=image, login=login, python=python, progress=progress)


def down(names: Sequence[str], *, progress: Progress = _silent) -> None:
    """Remove these hosts and all that belongs to them; with the last one the network goes too.

    Raises UsageError for a name that the lab does not know, LabError if something cannot be removed.
    """
    from provision.lab import nspawn

    nspawn.down(names, progress=progress)


def down_all(*, images: bool = False, progress: Progress = _silent) -> list[str]:
    """Remove every host; with images, the cached base images as well. Returns the names removed."""
    from provision.lab import nspawn

    return nspawn.down_all(with_images=images, progress=progress)
