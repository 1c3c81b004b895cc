"""What the agent's modules compile to, kept on the host: to compile them takes longer than to run them. Shipped.

A module is known by the hash of its source, which comes with every run: what is kept only saves time. It is root's
alone, and its file has its own hash in front.
"""

import contextlib
import hashlib
import marshal
import os
import stat
import sys
from types import CodeType
from typing import Dict, Tuple

HOME = "/var/cache/prov"
#: modules; in a file that has got longer only those of its last run are kept
MOST = 400


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
        try:
            with open(self.path, "rb") as f:
                st = os.fstat(f.fileno())
                if st.st_uid != os.geteuid() or stat.S_IMODE(st.st_mode) != 0o600:
                    return {}
                digest, data = f.read(hashlib.sha256().digest_size), f.read()
        except OSError:
            return {}
        # marshal trusts what it reads
        if seal(data) != digest:
            return {}
        found: Dict[str, Tuple[bytes, CodeType]] = marshal.loads(data)
        return found

    def save(self) -> None:
        """Keep what had to be compiled. Where that can't be done, the next run compiles it again."""
        if not self._new:
            return
        known = {**self._known, **self._used}
        data = marshal.dumps(self._used if len(known) > MOST else known)
        temporary = "%s.%d" % (self.path, os.getpid())
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            out = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(out, "wb") as f:
                    f.write(seal(data) + data)
                os.rename(temporary, self.path)
            except OSError:
                os.unlink(temporary)


def seal(data: bytes) -> bytes:
    """What stands in front of the data: code is only good for the very Python that compiled it."""
    return hashlib.sha256(sys.version.encode() + data).digest()
