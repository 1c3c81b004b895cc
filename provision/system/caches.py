"""Files that only save time: without them the work is done again. Shipped, and used on both sides."""

import contextlib
import hashlib
import os
import stat
import time
from typing import IO, Dict, Optional

#: root's alone
HOME = "/var/cache/prov"
#: seconds, more than any file system's clock is coarse
CLOCK_TICK = 2.0
#: hashes in one file
MOST = 20000
#: bytes of such a file
LARGEST = 64 * 1024 * 1024
CHUNK = 256 * 1024


def cached(path: str) -> bytes:
    """What was kept in a file; b"" if nothing was, or by someone else."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as f:
            st = os.fstat(f.fileno())
            mine = st.st_uid == os.geteuid() and st.st_mode == stat.S_IFREG | 0o600
            return f.read() if mine and st.st_size <= LARGEST else b""
    except OSError:
        return b""


def keep(path: str, data: bytes) -> None:
    """Keep something, if there is room for it."""
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
    """Remove all files of a folder but the newest."""
    with contextlib.suppress(OSError):
        paths = [os.path.join(folder, name) for name in os.listdir(folder)]
        for path in sorted(paths, key=os.path.getmtime)[:-most]:
            os.unlink(path)


class Hashes:
    """SHA-256 of files, known by device, inode, size and times, as git's index knows them.

    path: of the file that keeps them from run to run; "" for those of this process alone.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._stored: Optional[Dict[str, str]] = None if path else {}
        self._used: Dict[str, str] = {}
        self._new = False

    def find(self, st: os.stat_result) -> Optional[str]:
        """The hash of a file that has not changed since it was computed; None if it has to be computed."""
        name = name_of(st)
        if self._stored is None:
            lines = cached(self._path).decode("ascii", "replace").splitlines()
            self._stored = {name: digest for name, _, digest in (line.rpartition(" ") for line in lines)}
        found = self._used.get(name) or self._stored.get(name)
        if found is not None:
            self._used[name] = found
        return found

    def of(self, path: str, st: os.stat_result) -> str:
        """The hash of a file. st: of it. Raises OSError."""
        found = self.find(st)
        if found is None:
            with open(path, "rb") as f:
                found = self.read(f)
        return found

    def read(self, f: IO[bytes]) -> str:
        """The hash of all that is in an open file, which is remembered."""
        st = os.fstat(f.fileno())
        found = sha256(f)
        self.add(st, found)
        return found

    def add(self, st: os.stat_result, digest: str) -> None:
        """Remember a hash. st: of the file before it was read; one that has just changed is left out, as it can
        change again within one tick of its clock."""
        if time.time() - max(st.st_ctime, st.st_mtime) > CLOCK_TICK:
            self._used[name_of(st)] = digest
            self._new = True

    def save(self) -> None:
        """Keep them for the next run, those of this one first."""
        if self._new and self._path:
            lines = list({**self._used, **(self._stored or {})}.items())[:MOST]
            keep(self._path, "".join("%s %s\n" % line for line in lines).encode())


def sha256(f: IO[bytes]) -> str:
    """Hex digest of all that is in an open file, read in pieces."""
    digest = hashlib.sha256()
    for chunk in iter(lambda: f.read(CHUNK), b""):
        digest.update(chunk)
    return digest.hexdigest()


def name_of(st: os.stat_result) -> str:
    """What tells a file, and each state of it, from others."""
    return "%d %d %d %d %d" % (st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns)
