"""Contents on their way to a host, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO

from provision.agent.protocol import Chunk
from provision.errors import ProvError
from provision.system.source import CHUNK


def chunks_of(opened: Callable[[bytes], IO[bytes]], request: bytes) -> Iterator[Chunk]:
    """Yield the contents that a host has requested, or why they are not available.

    opened: opens them, given the payload of the request.
    """
    try:
        with opened(request) as f:
            chunk = f.read(CHUNK)
            while True:
                following = f.read(CHUNK)
                yield Chunk(not following, payload=chunk)
                if not following:
                    return
                chunk = following
    except (OSError, ProvError) as error:
        hint = error.hint if isinstance(error, ProvError) else ""
        message = error.message if isinstance(error, ProvError) else f"on this machine: {error}"
        yield Chunk(True, message, hint)
