"""Gathers configuration errors, so that a person sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from provision.errors import ConfigError, ConfigErrors


class Problems:
    """Configuration errors found so far.

    with problems.gathered():      # a ConfigError raised in here is kept, and work goes on
        host.connection
    problems.raise_any()           # ConfigErrors, if there were any
    """

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []

    def add(self, error: ConfigError) -> None:
        """Keep one error, or each of several; the same error is kept once."""
        for single in error.errors if isinstance(error, ConfigErrors) else [error]:
            # hosts share the variables of their groups, so what is wrong there shows up once per host
            if all(str(single) != str(known) for known in self.errors):
                self.errors.append(single)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep the ConfigError that ends this block, if one does."""
        try:
            yield
        except ConfigError as error:
            self.add(error)

    def raise_any(self) -> None:
        """Raise ConfigErrors with everything found; does nothing if all is well."""
        if self.errors:
            raise ConfigErrors(self.errors)
