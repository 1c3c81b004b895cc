"""Memory for a second instance: what the one in service needs, and what its groups and the host have left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.steps.support import two_instances
from provision.steps.support.two_instances import memory_missing

MB = 1000 * 1000
UNIT = "app-shop@live.service"
STAT = "anon {anon}\nfile 900000000\nshmem 0\nslab_unreclaimable 0\ninactive_file {cache}\n"


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of control groups: the service's, which uses 100 MB and has read 900 MB of files, in a slice."""
    monkeypatch.setattr(two_instances, "CGROUPS", str(tmp_path))
    monkeypatch.setattr(two_instances, "units_of", lambda host, app: [UNIT, "app-shop@live.socket"])
    monkeypatch.setattr(two_instances, "shown", lambda host, names: {name: {"pid": 7} for name in names})
    monkeypatch.setattr(two_instances, "said_of", lambda pid, name: f"0::/shop.slice/{UNIT}\n")
    monkeypatch.setattr(two_instances, "available", lambda: 10_000 * MB)
    for folder in (tmp_path / "shop.slice", tmp_path / "shop.slice" / UNIT):
        folder.mkdir()
        (folder / "memory.stat").write_text(STAT.format(anon=100 * MB, cache=900 * MB))
        (folder / "memory.current").write_text(f"{1000 * MB}\n")
        (folder / "memory.max").write_text("max\n")
    return tmp_path


def test_a_host_with_room_lacks_nothing(groups: Path) -> None:
    assert memory_missing(host(), {"shop": "live"}) == ""


def test_what_the_host_has_left_is_compared(groups: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_instances, "available", lambda: 60 * MB)
    assert memory_missing(host(), {"shop": "live"}) == (
        "shop needs about 100 MB more while two instances run, and 60 MB are left"
    )


@pytest.mark.parametrize(("limit", "left"), [(200, 0), (150, 50), (199, 99)])
def test_limits_of_slices_count_and_files_that_were_read_make_way(
    groups: Path, limit: int, left: int
) -> None:
    (groups / "shop.slice/memory.max").write_text(f"{limit * MB}\n")
    said = memory_missing(host(), {"shop": "live"})
    assert said == (
        f"shop needs about 100 MB more while two instances run, and {left} MB are left" if left else ""
    )


def test_what_is_swapped_out_is_needed_too(groups: Path) -> None:
    (groups / "shop.slice" / UNIT / "memory.swap.current").write_text(f"{50 * MB}\n")
    (groups / "shop.slice/memory.max").write_text(f"{220 * MB}\n")
    assert memory_missing(host(), {"shop": "live"}).startswith("shop needs about 150 MB more")


def test_a_host_that_does_not_count_memory_is_not_judged(
    groups: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory controller is off, or control groups are of version 1."""
    monkeypatch.setattr(two_instances, "available", lambda: 60 * MB)
    (groups / "shop.slice" / UNIT / "memory.stat").unlink()
    assert memory_missing(host(), {"shop": "live"}) == ""


def test_the_kernel_says_what_is_available() -> None:
    assert two_instances.available() > 0


def host() -> Any:
    return None
