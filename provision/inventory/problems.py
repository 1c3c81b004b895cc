"""Gather configuration errors, so that all are shown at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from provision.errors import ConfigError, ConfigErrors
from provision.inventory.located import LocatedError


class Problems:
    """Configuration errors found so far.

    with problems.gathered():      # a ConfigError raised in here is kept, and work continues
        host.connection
    problems.raise_any()           # ConfigErrors, if there were any
    """

    def __init__(self) -> None:
        self._errors: dict[object, ConfigError] = {}

    def add(self, error: ConfigError) -> None:
        """Keep one error, or each of several.

        An error in the variables of a group concerns each of its hosts, and is kept for the first.
        """
        for single in error.errors if isinstance(error, ConfigErrors) else [error]:
            at = (single.origin, single.path) if isinstance(single, LocatedError) else single.where
            self._errors.setdefault((at, single.message), single)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep a ConfigError that ends this block."""
        try:
            yield
        except ConfigError as error:
            self.add(error)

    def raise_any(self) -> None:
        """Raise ConfigErrors with everything found, if anything."""
        if self._errors:
            raise ConfigErrors(list(self._errors.values()))
