"""Fixtures: hosts with a past, a new one for each draw."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mounts
import pytest
from forked import Hosts


@pytest.fixture(scope="session")
def still() -> Iterator[Path]:
    """Where copies of this machine's folders are kept."""
    folder = Path(tempfile.mkdtemp(prefix="prov-still-", dir=mounts.parent()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def hosts(still: Path) -> Iterator[Hosts]:
    """Makes hosts in a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="prov-past-", dir=mounts.parent()))
    folder.chmod(0o755)
    found = Hosts(folder, still)
    yield found
    found.gone()
    shutil.rmtree(folder)
