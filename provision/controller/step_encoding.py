"""Steps as JSON for their host; agent/codec.py builds them again there."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from provision.secrets import Secret
from provision.steps.base import Ref, Step
from provision.system.source import Source

#: called with every Source, which the host may request later, and with every Secret, which must not be shown
Keep = Callable[[Source | Secret], None]


def encode_step(step: Step, keep: Keep) -> tuple[str, dict[str, Any]]:
    """Return a step as its kind and JSON values."""
    cls = type(step)
    values = {}
    for f in fields(step):
        value = getattr(step, f.name)
        if value != f.default:
            values[f.name] = _encode(value, keep)
    return f"{cls.__module__}:{cls.__qualname__}", values


def _encode(value: Any, keep: Keep) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Source):
        keep(value)
        if value.key == value.sha256 and not value.secret:
            # one value instead of four keeps messages small: a tree has tens of thousands of sources
            return {"$source": f"{value.sha256} {value.size}"}
        return {"$source": [value.key, value.sha256, value.size, value.secret]}
    if isinstance(value, Ref):
        return {"$ref": value.id}
    if isinstance(value, Secret):
        keep(value)
        return {"$secret": value.reveal()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {"$dict": [[_encode(k, keep), _encode(v, keep)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_encode(item, keep) for item in value]
    raise TypeError(f"a step can't carry {type(value).__name__}")
