"""Jinja templates of roles: strict about undefined names, and secrets stay secrets."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from provision.agent.secret_masks import Masks
from provision.errors import ProvError
from provision.roles.compiled_templates import CompiledTemplates
from provision.secrets import MASK, Secret
from provision.system import writers
from provision.system.writers import FILTERS, HERE

#: the templates being rendered in this thread, the innermost last: the secrets that each contains
_running = threading.local()


def render(path: Path, values: dict[str, Any]) -> str | Secret:
    """Return the text of a template with values; a Secret if it contains one, as it is or through filters.

    Raises ProvError with the template's file and line for an undefined name or a mistake in its syntax, and
    if
    an operator joined a secret to text: operators see only its mask.
    """
    seen: list[str] = []
    stack = _running.__dict__.setdefault("stack", [])
    stack.append(seen)
    try:
        text = rendered(path, values)
    except ProvError as error:
        error.hide(Masks(seen).hide)
        raise
    finally:
        stack.pop()
    if stack:
        # a template that renders another one contains its secrets, too
        stack[-1].extend(seen)
    return Secret(text) if seen else text


def rendered(path: Path, values: dict[str, Any]) -> str:
    """The text of a template. Raises ProvError."""
    try:
        text = environment(path.parent).get_template(path.name).render(values)
    except jinja2.TemplateNotFound as error:
        folder = path.parent
        known = ", ".join(sorted(p.name for p in folder.glob("*"))) if folder.is_dir() else "no such folder"
        raise ProvError(
            f"there is no template {error.name!r} in {folder}", hint=f"There is: {known}"
        ) from None
    except jinja2.TemplateSyntaxError as error:
        where = f"{error.filename}:{error.lineno}"
        raise ProvError(error.message or "syntax error", where=where) from None
    except jinja2.UndefinedError as error:
        raise ProvError(error.message or "undefined name", where=place(error, path)) from None
    except (TypeError, ValueError) as error:
        # a filter or operator got a value that it does not take
        raise ProvError(str(error), where=place(error, path)) from None
    if text.count(MASK) > path.read_text(encoding="utf-8").count(MASK):
        raise ProvError(
            "an operator was applied to a secret, and gave only its mask",
            where=str(path),
            hint="Write a secret as it is, {{ name }}, or with filters; put the text around it into the template.",
        )
    return text


@functools.cache
def environment(folder: Path) -> jinja2.Environment:
    """The environment for templates of one folder; compiled templates are kept."""
    found = Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # configuration files, not HTML
        finalize=reveal,
        bytecode_cache=CompiledTemplates([__file__, writers.__file__]),
    )
    found.filters.update({**FILTERS, "size": size})
    found.globals["HERE"] = HERE
    found.filters.update({name: discreet(each) for name, each in found.filters.items()})
    return found


def size(text: str) -> str:
    """A size of systemd, where % is not a specifier: MemoryMax=80% (systemd.resource-control(5)). Raises
    ValueError."""
    if not re.fullmatch(r"\d+(%|[KMGT]?)|infinity", text):
        raise ValueError(f"{text!r} is not a size")
    return text


class Environment(jinja2.Environment):
    """An environment that notices `secret.reveal()`."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute of a value in a template."""
        if isinstance(obj, Secret) and attribute == "reveal":
            return functools.partial(reveal, obj)
        return super().getattr(obj, attribute)


def discreet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter: it gets the texts of secrets, and its result is noted as a secret."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        before = len(_running.stack[-1])
        try:
            return function(
                *map(revealed, arguments), **{name: revealed(each) for name, each in options.items()}
            )
        except ValueError:
            if len(_running.stack[-1]) == before:
                raise
            # writers show what they cannot express, in quotes and escaped
            raise ValueError(f"{function.__name__} cannot express a secret") from None

    return call


def revealed(value: Any) -> Any:
    """A value with the texts of the secrets in it."""
    if isinstance(value, (list, tuple)) and any(isinstance(each, Secret) for each in value):
        return [reveal(each) for each in value]
    if isinstance(value, dict):
        return {name: revealed(each) for name, each in value.items()}
    return reveal(value)


def reveal(value: Any) -> Any:
    """Return what a value contributes to a text; note it if it is a secret."""
    if isinstance(value, Secret):
        _running.stack[-1].append(value.reveal())
        return value.reveal()
    return value


def place(error: BaseException, path: Path) -> str:
    """File and line of the template where an error was raised: jinja2 rewrites tracebacks to say so."""
    found = str(path)
    tb = error.__traceback__
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if Path(name).parent == path.parent:
            found = f"{name}:{tb.tb_lineno}"
        tb = tb.tb_next
    return found
