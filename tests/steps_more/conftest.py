"""Fixtures: real agents as processes of this machine, on trees below tmp_path or in namespaces of their own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from steps_bench import Bench

from provision.controller import bootstrap


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Runs steps through agents whose ledger is below tmp_path; its tree is tmp_path/root."""
    loader = bootstrap.LOADER.replace("\nmain()", f"\nmain({str(tmp_path / 'ledger')!r})")
    assert loader != bootstrap.LOADER and sys.executable
    monkeypatch.setattr(bootstrap, "LOADER", loader)
    bootstrap.payload.cache_clear()
    yield Bench(tmp_path)
    bootstrap.payload.cache_clear()
