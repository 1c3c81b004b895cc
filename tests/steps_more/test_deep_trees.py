"""Folders in one another, deeper than any walk goes: what someone can make in a folder of theirs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from steps_bench import Bench

from provision.steps.base import Step
from provision.steps.files import Absent
from provision.steps.tree import Tree

LEVELS = 1100


def deep(folder: Path) -> None:
    """Make them one by one, as their path is too long for one call, in a process of its own, as it goes there."""
    script = f"import os\nfor name in [{str(folder)!r}, *['d'] * {LEVELS}]:\n    os.mkdir(name)\n    os.chdir(name)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.trust("1", "deep-folders")
@pytest.mark.parametrize("step", [lambda root: Tree(f"{root}/to", []), lambda root: Absent(f"{root}/to")])
def test_deep_folders_are_removed(bench: Bench, step: Callable[[Path], Step]) -> None:
    (bench.root / "to").mkdir()
    try:
        deep(bench.root / "to/top")
        (found,) = bench.run(step(bench.root))
        assert found.error is None, found.error
        assert not (bench.root / "to/top").exists()
    finally:
        # pytest could not
        subprocess.run(["rm", "-rf", str(bench.root / "to")], check=True)
