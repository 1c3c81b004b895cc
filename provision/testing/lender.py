"""The one lender of hosts in a run of pytest, created when the first test requests a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from provision.testing.borrowed_hosts import Lender

LENDER: pytest.StashKey[Lender] = pytest.StashKey()


def lender(config: pytest.Config) -> Lender:
    """Return the lender of this run of pytest."""
    if LENDER not in config.stash:
        from provision.testing.borrowed_hosts import Lender

        config.stash[LENDER] = Lender(
            image=config.getoption("prov_image"),
            host=config.getoption("prov_host"),
            trial=config.getoption("prov_trial"),
        )
        config.add_cleanup(config.stash[LENDER].close)
    return config.stash[LENDER]
