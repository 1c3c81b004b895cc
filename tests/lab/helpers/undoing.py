"""Whether a deploy of a role is undone to the byte."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helpers.cli import PROV, prov
from helpers.combinations import copy_examples
from helpers.hosts import settle
from helpers.pictures import files, units
from helpers.projects import Project

ROLES = Path(__file__).parents[3] / "roles"
NAMES = sorted(path.parent.parent.name for path in ROLES.glob("*/tests/inventory.yml"))
#: in /etc, and no undo's business: the lab's own, and a cache that ldconfig writes
NOT_OURS = ("/etc/hosts", "/etc/ld.so.cache")


@dataclass(frozen=True)
class Undone:
    """What came of one role. steps, paths: how many steps the deploy changed, and paths of /etc.

    differences: between before and after; none if it was undone.
    """

    role: str
    steps: int = 0
    paths: int = 0
    differences: Sequence[str] = field(default_factory=list)


class Undoing:
    """A bare host, on which one role after the other is deployed and undone. folder: for the projects."""

    def __init__(self, folder: Path, host: str) -> None:
        self.folder = folder
        self.host = host
        _lab("snapshot", host, "bare")

    def one(self, role: str) -> Undone:
        """Deploy and undo, so that the packages are there: they stay, with what they bring. Then again, and see."""
        project = self._project(role)
        _lab("restore", self.host, "bare")
        self._run("deploy", project)
        self._run("undo", project)
        before = self._state()
        steps = self._run("deploy", project)
        between = self._state()
        self._run("undo", project)
        after = self._state()
        paths = len(differences(before[0], between[0]))
        found = differences(before[0], after[0])
        found += [f"unit {line}: gone" for line in sorted(before[1] - after[1])]
        found += [f"unit {line}: new" for line in sorted(after[1] - before[1])]
        return Undone(role, steps, paths, found)

    def _project(self, role: str) -> Project:
        """A project of one host, with the variables of the role's own tests."""
        project = Project(self.folder / role)
        copy_examples(project.folder)
        variables: dict[str, Any] = yaml.safe_load((ROLES / role / "tests/inventory.yml").read_text())
        for app in variables.get("apps", {}).values():
            app["source"] = f"../{Path(app['source']).name}"
        return project.inventory({self.host: variables}, ansible_connection="lab")

    def _run(self, command: str, project: Project) -> int:
        done = prov(command, self.host, cwd=project.folder, timeout=600, status=0)
        settle(self.host)
        return done.tally(self.host)["changed"]

    def _state(self) -> tuple[dict[str, str], frozenset[str]]:
        """All of /etc, users and groups among it, and the units."""
        found = files(self.host, "/etc", random="")
        return {path: said for path, said in found if path not in NOT_OURS}, units(self.host)


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Paths that are not what they were."""
    return [
        f"{path}: {before.get(path, 'absent')}, then {after.get(path, 'absent')}"
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def _lab(*argv: str) -> None:
    done = subprocess.run([PROV, "lab", *argv], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, (argv, done.stderr)
