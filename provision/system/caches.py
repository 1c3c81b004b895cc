"""Cache files, which only save time: without them, work is repeated. Shipped, and used on both sides."""

import contextlib
import hashlib
import os
import stat
import time
from typing import IO, Dict, Optional

#: readable by root only
HOME = "/var/cache/prov"
#: seconds; coarser than any file system's clock
CLOCK_TICK = 2.0
#: hashes in one file, unless a run needs more: it keeps all of its own
MOST = 20000
#: maximum bytes of such a file
LARGEST = 64 * 1024 * 1024
CHUNK = 256 * 1024


def cached(path: str) -> bytes:
    """Return the contents of a cache file; b"" if it is missing or belongs to another user."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as f:
            st = os.fstat(f.fileno())
            mine = st.st_uid == os.geteuid() and st.st_mode == stat.S_IFREG | 0o600
            return f.read() if mine and st.st_size <= LARGEST else b""
    except OSError:
        return b""


def keep(path: str, data: bytes) -> None:
    """Write a cache file, if there is room for it."""
    temporary = "%s.%d" % (path, os.getpid())
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        out = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(out, "wb") as f:
                f.write(data)
            os.rename(temporary, path)
        except OSError:
            os.unlink(temporary)


def keep_newest(folder: str, most: int) -> None:
    """Remove all but the newest files of a folder."""
    with contextlib.suppress(OSError):
        paths = [os.path.join(folder, name) for name in os.listdir(folder)]
        for path in sorted(paths, key=os.path.getmtime)[:-most]:
            os.unlink(path)


class Hashes:
    """SHA-256 of files, keyed by device, inode, size and times, as in git's index.

    path: the file that keeps them between runs; "" keeps them in this process only.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._stored: Optional[Dict[str, str]] = None if path else {}
        self._used: Dict[str, str] = {}
        self._new = False

    def find(self, st: os.stat_result) -> Optional[str]:
        """Return the hash of a file that is unchanged since it was computed; None if it must be computed."""
        name = name_of(st)
        if self._stored is None:
            lines = cached(self._path).decode("ascii", "replace").splitlines()
            self._stored = {name: digest for name, _, digest in (line.rpartition(" ") for line in lines)}
        found = self._used.get(name) or self._stored.get(name)
        if found is not None:
            self._used[name] = found
        return found

    def of(self, path: str, st: os.stat_result) -> str:
        """Return the hash of a file. st: its stat. Raises OSError."""
        found = self.find(st)
        if found is None:
            with open(path, "rb") as f:
                found = self.read(f)
        return found

    def read(self, f: IO[bytes]) -> str:
        """Return the hash of an open file's whole contents, and remember it."""
        st = os.fstat(f.fileno())
        found = sha256(f)
        self.add(st, found)
        return found

    def add(self, st: os.stat_result, digest: str) -> None:
        """Remember a hash. st: the file's stat from before it was read.

        A file that has just changed is skipped, because it can change again within one clock tick.
        """
        if time.time() - max(st.st_ctime, st.st_mtime) > CLOCK_TICK:
            self._used[name_of(st)] = digest
            self._new = True

    def save(self) -> None:
        """Keep the hashes for the next run, those of this run first."""
        if self._new and self._path:
            lines = list({**self._used, **(self._stored or {})}.items())[: max(MOST, len(self._used))]
            keep(self._path, "".join("%s %s\n" % line for line in lines).encode())


def sha256(f: IO[bytes]) -> str:
    """Return the hex digest of an open file's whole contents, read in pieces."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: f.read(CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def name_of(st: os.stat_result) -> str:
    """Return a text that identifies a file and its state."""
    return "%d %d %d %d %d" % (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
