"""Hashes and marks for password files of fronts."""

from __future__ import annotations

import json

import bcrypt
import pytest

from provision.apps import htpasswd
from provision.errors import ConfigError
from provision.secrets import MASK, Secret

USERS = {"zoe": Secret("s3cret"), "ada": Secret("pässwort")}


def asked(*names: str) -> dict[str, str]:
    source = htpasswd.hashes_of("/etc/x", USERS)
    assert source.open is not None
    with source.open(json.dumps(names).encode()) as f:
        found: dict[str, str] = json.loads(f.read())
    return found


@pytest.mark.trust("6", "password-hashes-too-cheap")
def test_hashes_are_dear_and_salted_anew() -> None:
    first, second = asked("ada", "zoe"), asked("ada")
    assert all(text.startswith("$2y$12$") for text in first.values())
    assert first["ada"] != second["ada"], "another salt"
    for found in (first, second):
        assert bcrypt.checkpw("pässwort".encode(), found["ada"].encode())
    assert not bcrypt.checkpw(b"s3cret", first["ada"].encode())


def test_a_host_gets_only_hashes_of_its_users() -> None:
    assert list(asked("nobody", "zoe", "zoe")) == ["zoe"]


def test_marks_are_the_same_in_every_run_and_tell_passwords_users_and_files_apart() -> None:
    first = htpasswd.mark_of("/a", "ada", Secret("s3cret"))
    htpasswd.mark_of.cache_clear()
    assert htpasswd.mark_of("/a", "ada", Secret("s3cret")) == first
    others = [("/b", "ada", "s3cret"), ("/a", "zoe", "s3cret"), ("/a", "ada", "other")]
    assert len({first, *(htpasswd.mark_of(path, name, Secret(word)) for path, name, word in others)}) == 4
    assert str(first) == MASK


@pytest.mark.parametrize("word", ["", "x" * 73, "a\0b"])
def test_a_password_that_would_be_cut_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="'ada' must have 1 to 72 bytes"):
        htpasswd.hashes_of("/a", {"ada": Secret(word)})
