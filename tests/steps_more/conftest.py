"""Fixtures: real agents as processes of this machine, on trees below tmp_path or in namespaces of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from steps_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Runs steps through agents whose ledger is below tmp_path; its tree is tmp_path/root."""
    return Bench(tmp_path)
