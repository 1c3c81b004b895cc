"""What templates compile to, kept for the next run: nginx's site alone takes 20 ms, and all of them change rarely.

Values are not in it. A template is known by the hash of its source; what else decides how it is compiled is in the name
of its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import jinja2
from jinja2.bccache import Bucket

from provision.system.caches import cached, keep, keep_newest
from provision.user_cache import cache_folder

#: files in the folder; the newest are kept
MOST = 500


class CompiledTemplates(jinja2.BytecodeCache):
    """sources: files of Python that decide how templates are compiled: filters and what becomes of values."""

    def __init__(self, sources: Iterable[str]) -> None:
        digest = hashlib.sha256(jinja2.__version__.encode())
        for source in sources:
            digest.update(Path(source).read_bytes())
        self._version = digest.hexdigest()[:16]
        self._folder = cache_folder("templates")

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what was kept, if it is of the same source, by the same Python and jinja2."""
        if data := cached(self._path(bucket)):
            bucket.bytecode_from_string(data)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what a template compiles to."""
        keep(self._path(bucket), bucket.bytecode_to_string())
        keep_newest(str(self._folder), MOST)

    def _path(self, bucket: Bucket) -> str:
        return str(self._folder / f"{bucket.key}-{self._version}")
