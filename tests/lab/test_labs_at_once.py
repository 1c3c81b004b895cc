"""Several labs on one machine: each is a folder with a network of its own, and `up` of two may begin together."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import PROV

from provision.lab import store

pytestmark = pytest.mark.lab

NAMES = ("one", "two", "three")


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[list[Path]]:
    """Empty labs with the machine's images; they are gone afterwards."""
    (store.DEFAULT_DIR / "images").mkdir(parents=True, exist_ok=True)
    folders = [tmp_path / name for name in NAMES]
    for folder in folders:
        folder.mkdir()
        (folder / "images").symlink_to(store.DEFAULT_DIR / "images")
    yield folders
    for folder in folders:
        lab(folder, "down", "--all").communicate(timeout=60)
        assert not Path("/sys/class/net", store.Lab(folder).tag).exists()


def lab(folder: Path, *argv: str) -> subprocess.Popen[str]:
    """Start prov lab on the lab of a folder."""
    environment = {**os.environ, "PROV_LAB_DIR": str(folder)}
    return subprocess.Popen(
        [PROV, "lab", *argv], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.trust("8", "lab-same-subnet")
def test_labs_that_are_set_up_together_have_networks_of_their_own(labs: list[Path]) -> None:
    processes = [lab(folder, "up", "web1") for folder in labs]
    said = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(labs), said
    subnets = {(folder / "network.json").read_text() for folder in labs}
    assert len(subnets) == len(labs)
    for folder in labs:
        # by the lab's own pinned host key: the host of another one would be refused
        process = lab(folder, "ssh", "web1", "--", "hostname")
        assert process.communicate(timeout=30)[0] == "web1\n"
