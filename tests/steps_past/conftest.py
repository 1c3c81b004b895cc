"""Fixtures: hosts with a past, a new one for each draw."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import mounts
import pytest
from forked import Hosts


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Makes hosts in a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="prov-past-", dir=mounts.parent()))
    folder.chmod(0o755)
    found = Hosts(folder)
    yield found
    found.gone()
    shutil.rmtree(folder)
