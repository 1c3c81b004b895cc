"""Packages on hold, which apt must not change. Shipped to hosts (Python 3.8, standard library)."""

from typing import Sequence

from provision.errors import StepError
from provision.steps.base import listed
from provision.system.packages.apt_packages import Apt


def is_held(apt: Apt, name: str) -> bool:
    """Return whether a package is on hold."""
    found = apt.find(name)
    return found is not None and found.held


def refuse_held(apt: Apt, names: Sequence[str]) -> None:
    """Raise StepError if one of these packages, which must change, is on hold."""
    held = [n for n in names if is_held(apt, n)]
    if held:
        raise StepError(
            "%s must change, but is on hold" % listed(["%s %s" % (n, apt.version(n)) for n in held]),
            hint="To release the hold, add apt.hold(c, %r, held=False) before this step." % held[0],
        )
