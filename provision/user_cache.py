"""Where prov keeps what only saves time: in the cache folder of the user who runs it."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return ~/.cache/prov/NAME, which may not be there yet; $XDG_CACHE_HOME (XDG Base Directory Specification)
    takes the place of ~/.cache."""
    # not Path.home(), which fails for users that the system does not know
    home = os.path.expanduser("~/.cache")  # noqa: PTH111
    return Path(os.environ.get("XDG_CACHE_HOME") or home) / "prov" / name
