"""Secrets: masked wherever they might be seen."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from provision.secrets import MASK, Secret

TEXT = "correct-horse"


@pytest.mark.parametrize(
    "shown",
    [str(Secret(TEXT)), repr(Secret(TEXT)), f"{Secret(TEXT)}", f"{Secret(TEXT)!r:>30}", f"{Secret(TEXT):>20}",
     str([Secret(TEXT)]), str({"a": Secret(TEXT)})],
)  # fmt: skip
def test_no_way_of_showing_shows_it(shown: str) -> None:
    assert TEXT not in shown
    assert MASK in shown


def test_it_is_not_in_logs_nor_tracebacks(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("x").warning("the password is %s", Secret(TEXT))
    try:
        raise ValueError(Secret(TEXT))
    except ValueError as error:
        text = "".join(traceback.format_exception(error))
    assert TEXT not in caplog.text + text


def test_it_reaches_no_disk() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(TEXT))
    with pytest.raises(TypeError):
        json.dumps(Secret(TEXT))


def test_it_has_no_attribute_that_a_dump_would_find() -> None:
    assert not hasattr(Secret(TEXT), "__dict__")


@given(st.text(), st.text())
def test_equality_is_that_of_the_texts(one: str, two: str) -> None:
    assert (Secret(one) == Secret(two)) == (one == two)
    assert (hash(Secret(one)) == hash(Secret(two))) or one != two
    assert Secret(one) != one
    assert bool(Secret(one)) == bool(one)
    assert copy.deepcopy(Secret(one)).reveal() == one


class Model(BaseModel):
    password: Secret
    other: str | Secret = ""


def test_models_take_text_and_give_no_text_back() -> None:
    model = Model.model_validate({"password": TEXT, "other": Secret(TEXT)})
    assert model.password.reveal() == TEXT
    assert TEXT not in repr(model) + model.model_dump_json()


def test_models_take_nothing_but_text() -> None:
    with pytest.raises(ValidationError):
        Model.model_validate({"password": 7})
