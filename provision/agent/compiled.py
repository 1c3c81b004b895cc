"""Compiled code of the agent's modules, cached on the host: compiling takes longer than running. Shipped.

The key of a module is the hash of its source, which every run sends. The cache only saves time.
"""

import hashlib
import marshal
import os
import sys
import zlib
from types import CodeType
from typing import Dict, Tuple

from provision.system.caches import HOME, cached, keep, keep_newest

#: folder for agent programs, each named by its hash (controller/bootstrap.py), and how many are kept
PROGRAMS = os.path.join(HOME, "programs")
MOST_PROGRAMS = 4
#: modules; a longer file keeps only those of its last run
MOST = 400
SEAL = hashlib.sha256().digest_size


class Compiled:
    """The cache of compiled modules. path: its file; the default is the one for this version of Python."""

    def __init__(self, path: str = "") -> None:
        self.path = path or os.path.join(HOME, str(sys.implementation.cache_tag))
        self._known = self._read()
        self._used: Dict[str, Tuple[bytes, CodeType]] = {}
        self._new = False

    def code(self, name: str, source: str) -> CodeType:
        """Return the compiled code of a module."""
        digest = hashlib.sha256(source.encode()).digest()
        found = self._known.get(name)
        if found is None or found[0] != digest:
            found = digest, compile(source, name.replace(".", "/") + ".py", "exec")
            self._new = True
        self._used[name] = found
        return found[1]

    def _read(self) -> Dict[str, Tuple[bytes, CodeType]]:
        data = cached(self.path)
        # check before loading: marshal trusts its input
        if not data or seal(data[SEAL:]) != data[:SEAL]:
            return {}
        found: Dict[str, Tuple[bytes, CodeType]] = marshal.loads(data[SEAL:])
        return found

    def save(self) -> None:
        """Save newly compiled modules."""
        if self._new:
            known = {**self._known, **self._used}
            data = marshal.dumps(self._used if len(known) > MOST else known)
            keep(self.path, seal(data) + data)


def keep_program(text: bytes) -> None:
    """Keep the program of this agent, so that a later run need not send it."""
    keep(os.path.join(PROGRAMS, hashlib.sha256(text).hexdigest()), zlib.compress(text))
    keep_newest(PROGRAMS, MOST_PROGRAMS)


def seal(data: bytes) -> bytes:
    """Return the checksum in front of the data. It covers the Python version, which must match."""
    return hashlib.sha256(sys.version.encode() + data).digest()
