"""How much work an expression may make: a few lines of loops and repetitions could take all memory and all day."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

from provision.errors import ConfigError

#: characters of a text, and entries of a list
LARGEST = 1_000_000
#: turns of loops, and calls
MOST_STEPS = 200_000
#: bits of a whole number
LARGEST_NUMBER = 4096
#: seconds of one variable, with all that it refers to
LONGEST = 10.0
#: of a format: "%9999999d", "{:9999999}"
WIDTH = re.compile(r"\d{5,}|\*")


class ExpressionError(Exception):
    """An expression is not Jinja, or could not be worked out.

    undefined: as a name has no value, which `default` catches.  place: the error with the line of the template.
    """

    def __init__(self, message: str, *, undefined: bool = False, place: ConfigError | None = None) -> None:
        super().__init__(message)
        self.undefined, self.place = undefined, place


class Bounds:
    """Counts the work of one expression, with all others that it refers to."""

    def __init__(self) -> None:
        self._depth = 0
        self._steps = 0
        self._until = 0.0

    @contextmanager
    def outermost(self) -> Iterator[None]:
        """Begin to count, unless this is part of an expression that is counted."""
        if self._depth == 0:
            self._steps, self._until = 0, time.monotonic() + LONGEST
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def count(self, steps: int = 1) -> None:
        """Count steps. Raises ExpressionError: too many, or too late."""
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise ExpressionError(f"it takes more than {MOST_STEPS:,} steps")
        if time.monotonic() > self._until:
            raise ExpressionError(f"it takes longer than {LONGEST:.0f} seconds")

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield values, each a step."""
        for value in values:
            self.count()
            yield value

    def text(self, value: Any) -> Any:
        """Return a value. Raises ExpressionError if it is a text or a list that is too long."""
        if isinstance(value, (str, bytes, list, tuple, dict)):
            self.allow(len(value))
        return value

    @staticmethod
    def allow(size: int) -> None:
        """Raise ExpressionError if something would be too large."""
        if size > LARGEST:
            raise ExpressionError(f"a text or a list has more than {LARGEST:,} characters or entries")

    def limited(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter that stays within bounds: by its arguments, and by what it returns."""

        @functools.wraps(function)
        def bounded(*args: Any, **kwargs: Any) -> Any:
            self.count()
            texts = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, (str, bytes))]
            for arg in (*args[1:], *kwargs.values()):
                if isinstance(arg, int) and not -LARGEST <= arg <= LARGEST:
                    raise ExpressionError(f"the number {arg} is too large here")
            self.check_product(function.__name__.removeprefix("do_").removeprefix("sync_do_"), args, texts)
            return self.text(function(*args, **kwargs))

        return bounded

    def check_product(self, name: str, args: tuple[Any, ...], texts: list[Any]) -> None:
        """Raise ExpressionError if arguments make a text that is too large: replacements, indentations, formats."""
        if "replace" in name and len(texts) > 2:
            subject, old, new = texts[:3]
            times = subject.count(old) if "regex" not in name and old else len(subject) + 1
            self.allow(times * len(new))
        elif (
            name == "join" and len(texts) > 0 and isinstance(args[-1 if len(args) > 1 else 0], (list, tuple))
        ):
            self.allow(len(args[-1]) * len(texts[0]))
        elif name in ("indent", "comment") and texts:
            width = next((arg for arg in args[1:] if isinstance(arg, int)), 8)
            self.allow(texts[0].count("\n") * (abs(width) + max(map(len, texts[1:]), default=0)))
        elif name in ("format", "format_map", "strftime") and texts and WIDTH.search(texts[0]):
            raise ExpressionError("a width in a format is too large")

    def check_call(self, function: Any, args: tuple[Any, ...]) -> None:
        """Raise ExpressionError if a method of a text would make one that is too large."""
        owner = getattr(function, "__self__", None)
        if not isinstance(owner, (str, bytes)):
            return
        for arg in args:
            if isinstance(arg, int) and abs(arg) > LARGEST:
                raise ExpressionError(f"the number {arg} is too large here")
        texts = [owner, *(arg for arg in args if isinstance(arg, (str, bytes)))]
        if function.__name__ == "expandtabs" and args:
            self.allow(len(owner) * int(args[0]))
        if function.__name__ in ("translate", "maketrans"):
            raise ExpressionError(f"the method {function.__name__!r} cannot be used")
        self.check_product(function.__name__, (owner, *args), texts)

    def check_operation(self, operator: str, left: Any, right: Any) -> None:
        """Raise ExpressionError if a calculation would yield something too large."""
        self.count()
        if operator == "**":
            if (
                isinstance(left, int)
                and isinstance(right, int)
                and left.bit_length() * right > LARGEST_NUMBER
            ):
                raise ExpressionError(f"{left} ** {right} is too large")
        elif operator == "%":
            if isinstance(left, str) and WIDTH.search(left):
                raise ExpressionError("a width in a format is too large")
        elif operator == "*":
            for many, times in ((left, right), (right, left)):
                if isinstance(many, (str, bytes, list, tuple)) and isinstance(times, int):
                    self.allow(len(many) * max(times, 0))
            if isinstance(left, int) and isinstance(right, int):
                self._number(left.bit_length() + right.bit_length())
        elif isinstance(left, Sized) and isinstance(right, Sized):
            self.allow(len(left) + len(right))

    @staticmethod
    def _number(bits: int) -> None:
        if bits > LARGEST_NUMBER:
            raise ExpressionError(f"a whole number has more than {LARGEST_NUMBER} bits")
