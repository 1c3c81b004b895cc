"""Jinja templates of roles: strict about undefined names, and secrets stay secrets."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import jinja2

from provision.errors import ProvError
from provision.secrets import MASK, Secret

_seen = threading.local()


def render(path: Path, values: dict[str, Any]) -> str | Secret:
    """The text of a template with values; a Secret if one went into it.

    Raises ProvError with the template's file and line for an undefined name or a mistake in its syntax, and if
    a secret was worked on: its text is only revealed when it is written as it is.
    """
    _seen.secret = False
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
        # a filter or operator that was given something it does not take
        raise ProvError(str(error), where=place(error, path)) from None
    if text.count(MASK) > path.read_text(encoding="utf-8").count(MASK):
        raise ProvError(
            "a secret went through a filter or operator, and came out masked",
            where=str(path),
            hint="Write a secret as it is, {{ name }}; put the text around it into the template.",
        )
    return Secret(text) if _seen.secret else text


@functools.cache
def environment(folder: Path) -> jinja2.Environment:
    """The environment for templates of one folder; compiled templates are kept."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # configuration files, not HTML
        finalize=reveal,
    )


def reveal(value: Any) -> Any:
    """What a value contributes to a text; notes when it was a secret."""
    if isinstance(value, Secret):
        _seen.secret = True
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
