"""Unforeseen exceptions, as errors: mistakes in a role, or in prov."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import provision
from provision.errors import ProvError

#: where code is from that is not a project's: prov, Python, packages
OTHERS = (
    str(Path(provision.__file__).parent),
    *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")},
)


def as_error(mistake: Exception) -> ProvError:
    """Return an exception as an error: with the line in the role that it comes from, and the way from there on.

    If no code of a project is on the way, it is prov's own: the hint then has the end of the traceback.
    """
    said = f"{type(mistake).__name__}: {mistake}"
    frames = traceback.extract_tb(mistake.__traceback__)
    own = [index for index, frame in enumerate(frames) if not frame.filename.startswith(OTHERS)]
    if not own:
        return ProvError(said, hint="".join(traceback.format_exception(mistake)[-3:]))
    last = frames[own[-1]]
    way = "".join(traceback.format_list(frames[own[0] :])).rstrip("\n")
    return ProvError(said, where=f"{near(last.filename)}:{last.lineno}", hint=way)


def near(path: str) -> str:
    """Return a path from the working directory, if it is below it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
