"""Which files of a folder are inventories, and which are passed over.

Source: ansible-core's `inventory_ignore_extensions` and `inventory_ignore_patterns`, and InventoryManager.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

#: ends of names of files that settings name, relative to the inventory: templates, certificates, snippets, images
NAMED_ENDS = (".j2", ".pem", ".key", ".crt", ".cer", ".age", ".conf", ".tar")
#: ends of names of other files: ansible-core's default of `inventory_ignore_extensions`, and texts
IGNORED_ENDS = (
    ".pyc",
    ".pyo",
    ".swp",
    ".bak",
    "~",
    ".rpm",
    ".md",
    ".txt",
    ".rst",
    ".orig",
    ".cfg",
    ".retry",
    *NAMED_ENDS,
)
#: ends of names without their suffix: examples, which this project has
IGNORED_STEM_ENDS = (".example",)
IGNORED_NAMES = ("group_vars", "host_vars", "vars_plugins")
#: largest number of files that a message names of each kind
SHOWN = 8


def inventory_files(source: Path) -> Iterator[Path]:
    """A file itself, or the inventory files in a folder and the folders below it, in the order of names."""
    return (path for path, reason in entries(source) if not reason)


def entries(source: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of a source in the order of names, each with why it is passed over; "" if it is read.

    A folder that is passed over is one entry.
    """
    if not source.is_dir():
        yield source, ""
        return
    for entry in sorted(source.iterdir()):
        if reason := why_ignored(entry):
            yield entry, reason
        else:
            yield from entries(entry)


def why_ignored(entry: Path) -> str:
    """Return why an entry of an inventory's folder is not read; "" if it is."""
    if entry.name.startswith("."):
        return "its name begins with a dot"
    if entry.name in IGNORED_NAMES:
        return "it has variables, no hosts"
    end = next((end for end in IGNORED_ENDS if entry.name.endswith(end)), "")
    if end:
        return f"its name ends in {end}"
    return "it is an example" if entry.stem.endswith(IGNORED_STEM_ENDS) else ""


def without_hosts(sources: Iterable[Path], cwd: Path) -> str:
    """Return what was read of an inventory that has no hosts, and what was passed over, as a hint."""
    found = [entry for source in sources for entry in entries(source)]
    read = [display(path, cwd) for path, reason in found if not reason]
    passed = [f"{display(path, cwd)} ({reason})" for path, reason in found if reason]
    return " ".join(
        [
            f"Read: {listed(read)}." if read else "There was no file to read.",
            *([f"Passed over: {listed(passed)}."] if passed else []),
        ]
    )


def listed(names: list[str]) -> str:
    """Return the first names, and how many are left."""
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


def display(path: Path, cwd: Path) -> str:
    """A path as messages show it: relative to cwd, or absolute where that is shorter."""
    return min(os.path.relpath(path, cwd), str(path), key=len)
