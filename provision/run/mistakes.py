"""Unforeseen exceptions, as errors: mistakes in a role, or in prov."""

from __future__ import annotations

import traceback

from provision.controller import calling
from provision.errors import ProvError


def as_error(mistake: Exception) -> ProvError:
    """Return an exception as an error: with the line in the role that it comes from, and the way from there on.

    If no code of a project is on the way, it is prov's own: the hint then has the end of the traceback.
    """
    said = f"{type(mistake).__name__}: {mistake}"
    frames = traceback.extract_tb(mistake.__traceback__)
    own = next((at for at, frame in enumerate(frames) if not calling.is_ours(frame.filename)), None)
    if own is None:
        return ProvError(said, hint="".join(traceback.format_exception(mistake)[-3:]))
    way = "".join(traceback.format_list(frames[own:])).rstrip("\n")
    return ProvError(said, where=calling.raising_line(mistake), hint=way)
