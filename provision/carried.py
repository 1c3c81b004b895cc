"""What a step carries to its host: its fields as a message, contents that are asked for later, and secrets."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from provision.agent.codec import encode_step
from provision.agent.masks import Masks
from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.source import Source


class Carried(NamedTuple):
    """kind, fields: of the step.  hide: known secrets that travel in them as plain text."""

    kind: str
    fields: dict[str, Any]
    hide: list[str]


def encoded(step: Step, sources: dict[str, Source], masks: Masks) -> Carried:
    """What the message of a step has. sources, masks: are told of what it carries."""
    held: list[bytes] = []

    def keep(value: Source | Secret) -> None:
        if isinstance(value, Secret):
            masks.add(value.reveal())
            return
        sources[value.key] = value
        if value.data is not None:
            held.append(value.data)

    kind, fields = encode_step(step, keep)
    if not masks:
        return Carried(kind, fields, [])
    held.append(json.dumps(fields).encode())
    # the host has no other way to know what must not be shown
    return Carried(kind, fields, masks.within(b"\n".join(held)))
