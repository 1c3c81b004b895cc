"""All printing goes through this module: terminals get no control characters, from any source."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import Any, TextIO

from provision.controller.visible import uncoloured, visible


def tolerate_all_characters() -> None:
    """Let stdout and stderr take every character; those that the terminal's encoding lacks are escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str, *, err: bool = False) -> None:
    """Print lines to stdout or stderr."""
    stream = sys.stderr if err else sys.stdout
    text = visible(text)
    # characters that the terminal's encoding lacks are escaped
    encoding = getattr(stream, "encoding", None) or "utf-8"
    _line(stream, text.encode(encoding, "backslashreplace").decode(encoding))


def write(stream: TextIO, text: str) -> None:
    """Write lines in one call."""
    _line(stream, visible(text))


def _line(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()


def write_json(stream: TextIO, event: Mapping[str, Any]) -> None:
    """Write an object as one line; JSON escapes control characters."""
    _line(stream, json.dumps(event))


def write_output(stream: TextIO, text: str, prefix: str) -> None:
    """Write a program's output with a prefix on each line: unchanged to files and pipes, with visible control
    characters to a terminal."""
    if stream.isatty():
        text = visible(uncoloured(text.replace("\r\n", "\n")))
    if text and not text.endswith("\n"):
        text += "\n"
    stream.write("".join(visible(prefix) + line + "\n" for line in text.split("\n")[:-1]) if prefix else text)
    stream.flush()


def write_bytes(stream: TextIO, data: bytes) -> None:
    """Write bytes: unchanged to files and pipes, as lines with visible control characters to a terminal."""
    if stream.isatty() or not hasattr(stream, "buffer"):
        write_output(stream, data.decode("utf-8", "backslashreplace"), "")
        return
    stream.flush()
    stream.buffer.write(data)
    stream.buffer.flush()


def show_bug(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print a traceback, for sys.excepthook; it may quote a host's text."""
    import traceback

    sys.stderr.write(visible("".join(traceback.format_exception(kind, error, trace))))
