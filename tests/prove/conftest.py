"""What proofs share with the tests on lab hosts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts

# what tests of the command line share
sys.path.append(str(Path(__file__).parents[1] / "unit"))


@pytest.fixture(scope="session")
def lab_hosts() -> Iterator[Hosts]:
    """The hosts of this run of the proofs."""
    hosts = Hosts()
    yield hosts
    hosts.down()
