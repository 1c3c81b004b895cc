"""Files and folders of this machine that applications name in the inventory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from provision.apps.requirements import USUAL, FolderTree, listed_in, refuse_unreadable
from provision.errors import ConfigError
from provision.inventory import InventoryHost
from provision.inventory.located import Origin
from provision.sources.ignored import Ignored, excludes

if TYPE_CHECKING:
    from provision.apps.app_model import App


def local(host: InventoryHost, path: tuple[str | int, ...], origin: Origin, text: str) -> Path:
    """Return a path of this machine; `~` is the user's home, a relative path starts at the inventory file.

    Raises ConfigError for a path that no file can have.
    """
    try:
        found = (origin.folder / Path(text).expanduser()).resolve()
        found.exists()
        return found
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise host.error(path, f"{text[:60]!r} can't be a path on this machine: {why.lower()}") from None


def is_folder(path: Path) -> bool:
    """Return whether a folder exists; False if its name is too long."""
    return os.path.isdir(path)  # noqa: PTH112 (Path.is_dir raises for such a name)


def files_missing(host: InventoryHost, apps: Sequence[App]) -> list[ConfigError]:
    """Yield an error for each missing file or folder of this machine that an application names."""
    errors: list[ConfigError] = []
    for app in apps:
        for place, template in app.files.items():
            if not os.path.isfile(template):  # noqa: PTH113 (as is_folder)
                errors.append(host.error(("apps", app.name, "files", place), f"no such file: {template}"))
        for number, snippet in enumerate(app.snippets):
            if not os.path.isfile(snippet):  # noqa: PTH113 (as is_folder)
                errors.append(host.error(("apps", app.name, "snippets", number), f"no such file: {snippet}"))
        if not isinstance(app.source, Path):
            continue
        root = app.source / (app.subdirectory or "")
        if not is_folder(root):
            path = (
                "apps",
                app.name,
                "subdirectory" if app.subdirectory and is_folder(app.source) else "source",
            )
            errors.append(host.error(path, f"no such folder: {root}"))
            continue
        if app.error_pages is not None and not is_folder(root / app.error_pages):
            message = f"no such folder: {root / app.error_pages}"
            errors.append(host.error(("apps", app.name, "error_pages"), message))
        wanted: dict[tuple[str, ...], str] = {}
        if app.requirements:
            wanted[("requirements",)] = app.requirements
        elif listed_in(FolderTree(app.source), app.subdirectory or "") is None:
            message = f"no list of packages found: {root} has no {', '.join(USUAL[:3])} or similar file"
            hint = "An empty requirements.txt will do if nothing is required."
            errors.append(host.error(("apps", app.name), message, hint))
        if app.django:
            wanted[("django", "manage")] = app.django.manage
        for parameter, file in wanted.items():
            if not os.path.isfile(root / file):  # noqa: PTH113 (as is_folder)
                errors.append(host.error(("apps", app.name, *parameter), f"no such file: {root / file}"))
        errors += packages_unreadable(host, app, app.source)
    return errors


def packages_unreadable(host: InventoryHost, app: App, source: Path) -> Iterator[ConfigError]:
    """Yield an error if an application's list of packages can't be read, as an older lock.

    Cheap: the file's name tells, or its tables. source: the application's folder on this machine.
    """
    tree = FolderTree(source)
    path = app.in_source(app.requirements) if app.requirements else listed_in(tree, app.subdirectory or "")
    if path is None or not tree.has(path):
        return
    try:
        refuse_unreadable(path, tree, where=str(source), extras=app.extras, groups=app.groups)
    except ConfigError as error:
        file = source / path
        # a file that is not part of the source is not what its packages are read from
        if not excludes(Ignored(source).governing(file.parent), file.name):
            setting = "requirements" if app.requirements else "source"
            yield host.error(("apps", app.name, setting), str(error), error.hint)
