"""A canary in every field of type Secret, of every model: new fields are found by their type, and need no test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from inventories import host
from pydantic import BaseModel

from provision.apps.app_model import App
from provision.declared.role_folders import BUILTIN, names
from provision.errors import ConfigErrors
from provision.inventory.kinds import SECRETS, Kind, branches, fields_of, is_mapping, is_sequence  # fmt: skip
from provision.inventory.masking import masked, secrets_of
from provision.inventory.validation import validate
from provision.roles.role_model import find

CANARY = "c4n4ry-Qz7&x"
Place = tuple[str | int, ...]


def places(annotation: Any, at: Place = (), above: tuple[Any, ...] = ()) -> Iterator[Place]:
    """Where in values of a type secrets are."""
    for each in branches(annotation):
        if each in above:
            continue
        if isinstance(each, type) and issubclass(each, SECRETS):
            yield at
        for name, part in fields_of(each).items():
            yield from places(part, (*at, name), (*above, each))
        arguments = get_args(each)
        if is_mapping(each) and len(arguments) == 2:
            yield from places(arguments[1], (*at, "A_PASSWORD"), (*above, each))
        elif is_sequence(each) and arguments:
            yield from places(arguments[0], (*at, 0), (*above, each))


def models() -> Iterator[type[BaseModel]]:
    yield App
    for name in names([BUILTIN]):
        role = find(name, [BUILTIN])
        if role is not None and role.params is not None:
            yield role.params


def value_at(place: Place, leaf: Any) -> Any:
    """The smallest value with something at a place."""
    for step in reversed(place):
        leaf = [leaf] if isinstance(step, int) else {step: leaf}
    return leaf


FIELDS = [(model, place) for model in models() for place in places(model)]


def test_fields_are_found() -> None:
    """Those that there were when this was written; more may come, and are tested as well."""
    found = {(model.__name__, *place) for model, place in FIELDS}
    assert found >= {
        ("App", "environment", "A_PASSWORD"),
        ("App", "secrets", "A_PASSWORD"),
        ("App", "indexes", 0, "password"),
        ("App", "auth", "users", "A_PASSWORD"),
    }


@pytest.mark.trust("6", "canaries")
@pytest.mark.parametrize(("model", "place"), FIELDS, ids=str)
@pytest.mark.parametrize("leaf", [CANARY, [CANARY], {"x": [CANARY]}, 7319850264], ids=str)
def test_no_canary_is_shown(tmp_path: Path, model: type[BaseModel], place: Place, leaf: Any) -> None:
    value = value_at(place, leaf)
    kind = Kind(model)
    web1 = host(tmp_path, yaml.safe_dump({"p": value}))
    told = [json.dumps(masked(value, kind))]
    with pytest.raises(ConfigErrors) as caught:
        # what else the model wants is missing, so there are errors, whatever the leaf
        validate(model, {**value, "none_of_that_name": 1}, web1, ("p",))
    told += [text for e in caught.value.errors for text in (str(e), e.hint, repr(vars(e)))]
    try:
        model.model_validate(value)
    except ValueError as error:
        told += [str(error), repr(error)]
    for text in ("c4n4ry", "Qz7", "7319850264"):
        assert not any(text in each for each in told), told
    assert any(str(CANARY) in text or "7319850264" in text for text in secrets_of(value, kind)), (
        "it is sealed"
    )
