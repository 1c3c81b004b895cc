"""Convert steps to JSON and back. Only classes of step modules are built from a message. Shipped."""

import base64
import importlib
from dataclasses import fields
from typing import Any, Callable, Dict, Mapping, Tuple, Type, Union

from provision.secrets import Secret
from provision.steps.base import Ref, Step
from provision.system.source import Source

#: packages whose modules may define steps: the built-in ones, and a project's own (decision D2)
STEP_PACKAGES = ("provision.steps.", "steps.")


#: called with every Source, which the host may request later, and with every Secret, which must not be shown
Keep = Callable[[Union[Source, Secret]], None]


def encode_step(step: Step, keep: Keep) -> Tuple[str, Dict[str, Any]]:
    """Return a step as its kind and JSON values."""
    cls = type(step)
    values = {}
    for f in fields(step):
        value = getattr(step, f.name)
        if value != f.default:
            values[f.name] = _encode(value, keep)
    return "%s:%s" % (cls.__module__, cls.__qualname__), values


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


def _encode(value: Any, keep: Keep) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Source):
        keep(value)
        if value.key == value.sha256 and not value.secret:
            # one value instead of four keeps messages small: a tree has tens of thousands of sources
            return {"$source": "%s %d" % (value.sha256, value.size)}
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
    raise TypeError("a step can't carry %s" % type(value).__name__)


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
