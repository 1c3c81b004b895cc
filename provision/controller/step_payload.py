"""What a step carries to its host: its fields as a message, contents sent on request, and secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from provision.agent.secret_masks import Masks
from provision.controller.step_encoding import encode_step
from provision.errors import ConfigError
from provision.secrets import Secret
from provision.steps.base import Step
from provision.system.source import Source


class StepPayload(NamedTuple):
    """The payload of a step.

    kind, fields: of the step.  hide: known secrets that occur in the fields as plain text.
    """

    kind: str
    fields: dict[str, Any]
    hide: list[str]


def check(step: Step, masks: Masks, where: str) -> None:
    """Raise ConfigError if the arguments of a step are invalid. where: the line that gives them."""
    try:
        step.validate_options()
        step.validate()
    except (ValueError, TypeError, AttributeError) as error:
        # the last two come from arguments of the wrong type
        masks.update(secrets_within(vars(step)))
        raise ConfigError(masks.hide(f"{type(step).__name__}: {error}"), where=where) from None


def secrets_within(value: Any) -> Iterator[str]:
    """Return the texts of all secrets in a value."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, Source):
        yield from one_line(value)
    elif isinstance(value, Mapping):
        yield from secrets_within(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from secrets_within(part)


def one_line(source: Source) -> Iterator[str]:
    """Return whether contents are a secret of one line, such as a token.

    Longer contents have lines that are not secret.
    """
    if source.secret and source.data is not None and b"\n" not in source.data.strip():
        yield source.data.decode(errors="replace").strip()


def encoded(step: Step, sources: dict[str, Source], masks: Masks) -> StepPayload:
    """Return the payload of a step. sources, masks: get what it carries."""
    held: list[bytes] = []

    def keep(value: Source | Secret) -> None:
        if isinstance(value, Secret):
            masks.add(value.reveal())
            return
        sources[value.key] = value
        if value.data is not None:
            held.append(value.data)
            masks.update(one_line(value))

    kind, fields = encode_step(step, keep)
    if not masks:
        return StepPayload(kind, fields, [])
    held.append(json.dumps(fields).encode())
    # the host cannot find out otherwise what must not be shown
    return StepPayload(kind, fields, masks.within(b"\n".join(held)))
