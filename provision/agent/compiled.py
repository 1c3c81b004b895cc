"""What the agent's modules compile to, kept on the host: to compile them takes longer than to run them. Shipped.

A module is known by the hash of its source, which comes with every run: what is kept only saves time.
"""

import hashlib
import marshal
import os
import sys
import zlib
from types import CodeType
from typing import Dict, Tuple

from provision.system.caches import HOME, cached, keep, keep_newest

#: where the program of an agent is kept, under its hash (controller/bootstrap.py), and how many
PROGRAMS = os.path.join(HOME, "programs")
MOST_PROGRAMS = 4
#: modules; in a file that has got longer only those of its last run are kept
MOST = 400
SEAL = hashlib.sha256().digest_size


class Compiled:
    """path: of the file; by default that of this version of Python."""

    def __init__(self, path: str = "") -> None:
        self.path = path or os.path.join(HOME, str(sys.implementation.cache_tag))
        self._known = self._read()
        self._used: Dict[str, Tuple[bytes, CodeType]] = {}
        self._new = False

    def code(self, name: str, source: str) -> CodeType:
        """The code of a module."""
        digest = hashlib.sha256(source.encode()).digest()
        found = self._known.get(name)
        if found is None or found[0] != digest:
            found = digest, compile(source, name.replace(".", "/") + ".py", "exec")
            self._new = True
        self._used[name] = found
        return found[1]

    def _read(self) -> Dict[str, Tuple[bytes, CodeType]]:
        data = cached(self.path)
        # marshal trusts what it reads
        if not data or seal(data[SEAL:]) != data[:SEAL]:
            return {}
        found: Dict[str, Tuple[bytes, CodeType]] = marshal.loads(data[SEAL:])
        return found

    def save(self) -> None:
        """Keep what had to be compiled."""
        if self._new:
            known = {**self._known, **self._used}
            data = marshal.dumps(self._used if len(known) > MOST else known)
            keep(self.path, seal(data) + data)


def keep_program(text: bytes) -> None:
    """Keep what an agent was sent, so that a later run need not send it."""
    keep(os.path.join(PROGRAMS, hashlib.sha256(text).hexdigest()), zlib.compress(text))
    keep_newest(PROGRAMS, MOST_PROGRAMS)


def seal(data: bytes) -> bytes:
    """What stands in front of the data: code is only good for the very Python that compiled it."""
    return hashlib.sha256(sys.version.encode() + data).digest()
