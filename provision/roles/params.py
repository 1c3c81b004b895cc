"""The parameters of roles: their base class, and how they are found by the annotations of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from provision.errors import ConfigError

if TYPE_CHECKING:
    from provision.apps.app_model import App


class Params(BaseModel):
    """Base of a role's parameters: typed, documented, without unknown names, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    def unmet(self, host: Any) -> Iterable[ConfigError]:
        """Return what the host lacks for the role, as errors of `host.inventory.error`.

        host: a connected Host with its facts; no role has run yet.
        """
        return ()

    def openings(self, host: Any) -> Iterable[str]:
        """Return the ports that other machines must reach, for the role `firewall`: "443", "5432 from 10.0.0.3".

        host: as for `unmet`.
        """
        return ()

    def misfits(self, apps: Sequence[App]) -> Iterable[tuple[str, str]]:
        """Return which of them do not fit the host's applications, with why: (parameter, why).

        apps: those that the role serves if it is a server, else all of the host.
        """
        return ()


def params_of(tasks: Iterable[Callable[..., None]]) -> type[Params] | None:
    """Return the model that the tasks take as their second argument, by annotation: the most derived class,
    if
    the role extends another."""
    found: type[Params] | None = None
    for function in tasks:
        arguments = list(inspect.signature(function).parameters.values())
        if len(arguments) < 2:
            continue
        annotation = annotation_of(function, arguments[1])
        if not (isinstance(annotation, type) and issubclass(annotation, Params)):
            raise wrong_function(function, "the second argument's type is not a Params class")
        if found is None or issubclass(annotation, found):
            found = annotation
        elif not issubclass(found, annotation):
            hint = f"Derive it:  class {annotation.__name__}({found.__name__})"
            raise wrong_function(function, f"{annotation.__name__} is not a {found.__name__}", hint)
    return found


def annotation_of(function: Callable[..., Any], argument: inspect.Parameter) -> Any:
    """The type that a function gives an argument."""
    annotation = argument.annotation
    return named(annotation, function.__globals__) if isinstance(annotation, str) else annotation


def named(annotation: str, names: Mapping[str, Any]) -> Any:
    """Return what a dotted name means among these names, or None."""
    first, *rest = annotation.split(".")
    found = names.get(first)
    for word in rest:
        found = getattr(found, word, None)
    return found


def wrong_function(function: Callable[..., None], message: str, hint: str = "") -> ConfigError:
    """Return the error for a role function's wrong argument or result, with its line."""
    where = f"{function.__code__.co_filename}:{function.__code__.co_firstlineno}"
    return ConfigError(f"{function.__name__}: {message}", where=where, hint=hint)
