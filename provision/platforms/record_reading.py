"""What records of releases have in common on all platforms: how one is read, and why its release can't serve again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from provision.errors import ProvError
from provision.platforms.platform_model import EarlierRelease
from provision.steps.base import listed
from provision.system.shapes import Check, Misshapen

GONE = "Check out the earlier state of your project and run prov deploy."


def obstacle_in(shape: Check, about: Mapping[str, Any], further: Callable[[dict[str, Any]], str]) -> str:
    """Return why a recorded instance can't be served again; "" if it can.

    shape: of what `about` must be.  further: why a whole one can't, given a copy of it.
    """
    try:
        found: dict[str, Any] = shape(copy.deepcopy(dict(about)))
    except Misshapen as error:
        return f"its record is damaged: {error}"
    return further(found)


def without_secrets(missing: Sequence[str]) -> str:
    """Return that secrets are gone, by their names; "" for none."""
    return f"it needs secrets that are gone: {listed(missing, most=20)}" if missing else ""


def refuse_unserved(release: EarlierRelease, why: str) -> None:
    """Raise ProvError if there is a reason why a release can't be served again."""
    if why:
        raise ProvError(f"release {release.release} of {release.app} can't be served again: {why}", hint=GONE)
