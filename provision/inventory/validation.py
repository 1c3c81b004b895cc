"""Check a value of the inventory against a pydantic model, and report errors in plain words with their place.

The applications (provision.apps.app_model) and the parameters of roles go through `validate`. It is strict:
text is not a number, and a number not text, because YAML has already guessed (0123 is 83, `no` is false).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from provision.agent.secret_masks import Masks
from provision.inventory.kinds import Kind
from provision.inventory.loaded import InventoryHost
from provision.inventory.masking import Walk
from provision.inventory.problems import Problems
from provision.inventory.yaml_values import shown
from provision.names import suggestion
from provision.secrets import MASK, Secret

M = TypeVar("M", bound=BaseModel)
YamlPath = tuple[str | int, ...]


def validate(
    model: type[M],
    value: Any,
    host: InventoryHost,
    path: Sequence[str | int],
    context: Mapping[str, Any] | None = None,
) -> M:
    """Return an instance of the model from the value of host.vars[path...].

    Beyond pydantic's strict mode, a list may become a tuple, and text a Path or Secret.
    context: what the model's own validators read as `info.context`.
    Raises ConfigErrors, each with file, line and path.
    """
    path = tuple(path)
    problems = Problems()
    discreet = Discreet(model, value)
    value = converted(model, value, context)
    try:
        result = model.model_validate(value, strict=True, context=context)
    except ValidationError as error:
        for place, details in by_place(error, value).items():
            message, hint = in_plain_words(model, place, details, hidden=discreet.hides(place))
            problems.add(host.error((*path, *place), discreet.text(message), discreet.text(hint)))
        # pydantic's other errors are consequences of those shown
    problems.raise_any()
    return result


class Discreet:
    """Keeps the secrets of a value, valid or not, out of messages.

    They are searched for with the first message: most values need none, and the search takes longer than the
    check.
    """

    def __init__(self, model: type[BaseModel], value: Any) -> None:
        self._model = model
        self._value = value

    @cached_property
    def _found(self) -> tuple[Any, Masks]:
        """The value with its secrets masked, and what masks them in a text."""
        walk = Walk()
        return walk.masked(self._value, "", Kind(self._model), hide=False), Masks(walk.found)

    def hides(self, place: YamlPath) -> bool:
        """Return whether the value at a place is a secret."""
        here, _ = self._found
        for step in place:
            try:
                here = here[step if isinstance(here, list) else str(step)]
            except (KeyError, IndexError, TypeError):
                break
        return bool(here == MASK)

    def text(self, text: str) -> str:
        """Return a message without secrets, which a model's validator may have quoted."""
        return self._found[1].hide(text)


def converted(model: type[BaseModel], value: Any, context: Mapping[str, Any] | None) -> Any:
    """The value with what YAML cannot write (tuples and paths) wherever pydantic misses it."""
    while True:
        try:
            model.model_validate(value, strict=True, context=context)
            return value
        except ValidationError as error:
            missed = [(details, convert) for details in error.errors() if (convert := conversion(details))]
        if not missed:
            return value
        for details, convert in missed:
            value = replaced(value, place_of(details, value), convert(details["input"]))


def conversion(details: ErrorDetails) -> Callable[[Any], Any] | None:
    """Return what converts YAML's list or text, or a vault's text, to the type that pydantic expects, or None."""
    if isinstance(details["input"], Secret):
        # a value of a vault where the type is not that of a secret
        return Secret.reveal
    if isinstance(details["input"], list) and details["type"] == "tuple_type":
        return tuple
    if isinstance(details["input"], str) and details.get("ctx", {}).get("class") == "Path":
        return Path
    return None


def replaced(value: Any, place: YamlPath, new: Any) -> Any:
    """A copy of the value with something else at the place."""
    if not place:
        return new
    if isinstance(value, dict):
        return {**value, place[0]: replaced(value[place[0]], place[1:], new)}
    parts = enumerate(value)
    return type(value)(replaced(part, place[1:], new) if index == place[0] else part for index, part in parts)


def place_of(details: ErrorDetails, value: Any) -> YamlPath:
    """Where an error is, as a path in the value: pydantic's also names the branches of unions."""
    place: YamlPath = ()
    for step in details["loc"]:
        if isinstance(value, (list, tuple)):
            value = dict(enumerate(value))
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif details["type"] != "missing" or step != details["loc"][-1]:
            continue
        place = (*place, step)
    return place


