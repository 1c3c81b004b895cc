"""The fixture `host`, in a plugin of its own.

It must be registered after pytest-testinfra's fixture of that name.
"""

from __future__ import annotations

from typing import Any

import pytest

from provision.testing.lender import lender
from provision.testing.ownership import TESTINFRAS, is_ours


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Any:
    """The host under test, as pytest-testinfra's Host: host.service("nginx").is_running and so on."""
    if not is_ours(request.config, request.path):
        return request.getfixturevalue(TESTINFRAS)
    from provision.testing.overprov import testinfra_host

    return testinfra_host(lender(request.config).lend(request.path).host)
