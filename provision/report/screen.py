"""Whatever is printed goes through here: terminals get nothing that steers them, from any source."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import Any, TextIO

from provision.controller.visible import uncoloured, visible


def tolerate_all_characters() -> None:
    """Let stdout and stderr take every character: those that this terminal's encoding lacks are shown escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, err: bool = False) -> None:
    """Print lines to stdout or stderr."""
    stream = sys.stderr if err else sys.stdout
    text = visible(text)
    # what the terminal's encoding lacks is shown escaped
    encoding = getattr(stream, "encoding", None) or "utf-8"
    _line(stream, text.encode(encoding, "backslashreplace").decode(encoding))


def write(stream: TextIO, text: str) -> None:
    """Write lines, whole."""
    _line(stream, visible(text))


def _line(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


def write_json(stream: TextIO, event: Mapping[str, Any]) -> None:
    """Write an object on a line, exactly: JSON escapes what terminals would obey."""
    _line(stream, json.dumps(event))


def write_output(stream: TextIO, text: str, prefix: str) -> None:
    """Write what a program has printed, with a prefix on each line: as it is into files and pipes, and such that it can
    be looked at on a terminal."""
    if stream.isatty():
        text = visible(uncoloured(text.replace("\r\n", "\n")))
    if text and not text.endswith("\n"):
        text += "\n"
    stream.write("".join(visible(prefix) + line + "\n" for line in text.split("\n")[:-1]) if prefix else text)
    stream.flush()


def show_bug(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """A traceback, for sys.excepthook: what it quotes may be a host's."""
    import traceback

    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace))))
