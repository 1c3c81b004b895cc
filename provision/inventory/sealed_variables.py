"""Variables of encrypted files, which are read when they are used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from provision.inventory.located import Located
from provision.inventory.own_names import prefixes


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


#: parts of `apps`, laid over it in this order: what an environment and a host have otherwise need not be repeated
PARTS_OF_APPS = ("group_apps", "host_apps")

#: variables from one place, the weaker places first
Layer = Mapping[str, Located] | SealedVariables


def merged(layers: Sequence[Layer], *, mappings: bool = False, prefix: str = "") -> Mapping[str, Located]:
    """Return the final variables; while a layer is sealed, they are read with their first use.

    mappings: whether those of several layers are merged, in depth (Ansible's hash_behaviour=merge).
    prefix: of the variables that are prov's own.
    """
    if any(isinstance(layer, SealedVariables) for layer in layers):
        return LaterVariables(layers, mappings=mappings, prefix=prefix)
    final: dict[str, Located] = {}
    for layer in layers:
        final |= overlaid(final, layer) if mappings else layer  # type: ignore[arg-type]  # no layer is sealed here
    return with_parts(final, prefix)


def with_parts(final: dict[str, Located], prefix: str) -> dict[str, Located]:
    """Return variables with the parts of `apps` laid over it: mappings in depth, all else whole.

    An `apps` that is not written as a mapping, such as a template, stays as it is.
    """
    for before in prefixes(prefix):
        apps = f"{before}apps"
        for name in (before + part for part in PARTS_OF_APPS):
            whole = final.get(apps)
            if name in final and (whole is None or isinstance(whole.value, dict)):
                final[apps] = _merged_value(whole, final[name])
    return final


def overlaid(weak: Mapping[str, Located], strong: Mapping[str, Located]) -> dict[str, Located]:
    """Return the values of a layer; its mappings with what weaker ones have under other keys."""
    return {name: _merged_value(weak.get(name), value) for name, value in strong.items()}


def _merged_value(weak: Located | None, strong: Located) -> Located:
    """A value over a weaker one, if both are mappings; else the value itself."""
    if weak is None or not isinstance(weak.value, dict) or not isinstance(strong.value, dict):
        return strong
    parts = {
        **weak.parts,
        **{key: _merged_value(weak.parts.get(key), part) for key, part in strong.parts.items()},
    }
    return Located(
        {key: part.value for key, part in parts.items()},
        strong.origin,
        parts,
        deferred=weak.deferred or strong.deferred,
        sealed=weak.sealed or strong.sealed,
    )


class LaterVariables(Mapping[str, Located]):
    """The variables of a host, some of which are in encrypted files. Every use raises ConfigError if one of
    those can't be opened."""

    def __init__(self, layers: Sequence[Layer], *, mappings: bool, prefix: str) -> None:
        self._layers, self._mappings, self._prefix = layers, mappings, prefix
        self._final: dict[str, Located] | None = None

    @property
    def final(self) -> dict[str, Located]:
        """All variables."""
        if self._final is None:
            opened: dict[str, Located] = {}
            for layer in self._layers:
                found = layer.open() if isinstance(layer, SealedVariables) else layer
                opened |= overlaid(opened, found) if self._mappings else found
            self._final = with_parts(opened, self._prefix)
        return self._final

    def __getitem__(self, name: str) -> Located:
        return self.final[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.final)

    def __len__(self) -> int:
        return len(self.final)
