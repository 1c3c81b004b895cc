"""Variables of encrypted files, which are read when they are used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from provision.inventory.located import Located


class SealedVariables:
    """The variables in an encrypted file, which is opened with the first use of a host that has them.

    read: opens and reads the file; raises ConfigError.
    """

    def __init__(self, read: Callable[[], dict[str, Located]]) -> None:
        self._read = read
        self._found: dict[str, Located] | None = None
        self._lock = threading.Lock()

    def open(self) -> dict[str, Located]:
        """Return the variables. Raises ConfigError, each time if the file can't be opened."""
        with self._lock:
            if self._found is None:
                self._found = self._read()
            return self._found


#: variables from one place, the weaker places first
Layer = Mapping[str, Located] | SealedVariables


def merged(layers: Sequence[Layer]) -> Mapping[str, Located]:
    """Return the final variables; while a layer is sealed, they are read with their first use."""
    if any(isinstance(layer, SealedVariables) for layer in layers):
        return LaterVariables(layers)
    final: dict[str, Located] = {}
    for layer in layers:
        final |= layer  # type: ignore[arg-type]  # sealed layers are handled above
    return final


class LaterVariables(Mapping[str, Located]):
    """The variables of a host, some of which are in encrypted files. Every use raises ConfigError if one of
    those can't be opened."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._final: dict[str, Located] | None = None

    @property
    def final(self) -> dict[str, Located]:
        """All variables."""
        if self._final is None:
            opened: dict[str, Located] = {}
            for layer in self._layers:
                opened |= layer.open() if isinstance(layer, SealedVariables) else layer
            self._final = opened
        return self._final

    def __getitem__(self, name: str) -> Located:
        return self.final[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.final)

    def __len__(self) -> int:
        return len(self.final)
