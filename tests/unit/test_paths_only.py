"""What acts on files by their paths, which users may exchange, is in a few modules, each with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import provision

ROOT = Path(provision.__file__).parent
SHIPPED = sorted(path for room in ("agent", "steps", "system") for path in (ROOT / room).rglob("*.py"))

#: functions that find a file by its path, following links on the way (path_resolution(7))
BY_PATH = {
    "open",
    *(f"os.{name}" for name in (
        "access", "chdir", "chmod", "chown", "chroot", "getxattr", "lchown", "link", "listdir", "lstat", "makedirs",
        "mkdir", "mkfifo", "mknod", "open", "readlink", "remove", "removedirs", "removexattr", "rename", "replace",
        "rmdir", "scandir", "setxattr", "stat", "statvfs", "symlink", "truncate", "unlink", "utime", "walk",
    )),
    *(f"os.path.{name}" for name in (
        "exists", "getatime", "getmtime", "getsize", "isdir", "isfile", "islink", "ismount", "lexists", "realpath",
        "samefile",
    )),
}  # fmt: skip
MODULES = {"glob", "shutil", "tempfile", "pathlib"}
OWN = "records below /var/lib/prov and /var/cache/prov, which are root's alone"
KERNEL = "fixed files of the kernel's, below /proc and /sys"
FIXED = "fixed files of root's, below /etc, /usr and /var/lib"
SHOWN = "a folder of root's alone, made for a plan and removed with it"
LOCAL = "the controller's own files, when a role is read; never on a host"
#: module -> why it may
ALLOWED = {
    "system/paths.py": "the one walk over a path, a name at a time in open folders",
    "system/descriptors.py": "acts on names in open folders that paths.py has found",
    "system/host_files.py": "the same; by path only where paths.py has found that no one else can change names",
    "system/states.py": "the same, for what an undo needs",
    "system/command_execution.py": "opens the folder a command runs in as the user that it runs as",
    "system/builds/handover.py": "acts on names in open folders; realpath compares ends of links, and opens nothing",
    "system/builds/view.py": "looks where a build may look; what it opens is opened by the build's own user",
    "steps/support/handed_credentials.py": "names in a file system that it has just made, which no other process sees",
    "steps/support/afterwards.py": "looks where links will lead after an undo, and opens nothing",
    "steps/support/former_homes.py": "acts on open files that paths.py and states.py have found; its record is root's",
    "system/builds/build_user.py": OWN,
    "system/builds/sandbox.py": OWN,
    "system/caches.py": OWN,
    "system/guard.py": OWN,
    "system/guard_proof.py": OWN,
    "system/guard_watch.py": "its own folder; what it puts back goes by names in open folders",
    "system/memory/run_journal.py": OWN,
    "system/memory/former_states.py": OWN,
    "system/memory/ledger.py": OWN,
    "system/memory/records.py": OWN,
    "system/memory/folder_records.py": OWN,
    "system/memory/past_runs.py": OWN,
    "system/accounts.py": FIXED,
    "system/packages/dpkg.py": FIXED,
    "system/packages/apt_packages.py": FIXED,
    "system/proxies.py": FIXED,
    "steps/support/restoring.py": FIXED,
    "system/starts.py": FIXED,
    "agent/host_facts.py": KERNEL,
    "agent/resident.py": "/dev/null",
    "system/processes.py": KERNEL,
    "system/front_reload.py": KERNEL,
    "system/refusals.py": "reads attributes of what the kernel has refused to change, for a hint, and no contents",
    "system/host.py": "asks whether a program is there, for a plan, and opens nothing",
    "system/planned/planned_dnf.py": SHOWN,
    "system/planned/judging.py": SHOWN,
    "system/planned/planned_packages.py": SHOWN,
    "system/planned/picture.py": SHOWN,
    "system/planned/programs.py": SHOWN,
    "steps/support/held_ports.py": KERNEL,
    "steps/support/making_way.py": KERNEL,
    "steps/support/two_instances.py": KERNEL,
    "steps/balancer_members.py": KERNEL,
    "steps/support/room.py": "asks how much room a disk has, and opens nothing",
    "steps/support/fstab.py": "follows links to what the kernel calls a mount, and opens nothing",
    "steps/support/kernel_states.py": KERNEL,
    "steps/support/mounted.py": "follows links to what the kernel calls a mount; opens files of the kernel's alone",
    "steps/support/server_settings.py": "follows the link that a data directory may be, and opens nothing",
    "system/planned/planned_files.py": "asks how many names a file has, for a plan, and opens nothing",
    "steps/support/rotations.py": "matches names of logs as logrotate does, and opens nothing",
    "steps/support/file_changes.py": "asks whether large temporary files without a name may be made, and opens nothing",
    "steps/support/extraction.py": "temporary files without a name",
    "steps/fetch.py": "temporary files without a name",
    "steps/support/fetching.py": "temporary files without a name",
    "steps/support/zstandard.py": "temporary files without a name, and whether a program is there",
    "steps/git.py": "looks for the program in PATH",
    "steps/support/installers.py": "looks whether a build could reach a path; the build's own user opens it",
    "steps/support/safeguards.py": "a temporary folder of our own, for what is judged away from folders of users",
    "steps/sqlite.py": "a temporary folder of our own, given to the database's owner before anything is in it",
    "steps/ssh_keys.py": "a temporary folder of our own, in which a key is made",
    "steps/files.py": LOCAL,
    "steps/script.py": LOCAL,
    "system/source.py": LOCAL,
    "steps/tree.py": LOCAL,
}


def by_path(path: Path) -> Iterator[tuple[str, int]]:
    """(what is called, line) of all in a module that finds files by their paths."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in BY_PATH or called.split(".")[0] in MODULES:
            yield called, node.lineno


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.trust("4", "files-by-path")
@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_only_these_find_files_by_their_paths(path: Path) -> None:
    """Others go through host.files, or paths.way."""
    found = sorted({f"{called} at line {line}" for called, line in by_path(path)})
    assert bool(found) == (named(path) in ALLOWED), found or "it needs no permission any more"


def test_what_is_allowed_is_there() -> None:
    assert set(ALLOWED) <= {named(path) for path in SHIPPED}
