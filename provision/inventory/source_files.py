"""Which files of a folder are inventories, and which are passed over.

Source: ansible-core's `inventory_ignore_extensions` and `inventory_ignore_patterns`, and InventoryManager.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from provision.inventory.ansible_cfg import AnsibleCfg

#: ends of names of files that settings name, relative to the inventory: templates, certificates, snippets, images
NAMED_ENDS = (".j2", ".pem", ".key", ".crt", ".cer", ".age", ".conf", ".tar")
#: ends of names of other files: ansible-core's default of `inventory_ignore_extensions`
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
)
#: ends of names without their suffix: examples, which this project has
IGNORED_STEM_ENDS = (".example",)
IGNORED_NAMES = ("group_vars", "host_vars", "vars_plugins")
#: largest number of files that a message names of each kind
SHOWN = 8


def inventory_files(source: Path, cfg: AnsibleCfg) -> Iterator[Path]:
    """A file itself, or the inventory files in a folder and the folders below it, in the order of names."""
    return (path for path, reason in entries(source, cfg) if not reason)


def entries(source: Path, cfg: AnsibleCfg) -> Iterator[tuple[Path, str]]:
    """Yield the files of a source in the order of names, each with why it is passed over; "" if it is read.

    A folder that is passed over is one entry.  cfg: it may say which names are passed over.
    """
    if not source.is_dir():
        yield source, ""
        return
    for entry in sorted(source.iterdir()):
        if reason := why_ignored(entry, cfg):
            yield entry, reason
        else:
            yield from entries(entry, cfg)


def why_ignored(entry: Path, cfg: AnsibleCfg) -> str:
    """Return why an entry of an inventory's folder is not read; "" if it is."""
    if entry.name.startswith("."):
        return "its name begins with a dot"
    if entry.name in IGNORED_NAMES:
        return "it has variables, no hosts"
    if not entry.exists():
        return "it is a link to nothing"
    ends = (*(IGNORED_ENDS if cfg.ignored_ends is None else cfg.ignored_ends), *NAMED_ENDS)
    end = next((end for end in ends if entry.name.endswith(end)), "")
    if end:
        return f"its name ends in {end}"
    pattern = next((each.pattern for each in cfg.ignored_patterns if each.search(entry.name)), "")
    if pattern:
        return f"ansible.cfg ignores {pattern}"
    return "it is an example" if entry.stem.endswith(IGNORED_STEM_ENDS) else ""


def without_hosts(sources: Iterable[Path], cwd: Path, cfg: AnsibleCfg) -> str:
    """Return what was read of an inventory that has no hosts, and what was passed over, as a hint."""
    found = [entry for source in sources for entry in entries(source, cfg)]
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
