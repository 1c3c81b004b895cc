"""Password files for fronts."""

from __future__ import annotations

import bcrypt
import pytest

from provision.errors import ProvError
from provision.htpasswd import hashed, htpasswd
from provision.secrets import MASK, Secret


def test_a_line_for_each_user_that_the_password_opens() -> None:
    text = htpasswd({"zoe": Secret("s3cret"), "ada": Secret("pässwort")}, "a.test")
    ada, zoe = text.reveal().splitlines()
    assert ada.startswith("ada:$2y$") and zoe.startswith("zoe:$2y$")
    assert bcrypt.checkpw("pässwort".encode(), ada.split(":", 1)[1].encode())
    assert not bcrypt.checkpw(b"s3cret", ada.split(":", 1)[1].encode())
    assert str(text) == MASK


def test_the_same_in_every_run_and_another_for_every_name_and_site() -> None:
    word = Secret("s3cret")
    first = hashed("ada", word, "a.test")
    hashed.cache_clear()
    assert hashed("ada", word, "a.test") == first
    assert hashed("zoe", word, "a.test")[:29] != first[:29]
    assert hashed("ada", word, "b.test")[:29] != first[:29]


def test_the_salt_tells_nothing_of_the_password() -> None:
    assert hashed("ada", Secret("one"), "")[:29] == hashed("ada", Secret("two"), "")[:29]


@pytest.mark.parametrize("word", ["", "x" * 73, "a\0b"])
def test_a_password_that_would_be_cut_is_refused(word: str) -> None:
    with pytest.raises(ProvError, match="'ada' must have 1 to 72 bytes"):
        htpasswd({"ada": Secret(word)}, "a.test")
