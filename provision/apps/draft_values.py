"""Values for an inventory's entry, from what a project's files say."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence

from provision.apps.django_reading import ROOT


def process(words: Sequence[str], name: str) -> object:
    """Return a process as the inventory has it. name: of the application.

    Celery's beat runs once, and keeps its schedule in the working directory, where nothing can be written.
    """
    if words[0] != "celery" or "beat" not in words:
        return list(words)
    options = {word.partition("=")[0] for word in words}
    said = options & {"-s", "--schedule", "-S", "--scheduler"}
    return {
        "command": [*words, *([] if said else ["-s", f"/var/lib/app-{name}/celerybeat-schedule"])],
        "on": "one",
    }


def text_of(command: object) -> str:
    """Return a process's command as one line."""
    if isinstance(command, Mapping):
        command = command["command"]
    return " ".join(map(str, command)) if isinstance(command, list) else str(command)


def inside(path: str | None) -> str:
    """Return a folder in the settings relative to the project; "" if it is elsewhere, or unknown.

    A relative one counts from the working directory, which is the folder of manage.py.
    """
    if not path or (path.startswith("/") and not path.startswith(f"{ROOT}/")):
        return ""
    found = posixpath.normpath(path.removeprefix(ROOT).strip("/"))
    return "" if found.startswith(".") else found


def prefix(url: str | None, default: str) -> str:
    """Return a URL in the settings as a prefix."""
    return f"/{url.strip('/')}/" if url and "://" not in url and url.strip("/") else default


def migrates(words: Sequence[str]) -> bool:
    """Return whether this is what prov does automatically for a Django project."""
    return re.search(r"manage(\.py)? (migrate|collectstatic)\b", " ".join(words)) is not None