def by_place(error: ValidationError, value: Any) -> dict[YamlPath, list[ErrorDetails]]:
    """The errors, those about the same value together: a union fails once for each of its types."""
    places: dict[YamlPath, list[ErrorDetails]] = {}
    for details in error.errors():
        # the field that a default is made from has an error of its own
        if details["type"] != "default_factory_not_called":
            places.setdefault(place_of(details, value), []).append(details)
    # pydantic counts only the good items of a list: with a bad one in it, too short is not news
    counted = [place for place, found in places.items() if found[0]["type"] == "too_short"]
    for place in counted:
        if any(other[:-1] == place for other in places if other):
            del places[place]
    return places


# the words for what a value must be
KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
WRITTEN_AS_TEXT = ("Path", "Secret")

# the others, with pydantic's context
SENTENCES = {
    "missing": "is required",
    "greater_than": "must be more than {gt}, not {value}",
    "greater_than_equal": "must be at least {ge}, not {value}",
    "less_than": "must be less than {lt}, not {value}",
    "less_than_equal": "must be at most {le}, not {value}",
    "too_short": "has {actual_length} entries, expected at least {min_length}",
    "too_long": "has {actual_length} entries, expected at most {max_length}",
    "string_too_short": "needs at least {min_length} characters, not {value}",
    "string_too_long": "takes at most {max_length} characters, not {value}",
    "string_pattern_mismatch": "{value} does not match {pattern}",
    "value_error": "{error}",
    "invalid_key": "the name of a parameter must be text, not {value}",
}


def kind(error: ErrorDetails) -> str:
    """Return what the value must be, if the error is about its type; else ""."""
    if error["type"] == "is_instance_of" and error.get("ctx", {}).get("class") in WRITTEN_AS_TEXT:
        return "text"
    return KINDS.get(error["type"], "")


def in_plain_words(
    model: type[BaseModel], place: YamlPath, errors: Sequence[ErrorDetails], *, hidden: bool = False
) -> tuple[str, str]:
    """Return message and hint for the errors at one place. hidden: the value is a secret, and is not
    quoted."""
    for error in errors:
        if not kind(error):  # of a union's branches, the one whose type fits has the best message
            return sentence(model, place, error, hidden=hidden)
    kinds = list(dict.fromkeys(kind(error) for error in errors))
    value = errors[0]["input"]
    message = f"must be {' or '.join(kinds)}" + ("" if hidden else f", not {shown(value)}")
    return message, how_to_write(kinds, value, hidden=hidden)


def how_to_write(kinds: Sequence[str], value: Any, *, hidden: bool) -> str:
    """Return a hint if only quotes or brackets are missing or superfluous."""
    if "text" in kinds and isinstance(value, (bool, int, float)):
        return "Put it in quotes."
    if hidden:
        return ""
    if kinds == ["a list"] and isinstance(value, str):
        return f"Write it in brackets: [{value}]"
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?|true|false", value):
        return f"Write it without quotes: {value}"
    return ""


def sentence(
    model: type[BaseModel], place: YamlPath, error: ErrorDetails, *, hidden: bool
) -> tuple[str, str]:
    """Message and hint for an error that is about more than the type."""
    context = error.get("ctx", {})
    # of a bad name, the input is the name
    quoted = MASK if hidden and error["type"] != "invalid_key" else shown(error["input"])
    if error["type"] == "extra_forbidden":
        known = parameters(model, place[:-1])
        near = suggestion(str(place[-1]), known)
        return f"unknown parameter {place[-1]!r}.{near}", "" if near else f"Known are: {', '.join(known)}."
    if error["type"] in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", context["expected"]) or [context["expected"]]
        near = suggestion(error["input"], choices) if isinstance(error["input"], str) and not hidden else ""
        return f"{quoted} is not one of {', '.join(choices)}.{near}", ""
    if error["type"] in SENTENCES:
        hint = (
            "Put it in quotes." if error["type"] == "invalid_key" else ""
        )  # `on:` and `no:` are true and false
        return SENTENCES[error["type"]].format(value=quoted, **context), hint
    return error["msg"][:1].lower() + error["msg"][1:], ""


def parameters(model: type[BaseModel], place: YamlPath) -> list[str]:
    """The names that the model has for the entries of the mapping at the place."""
    models = [model]
    for step in place:
        inner = [
            m
            for owner in models
            if step in owner.model_fields
            for m in inside(owner.model_fields[str(step)].annotation)
        ]
        models = (
            inner or models
        )  # a step that is not a field is a key of a dict or an index: still the same models
    return [field.alias or name for owner in models for name, field in owner.model_fields.items()]


def inside(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type: Django | None, dict[str, Site], ..."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from inside(argument)
