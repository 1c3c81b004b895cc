"""What reads things that others have written: what it takes, and what it may raise."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import mutators

from provision.errors import ProvError

PUNCTUATION = (
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\u0000", b"1e999", b"NaN", b"null", b"\xff"),
    b"[" * 5000,
    b"9" * 5000,
)


class Parser(ABC):
    """One parser. seeds: inputs that it takes.  words: that it knows.  allowed: what it may raise."""

    name = ""
    words: Sequence[bytes] = ()
    allowed: tuple[type[Exception], ...] = (ProvError,)

    @abstractmethod
    def seeds(self) -> list[bytes]: ...

    @abstractmethod
    def run(self, data: bytes, folder: Path) -> None:
        """Parse, and use all that was found. folder: empty, to write in."""

    def near(self, seed: bytes, rng: random.Random) -> bytes:
        """An input near a seed."""
        return mutators.bytes_near(seed, self.words, rng)

    def check(self, data: bytes) -> None:
        """Run it; whatever it raises but what it may is a fault."""
        folder = Path(tempfile.mkdtemp(prefix="prov-fuzz-"))
        try:
            with contextlib.suppress(*self.allowed):
                self.run(data, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class JsonParser(Parser):
    """One whose inputs are JSON."""

    words = PUNCTUATION

    def near(self, seed: bytes, rng: random.Random) -> bytes:
        return mutators.json_bytes(json.loads(seed), self.words, rng)
