"""Fixtures: real agents on real files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mounts
import pytest
from agent_sessions import Agents


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own: environments are built by a user of their own."""
    folder = Path(tempfile.mkdtemp(prefix="prov-test-", dir=mounts.parent()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def machine_keeps_its_accounts() -> Iterator[None]:
    """Fail where the accounts of this machine change: other tests have its /etc below theirs (private_etc)."""
    before = accounts()
    yield
    assert accounts() == before, (
        "this test, or one that ran beside it, has changed the accounts of this machine"
    )


def accounts() -> list[tuple[int, int]]:
    """What changes where accounts do."""
    found = [Path("/etc", name).stat() for name in ("passwd", "group", "shadow", "gshadow")]
    return [(st.st_ino, st.st_mtime_ns) for st in found]


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    """Starts sessions with real agents; their ledger is tmp_path/ledger."""
    found = Agents(tmp_path)
    yield found
    found.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder in which steps act."""
    folder = tmp_path / "root"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    return folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 1 MB."""
    at = tmp_path / "small"
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", str(at)], check=True)
    yield at
    subprocess.run(["umount", "--lazy", str(at)], check=True)
