"""What proofs share with the tests on lab hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.hosts import Hosts


@pytest.fixture(scope="session")
def lab_hosts() -> Iterator[Hosts]:
    """The hosts of this run of the proofs."""
    hosts = Hosts()
    yield hosts
    hosts.down()
