"""Password files: hashes stay as long as their passwords do, and the host never gets a password."""

from __future__ import annotations

import json

import bcrypt
import pytest
from steps_bench import Bench

from provision.apps.htpasswd import hashes_of, mark_of
from provision.secrets import Secret
from provision.steps.passwords import PasswordFile


def wanted(bench: Bench, **words: str) -> PasswordFile:
    path = f"{bench.root}/users"
    users = {name: Secret(word) for name, word in words.items()}
    marks = {name: mark_of(path, name, word) for name, word in users.items()}
    return PasswordFile(path, marks, hashes_of(path, users), owner=None)


def lines(bench: Bench) -> dict[str, str]:
    return dict(line.split(":", 1) for line in (bench.root / "users").read_text().splitlines())


def test_users_come_change_and_go(bench: Bench) -> None:
    first = bench.cycle(wanted(bench, ann="one-long-password", bob="another-password"))
    assert [c[:2] for c in first.diff] == [("user ann", ""), ("user bob", ""), ("mode", "")]
    before = lines(bench)
    assert bcrypt.checkpw(b"another-password", before["bob"].encode())
    second = bench.cycle(wanted(bench, ann="one-long-password", bob="a-new-password", cid="x"))
    assert [c.what for c in second.diff] == ["password of bob", "user cid"]
    after = lines(bench)
    assert after["ann"] == before["ann"] and after["bob"] != before["bob"], "the other one keeps its salt"
    gone = bench.cycle(wanted(bench, ann="one-long-password"))
    assert [c.what for c in gone.diff] == ["user bob", "user cid"]
    assert lines(bench) == {"ann": before["ann"]}


@pytest.mark.trust("6", "password-hashes-too-cheap")
def test_what_the_host_knows_is_for_root_and_tells_no_password(bench: Bench) -> None:
    bench.cycle(wanted(bench, ann="one-long-password"))
    marks = bench.root / ".users.marks"
    assert (marks.stat().st_mode & 0o777, (bench.root / "users").stat().st_mode & 0o777) == (0o600, 0o640)
    kept = b"".join(p.read_bytes() for p in bench.folder.rglob("*") if p.is_file())
    mark = mark_of(f"{bench.root}/users", "ann", Secret("one-long-password")).reveal()
    assert b"one-long-password" not in kept and mark.encode() not in kept


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"key": 1, "marks": {"ann": 7}}', "[" * 5000, "\udcff"])
def test_damaged_marks_and_edited_hashes_are_made_anew(bench: Bench, damage: str) -> None:
    bench.cycle(wanted(bench, ann="one"))
    before = lines(bench)
    (bench.root / ".users.marks").write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert [c.what for c in bench.cycle(wanted(bench, ann="one")).diff] == ["password of ann"]
    assert lines(bench) != before


def test_a_hash_that_somebody_has_put_there_goes(bench: Bench) -> None:
    bench.cycle(wanted(bench, ann="one"))
    theirs = bcrypt.hashpw(b"theirs", bcrypt.gensalt(4)).decode()
    (bench.root / "users").write_text(f"ann:{theirs}\nbob:{theirs}\n")
    assert [c.what for c in bench.cycle(wanted(bench, ann="one")).diff] == ["password of ann", "user bob"]
    assert json.dumps(lines(bench)).count("$2y$12$") == 1


def test_nothing_to_change_computes_no_hash(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    step = wanted(bench, ann="one", bob="another")
    bench.run(step)
    monkeypatch.setattr(bcrypt, "hashpw", lambda *_: pytest.fail("a hash is computed"))
    bench.run(step)
    with pytest.raises(pytest.fail.Exception, match="a hash is computed"):
        bench.run(wanted(bench, ann="a new one", bob="another"))
