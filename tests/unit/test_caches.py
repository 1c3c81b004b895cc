"""What is kept to save time: never trusted further than it can be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provision.agent import compiled
from provision.agent.compiled import Compiled
from provision.cli.eager_connection import MOST, EagerConnection
from provision.inventory import InventoryHost, load
from provision.system.caches import Hashes, cached, keep
from provision.user_cache import cache_folder

LONG_AGO = 1_600_000_000


def test_what_somebody_else_may_have_written_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "below" / "kept"
    keep(str(path), b"data")
    assert cached(str(path)) == b"data"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o644)
    assert cached(str(path)) == b""
    assert cached(str(tmp_path / "none")) == b""


def test_what_cannot_be_kept_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(str(tmp_path / "file" / "kept"), b"data")
    (tmp_path / "folder").mkdir()
    keep(str(tmp_path / "folder"), b"data")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_hashes_are_kept_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, place = tmp_path / "file", str(tmp_path / "hashes")
    file.write_text("one")
    # long ago, as a file's ctime can't be set
    monkeypatch.setattr("provision.system.caches.CLOCK_TICK", -1)
    first = Hashes(place)
    digest = first.of(str(file), file.stat())
    first.save()
    again = Hashes(place)
    assert again.find(file.stat()) == digest
    before = file.stat()
    file.write_text("two")
    # the same size, and the same time of change as far as the writer can say
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert again.find(file.stat()) is None
    assert again.of(str(file), file.stat()) != digest


def test_a_run_keeps_all_hashes_that_it_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.system.caches.CLOCK_TICK", -1)
    monkeypatch.setattr("provision.system.caches.MOST", 2)
    files, place = [tmp_path / name for name in "abc"], str(tmp_path / "hashes")
    first = Hashes(place)
    for file in files:
        file.write_text(file.name)
        first.of(str(file), file.stat())
    first.save()
    second = Hashes(place)
    assert all(second.find(file.stat()) for file in files)
    third = Hashes(place)
    (tmp_path / "d").write_text("d")
    third.of(str(tmp_path / "d"), (tmp_path / "d").stat())
    third.save()
    assert len(Path(place).read_text().splitlines()) == 2, "of others, as many as there is room for"


def test_a_file_that_has_just_changed_is_hashed_again(tmp_path: Path) -> None:
    file, place = tmp_path / "file", str(tmp_path / "hashes")
    file.write_text("one")
    hashes = Hashes(place)
    hashes.of(str(file), file.stat())
    assert hashes.find(file.stat()) is None
    hashes.save()
    assert not Path(place).exists(), "there is nothing to keep"


def test_hashes_stay_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.system.caches.MOST", 3)
    monkeypatch.setattr("provision.system.caches.CLOCK_TICK", -1)
    place = tmp_path / "hashes"
    for number in range(5):
        file = tmp_path / str(number)
        file.write_text("x" * number)
        hashes = Hashes(str(place))
        last = hashes.of(str(file), file.stat())
        hashes.save()
    lines = place.read_text().splitlines()
    assert len(lines) == 3 and lines[0].endswith(last)


def test_code_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = str(tmp_path / "code")
    first = Compiled(place)
    first.code("provision.agent.x", "answer = 42")
    first.save()
    namespace: dict[str, int] = {}
    second = Compiled(place)
    monkeypatch.setitem(vars(compiled), "compile", lambda *_: pytest.fail("compiled again"))
    exec(second.code("provision.agent.x", "answer = 42"), namespace)
    assert namespace["answer"] == 42


def test_other_source_and_damaged_files_are_compiled_anew(tmp_path: Path) -> None:
    place = tmp_path / "code"
    first = Compiled(str(place))
    first.code("provision.agent.x", "answer = 42")
    first.save()
    namespace: dict[str, int] = {}
    exec(Compiled(str(place)).code("provision.agent.x", "answer = 43"), namespace)
    assert namespace["answer"] == 43
    data = bytearray(place.read_bytes())
    data[-5] ^= 1
    place.write_bytes(data)
    exec(Compiled(str(place)).code("provision.agent.x", "answer = 42"), namespace)
    assert namespace["answer"] == 42


# -- a configuration that was good


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InventoryHost:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("hosts.yml").write_text(
        "web: {hosts: {web1: {ansible_host: 127.0.0.1, ansible_port: 9, roles: [x]}}}"
    )
    return load(["hosts.yml"]).hosts["web1"]


def eager(host: InventoryHost) -> EagerConnection:
    found = EagerConnection(["web", "hosts.yml"], plan=False)
    found.begin([host])
    return found


def test_a_connection_begins_early_only_where_all_was_good(host: InventoryHost) -> None:
    assert eager(host).pending is None
    first = eager(host)
    first.found_good()
    assert eager(host).pending is not None
    os.utime("hosts.yml", (LONG_AGO, LONG_AGO))
    assert eager(host).pending is None, "the inventory has changed"
    other = EagerConnection(["web", "other.yml"], plan=False)
    other.begin([host])
    assert other.pending is None


def test_a_fleet_is_not_begun_early(host: InventoryHost) -> None:
    eager(host).found_good()
    both = EagerConnection(["web", "hosts.yml"], plan=False)
    both.begin([host, host])
    both.found_good()
    assert both.pending is None


def test_good_configurations_stay_few_and_tell_nothing(host: InventoryHost) -> None:
    cache_folder("good").mkdir(parents=True)
    for number in range(MOST):
        (cache_folder("good") / str(number)).touch()
    eager(host).found_good()
    (mark,) = cache_folder("good").iterdir()
    assert mark.read_bytes() == b""
