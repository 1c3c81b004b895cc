"""Types that go with values: they say which parts of a mapping or list are secrets (decision D17)."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import AliasChoices, BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from provision.secrets import Secret

SECRETS = (Secret, SecretStr, SecretBytes)


class Kind:
    """A type as written in a model: Secret, `str | Secret`, dict[str, App]...

    It is compared with a value. A value of another shape, a short form or a mistake, is hidden if the type
    contains a secret.
    """

    def __init__(self, *annotations: Any) -> None:
        self._branches = [each for annotation in annotations for each in branches(annotation)]
        self._parts: dict[Any, Kind | None] = {}

    def hides(self, value: Any) -> bool:
        """Return whether the type makes the whole value a secret."""
        if isinstance(value, Mapping):
            return self.secret and not any(is_mapping(each) for each in self._branches)
        if isinstance(value, (list, tuple)):
            return self.secret and not any(is_sequence(each) for each in self._branches)
        for each in self._branches:
            if isinstance(each, type) and issubclass(each, SECRETS):
                return True
            # pydantic takes the first branch that fits exactly: in `str | Secret` text stays text
            if takes(each, value):
                return False
        return self.secret and not any(value in words(each) for each in self._branches)

    def part(self, step: Any) -> Kind | None:
        """Return the type of the value at a key or index; None if it is unknown."""
        if step not in self._parts:
            found = [inner for each in self._branches for inner in inside(each, step)]
            self._parts[step] = Kind(*found) if found else None
        return self._parts[step]

    @cached_property
    def tells(self) -> bool:
        """Return whether the type rules a secret out, whatever the name: a path, a number, a choice."""
        return bool(self._branches) and not any(each in (str, Any, object) for each in self._branches)

    @cached_property
    def secret(self) -> bool:
        """Whether a secret is somewhere in the type."""
        return any(admits(each, ()) for each in self._branches)


class Kinds(Kind):
    """Types by name, for a mapping whose other entries have none."""

    def __init__(self, parts: Mapping[str, Any]) -> None:
        super().__init__(Any)
        self._by_name = {name: Kind(annotation) for name, annotation in parts.items()}

    def part(self, step: Any) -> Kind | None:
        return self._by_name.get(step)


def branches(annotation: Any) -> Iterator[Any]:
    """The types that a value may have, without None: of unions, below Annotated and aliases."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from branches(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for each in get_args(annotation):
            yield from branches(each)
    elif hasattr(annotation, "__value__"):
        yield from branches(annotation.__value__)
    elif getattr(annotation, "__pydantic_root_model__", False):
        yield from branches(annotation.model_fields["root"].annotation)
    elif annotation not in (None, type(None)):
        yield annotation


def takes(each: Any, value: Any) -> bool:
    """Whether a type takes a value as it is; a number written without quotes counts as text."""
    if get_origin(each) is Literal:
        return value in get_args(each)
    if each is str:
        return True
    return (
        each in (int, float, bool) and isinstance(value, each) and isinstance(value, bool) == (each is bool)
    )


def fields_of(each: Any) -> dict[str, Any]:
    """The names that a type has for the entries of a mapping, with their types."""
    if not isinstance(each, type):
        return {}
    if issubclass(each, BaseModel):
        return {
            name: field.annotation
            for own, field in each.model_fields.items()
            for name in (own, *aliases(field))
        }
    if is_typeddict(each) or dataclasses.is_dataclass(each):
        return get_type_hints(each, include_extras=True)
    return {}


def aliases(field: FieldInfo) -> Iterator[str]:
    """The other names of a field."""
    for alias in (field.alias, field.validation_alias):
        for each in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            if isinstance(each, str):
                yield each


def is_mapping(each: Any) -> bool:
    """Whether a mapping is one way to write a value of this type."""
    origin = get_origin(each) or each
    return bool(fields_of(each)) or (isinstance(origin, type) and issubclass(origin, Mapping))


def is_sequence(each: Any) -> bool:
    """Whether a list is one way to write a value of this type."""
    origin = get_origin(each) or each
    return isinstance(origin, type) and (
        issubclass(origin, (list, tuple, set, frozenset)) or origin is Sequence
    )


def inside(each: Any, step: Any) -> Iterator[Any]:
    """Return the types of the value at a key or index."""
    fields, arguments = fields_of(each), get_args(each)
    if fields:
        # a name that the model does not have may be a secret's, misspelt
        yield fields.get(step, Secret if any(admits(part, ()) for part in fields.values()) else Any)
    elif is_mapping(each):
        yield arguments[1] if len(arguments) == 2 else Any
    elif is_sequence(each) and arguments:
        if get_origin(each) is tuple and arguments[-1] is not Ellipsis:
            yield arguments[step] if isinstance(step, int) and step < len(arguments) else Any
        else:
            yield arguments[0]


def admits(each: Any, above: tuple[Any, ...]) -> bool:
    """Whether a secret is somewhere in a type. above: those that it is a part of."""
    if each in above:
        return False
    if isinstance(each, type) and issubclass(each, SECRETS):
        return True
    parts = [*fields_of(each).values(), *(() if get_origin(each) is Literal else get_args(each))]
    return any(admits(branch, (*above, each)) for part in parts for branch in branches(part))


def words(each: Any) -> Iterator[Any]:
    """The words that are choices of a type or of its fields: its short forms, such as `auth: django`."""
    for part in [each, *fields_of(each).values()]:
        for branch in branches(part):
            if get_origin(branch) is Literal:
                yield from get_args(branch)
