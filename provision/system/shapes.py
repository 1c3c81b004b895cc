"""Checks of values from outside, made once, on arrival. Shipped, and used on both sides.

A check takes a value and returns what it stands for, or raises Misshapen. A class made by `shape` has a check
for each of its fields. `Record.of` builds it from JSON values, so no other code needs to check them again.
"""

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Sequence, Type, TypeVar

if TYPE_CHECKING:
    from typing import dataclass_transform  # novm: for type checkers only

Check = Callable[[Any], Any]
T = TypeVar("T", bound="Record")
MISSING: Any = object()


class Misshapen(ValueError):
    """A value from outside is invalid."""


class Field:
    """The specification of a field, from `of`."""

    def __init__(self, check: Check, default: Any) -> None:
        self.check = check
        self.default = default


def of(check: Check, default: Any = MISSING) -> Any:
    """Specify a field of a class made by `shape`. default: for a missing field; it must be immutable."""
    return Field(check, default)


class Record:
    """Base of classes whose fields are checked when they come from outside."""

    SHAPE: Mapping[str, Field] = MappingProxyType({})

    def __init__(self, *given: Any, **values: Any) -> None:
        shape = self.SHAPE
        values.update(zip(shape, given))
        self.__dict__.update({name: values.pop(name, field.default) for name, field in shape.items()})
        missing = [name for name, value in self.__dict__.items() if value is MISSING]
        if missing or values:
            raise TypeError("%s: %s" % (type(self).__name__, ", ".join([*missing, *values])))

    def plain(self) -> Dict[str, Any]:
        """Return JSON values; fields with their default values are omitted."""
        shape, found = self.SHAPE, {}
        for name, value in self.__dict__.items():
            if value != shape[name].default:
                found[name] = value.plain() if isinstance(value, Record) else value
        return found

    def replace(self: T, **changes: Any) -> T:
        """Return a copy with other values."""
        return type(self)(**{**self.__dict__, **changes})

    @classmethod
    def of(cls: Type[T], value: Any, ignore: Sequence[str] = ()) -> T:
        """Build a record from JSON values. ignore: further names that are accepted. Raises Misshapen."""
        if type(value) is not dict:
            raise Misshapen("expected an object, not %s" % shown(value))
        found, count = {}, 0
        for name, field in cls.SHAPE.items():
            if name in value:
                count += 1
                try:
                    found[name] = field.check(value[name])
                except Misshapen as error:
                    raise Misshapen("%s: %s" % (name, error)) from None
            elif field.default is MISSING:
                raise Misshapen("%s is missing" % name)
        if count != len(value):
            for name in value:
                if name not in cls.SHAPE and name not in ignore:
                    raise Misshapen("unknown field %s" % shown(name))
        return cls(**found)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return "%s(%s)" % (type(self).__name__, ", ".join("%s=%r" % item for item in self.__dict__.items()))


if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, field_specifiers=(of,))
    def shape(cls: Type[T]) -> Type[T]: ...

else:

    def shape(cls):
        """Make a class with fields of `of`.

        It is not a dataclass, because generating one takes longer than a run's checks.
        """
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
        cls.SHAPE = {**cls.SHAPE, **own}
        for name in own:
            delattr(cls, name)
        return cls


def shown(value: Any) -> str:
    """Return the beginning of a value, for an error."""
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "an object"
    text = repr(value if not isinstance(value, str) else value[:60])
    return text if len(text) <= 80 else text[:77] + "..."


def text(most: int) -> Check:
    """Check text. most: maximum number of characters."""

    def check(value: Any) -> Any:
        if type(value) is not str:
            raise Misshapen("expected text, not %s" % shown(value))
        if len(value) > most:
            raise Misshapen("%d characters, %d are allowed" % (len(value), most))
        return value

    return check


def number(low: int, high: int) -> Check:
    """Check a whole number."""

    def check(value: Any) -> Any:
        if type(value) is not int or not low <= value <= high:
            raise Misshapen("expected a whole number from %d to %d, not %s" % (low, high, shown(value)))
        return value

    return check


def real(low: float, high: float) -> Check:
    """Check a number, whole or not; NaN is refused."""

    def check(value: Any) -> Any:
        if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
            raise Misshapen("expected a number from %g to %g, not %s" % (low, high, shown(value)))
        return value

    return check


def flag(value: Any) -> Any:
    """Check True or False."""
    if type(value) is not bool:
        raise Misshapen("expected true or false, not %s" % shown(value))
    return value


def word(*words: str) -> Check:
    """Check for one of these words."""

    def check(value: Any) -> Any:
        if type(value) is not str or value not in words:
            raise Misshapen("expected one of %s, not %s" % (", ".join(words), shown(value)))
        return value

    return check


def sequence(check: Check, most: int) -> Check:
    """Check a list; return a tuple."""

    def check_all(value: Any) -> Any:
        if type(value) is not list:
            raise Misshapen("expected a list, not %s" % shown(value))
        if len(value) > most:
            raise Misshapen("%d items, %d are allowed" % (len(value), most))
        return tuple([check(item) for item in value])

    return check_all


def listing(check: Check, most: int = 1000000, least: int = 0) -> Check:
    """Check a list; return a list."""
    check_all = sequence(check, most)

    def check_list(value: Any) -> Any:
        found = list(check_all(value))
        if len(found) < least:
            raise Misshapen("%d items, %d are needed" % (len(found), least))
        return found

    return check_list


def having(needed: Dict[str, Check], optional: Optional[Dict[str, Check]] = None) -> Check:
    """Check an object with these fields; other fields stay as they are."""
    known = {**needed, **(optional or {})}

    def check(value: Any) -> Any:
        if type(value) is not dict:
            raise Misshapen("expected an object, not %s" % shown(value))
        for name in needed:
            if name not in value:
                raise Misshapen("%s is missing" % name)
        for name in value:
            if name in known:
                try:
                    value[name] = known[name](value[name])
                except Misshapen as error:
                    raise Misshapen("%s: %s" % (name, error)) from None
        return value

    return check


def items(*checks: Check) -> Check:
    """Check a list of exactly these items; return a tuple."""

    def check_each(value: Any) -> Any:
        if type(value) is not list or len(value) != len(checks):
            raise Misshapen("expected a list of %d items, not %s" % (len(checks), shown(value)))
        return tuple([check(item) for check, item in zip(checks, value)])

    return check_each


def mapping(check: Check, most: int = 1000000) -> Check:
    """Check an object whose values are all of one kind."""

    def check_values(value: Any) -> Any:
        if type(value) is not dict:
            raise Misshapen("expected an object, not %s" % shown(value))
        if len(value) > most:
            raise Misshapen("%d items, %d are allowed" % (len(value), most))
        return {name: check(item) for name, item in value.items()}

    return check_values


def optional(check: Check) -> Check:
    """Check None, or a value."""
    return lambda value: None if value is None else check(value)


def anything(value: Any) -> Any:
    """Accept any value; the caller checks it elsewhere."""
    return value


def one(cls: Type[T]) -> Check:
    """Check a record of a class."""
    return cls.of
