"""The file in which PostgreSQL stores what ALTER SYSTEM has set. Undo restores it. Shipped to hosts (Python 3.8).

The server itself writes that file (postgresql.auto.conf), so it is kept before each change. Undo can restore it while
the server is down: a server that does not start with its settings starts again without them.
Source: PostgreSQL's manual, ALTER SYSTEM, "Setting Parameters"; pg_ctl.c, do_reload; miscadmin.h on postmaster.pid.
"""

import os
from typing import TYPE_CHECKING, Any, Iterable, List

from provision.steps.support.psql import ask

if TYPE_CHECKING:
    from provision.system.host import System

#: files in the server's data directory
SETTINGS, PROCESS = "postgresql.auto.conf", "postmaster.pid"
#: what labels of postgres.setting begin with
LABEL = "postgres setting "


def keep(host: "System", s: Any) -> None:
    """Keep a server's settings for undo, before they change. s: a step with port and user. Raises StepError."""
    query = "SELECT setting FROM pg_settings WHERE name = 'data_directory'"
    for (folder,) in ask(host, s, "postgres", query) or ():
        host.files.keep(settings_in(folder))


def settings_in(folder: str) -> str:
    """Return the path of the settings. folder: the server's data directory."""
    # the data directory is often a link to another disk
    return os.path.realpath(os.path.join(folder, SETTINGS))


def are_settings(path: str) -> bool:
    """Return whether a path is that of a server's settings."""
    return os.path.basename(path) == SETTINGS


def about(labels: Iterable[str], paths: Iterable[str]) -> List[str]:
    """Return the labels of postgres.setting, if any of the paths is that of a server's settings."""
    return [label for label in labels if label.startswith(LABEL)] if any(map(are_settings, paths)) else []


def reload(host: "System", paths: Iterable[str]) -> None:
    """Make running servers read the settings that were restored at these paths."""
    for path in filter(are_settings, paths):
        at = os.path.join(os.path.dirname(path), PROCESS)
        now = host.files.stat(at)
        if now is None or now.kind != "file":
            continue
        first = host.files.read(at).split(b"\n")[0].strip()
        if first.isdigit():
            # as the server's user, who can only signal their own processes; a server that has died has none
            user = host.accounts.user_name(now.uid)
            host.run(("kill", "-HUP", str(int(first))), user=user)
