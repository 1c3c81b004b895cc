"""What a step carries to its host: its fields as a message, contents that are asked for later, and secrets."""

from __future__ import annotations

import json
from typing import Any

from provision.agent.codec import encode_step
from provision.agent.masks import Masks
from provision.secrets import Secret
from provision.steps.base import Step
from provision.steps.source import Source


def encoded(step: Step, sources: dict[str, Source], masks: Masks) -> dict[str, Any]:
    """The message of a step. sources, masks: are told of what it carries."""
    held: list[bytes] = []

    def keep(value: Source | Secret) -> None:
        if isinstance(value, Secret):
            masks.add(value.reveal())
            return
        sources[value.key] = value
        if value.data is not None:
            held.append(value.data)

    message = encode_step(step, keep)
    if masks:
        held.append(json.dumps(message["fields"]).encode())
        # known secrets that travel as plain text: the host has no other way to know what must not be shown
        message["hide"] = masks.within(b"\n".join(held))
    return message
