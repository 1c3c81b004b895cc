"""Find the line of a role or fabfile that made a call, which is shown with its step."""

from __future__ import annotations

import linecache
import sys
import sysconfig
import types
from pathlib import Path

OURS = str(Path(__file__).parents[1]) + "/"
STANDARD_LIBRARY = sysconfig.get_path("stdlib") + "/"
BUILTIN_ROLES = OURS + "builtin/"
COMMANDS = OURS + "commands/"


def calling_line() -> tuple[str, str]:
    """Return the innermost caller outside prov's own modules: ("roles/nginx/__init__.py:14", the line there).

    Returns two empty strings if no role or fabfile has called.
    """
    frame = calling_frame()
    path = frame.f_code.co_filename
    if path.startswith(STANDARD_LIBRARY) or is_ours(path):
        return "", ""
    return f"{shown_path(path)}:{frame.f_lineno}", linecache.getline(path, frame.f_lineno).strip()


def raising_line(error: BaseException) -> str:
    """Return the innermost line outside prov's own modules that raised an error; "" if there is none."""
    import traceback  # imported here, because only errors that end a role need it

    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = frame.f_code.co_filename
        if not path.startswith(STANDARD_LIBRARY) and not is_ours(path):
            found = f"{shown_path(path)}:{line}"
    return found


def calling_path() -> Path:
    """Return the file of the innermost caller outside prov's own modules."""
    return Path(calling_frame().f_code.co_filename)


def calling_frame() -> types.FrameType:
    """Return the frame of the innermost caller outside prov's own modules."""
    frame = sys._getframe(1)
    while frame.f_back is not None and is_ours(frame.f_code.co_filename):
        if frame.f_code.co_filename.startswith(COMMANDS):
            # prov is called by click here, not by a role
            return frame
        frame = frame.f_back
    return frame


def is_ours(path: str) -> bool:
    """Return whether a file is one of prov's own modules; built-in roles are not among them."""
    return path.startswith(OURS) and not path.startswith(BUILTIN_ROLES)


def shown_path(path: str) -> str:
    """Return a path as users know it, relative to the current directory or to prov's own folder."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path.replace(OURS, "provision/")
