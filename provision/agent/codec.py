"""Build steps from messages: only classes of step modules. step_encoding.py writes them. Shipped."""

import base64
import importlib
from typing import Any, Dict, Mapping, Type

from provision.secrets import Secret
from provision.steps.base import Ref, Step
from provision.system.source import Source

#: packages whose modules may define steps: the built-in ones, and a project's own (decision D2)
STEP_PACKAGES = ("provision.steps.", "steps.")


def decode_step(kind: str, values: Mapping[str, Any], refs: Dict[int, Ref]) -> Step:
    """Return the step in a message. refs: the results of earlier steps, by number. Raises ValueError."""
    try:
        return step_class(kind)(**{name: _decode(value, refs) for name, value in values.items()})
    except (TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError("not a step: %s" % error) from error


def step_class(kind: str) -> Type[Step]:
    """Return the class of a name such as "provision.steps.files:File". Raises ValueError for other kinds."""
    module, _, name = kind.partition(":")
    if not (module.startswith(STEP_PACKAGES) and all(map(str.isidentifier, module.split(".")))):
        raise ValueError("not a step: %r" % kind)
    try:
        cls = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if not (module + ".").startswith(str(error.name) + "."):
            # the missing module is one that the step module imports
            raise
        raise ValueError("not a step: %r" % kind) from None
    if not (isinstance(cls, type) and issubclass(cls, Step)):
        raise ValueError("not a step: %r" % kind)
    return cls


def _decode(value: Any, refs: Dict[int, Ref]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, refs) for item in value)
    if not isinstance(value, dict):
        return value
    (tag, inner), *_ = value.items()
    if tag == "$source":
        if isinstance(inner, str):
            sha256, size = inner.split()
            return Source(sha256, int(size))
        key, sha256, size, secret = inner
        source = Source(_text(sha256), size, secret)
        source.key = _text(key)
        return source
    if tag == "$ref":
        return refs[inner]
    if tag == "$secret":
        return Secret(_text(inner))
    if tag == "$bytes":
        return base64.b64decode(inner)
    if tag == "$dict":
        return {_decode(k, refs): _decode(v, refs) for k, v in inner}
    raise ValueError("unknown tag %r" % tag)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("expected text, not %r" % (value,))
    return value
