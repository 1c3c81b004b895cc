"""Contents of tar and zip archives, judged before anything is unpacked. Shipped to hosts (Python 3.8)."""

import io
import lzma
import zlib
from typing import IO, Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type

from provision.errors import StepError
from provision.steps.support.file_changes import size_text
from provision.steps.support.inside import MAX_PATH, faults
from provision.steps.support.zstandard import MAGIC, is_zstd, plain

#: members of one archive, and bytes that tarfile may read at once for a header, which it keeps in memory
MAX_MEMBERS, MAX_HEADER = 200_000, 1024 * 1024
HARM = "Nothing has been unpacked. Such an archive is broken, or meant to do harm."


class Member(NamedTuple):
    """A member. path: below the directory, leading folders removed.  kind: "file", "dir", "link" or "same".

    size: bytes.  target: of a link; for "same", the path of the earlier member with these contents.
    """

    path: str
    kind: str
    mode: int
    size: int
    target: str
    open: "Optional[Callable[[], IO[bytes]]]"


def read_members(f: IO[bytes], strip: int, origin: str, max_size: int) -> List[Member]:
    """Return the members of an archive in the order in which they are read; none leads outside.

    strip: leading folders to remove.  origin: named in errors.  max_size: bytes of all files together.
    Raises StepError.
    """
    members: Dict[str, Member] = {}
    try:
        for n, member in enumerate(found_in(f, origin, max_size)):
            if n >= MAX_MEMBERS:
                raise StepError("%s has more than %d members" % (origin, MAX_MEMBERS), hint=HARM)
            extracted = stripped(member, strip)
            if extracted is not None:
                # of several members with one name, the last counts, at its own place in the order
                members.pop(extracted.path, None)
                members[extracted.path] = extracted
    except broken() as error:
        raise StepError(
            "%s is neither a tar nor a zip archive that can be read: %s" % (origin, error), hint=HARM
        ) from None
    judge(members, origin)
    if sum(members[m.target].size if m.kind == "same" else m.size for m in members.values()) > max_size:
        raise too_large(origin, max_size)
    if not members:
        raise StepError("%s has nothing to unpack%s" % (origin, " after strip=%d" % strip if strip else ""))
    return list(members.values())


def broken() -> "Tuple[Type[Exception], ...]":
    """Return the exceptions that Python's archive readers raise for malformed bytes."""
    import struct
    import tarfile
    import zipfile

    of_formats = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, struct.error)
    return (*of_formats, EOFError, OSError, ValueError, LookupError, OverflowError, RuntimeError)


def found_in(f: IO[bytes], origin: str, max_size: int) -> Iterator[Member]:
    """Yield the members of an archive; its first bytes decide the format, as a tar may end with a zip."""
    import zipfile

    begin = f.read(4)
    f.seek(0)
    zipped = begin in (b"PK\3\4", b"PK\5\6") or (not tarred(f) and zipfile.is_zipfile(f))
    f.seek(0)
    return zip_members(zipfile.ZipFile(f), origin) if zipped else tar_members(f, origin, max_size)


def tarred(f: IO[bytes]) -> bool:
    """Return whether a file begins like a tar, plain or compressed."""
    f.seek(0)
    begin = f.read(512)
    return begin[257:262] == b"ustar" or begin.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", MAGIC))


def stripped(member: Member, strip: int) -> Optional[Member]:
    """Return a member without leading folders; None if nothing of its name is left."""
    path = shortened(member.path, strip)
    if path is None:
        return None
    target = member.target
    if member.kind == "same":
        target = shortened(target, strip) or ""
    return member._replace(path=path, target=target)


def shortened(path: str, strip: int) -> Optional[str]:
    """Return a path without leading folders, `.` and doubled slashes. Absolute paths stay, to be refused."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        return "/" + path.lstrip("/") if path.startswith("/") else path
    return "/".join(parts[strip:]) or None


def judge(members: Dict[str, Member], origin: str) -> None:
    """Raise StepError for the first member that would land elsewhere, or has no contents."""
    links = {path: m.target for path, m in members.items() if m.kind == "link"}
    kinds = {path: "file" if m.kind == "same" else m.kind for path, m in members.items()}
    for fault in faults(kinds, links):
        raise refused(origin, fault.path, fault.why)
    seen = set()
    for path, member in members.items():
        if "\\" in path:
            raise refused(origin, path, "its path has a backslash in it")
        if path.startswith(".prov-"):
            raise refused(
                origin, path, "earlier versions of prov kept under such names what they had unpacked"
            )
        if member.kind == "same" and member.target not in seen:
            raise refused(origin, path, "it links to %r, which no file before it is called" % member.target)
        if member.kind == "file":
            seen.add(path)


def refused(origin: str, path: str, why: str) -> StepError:
    """Return the error for a refused member."""
    return StepError("%s: %r is refused: %s" % (origin, path, why), hint=HARM)


def too_large(origin: str, max_size: int) -> StepError:
    """Return the error for an archive that grows out of proportion."""
    return StepError(
        "%s holds more than %s" % (origin, size_text(max_size)),
        hint="Nothing has been changed. If it is meant to be that large, raise max_size.",
    )


def safe_mode(mode: int) -> int:
    """Return an entry's permission bits without set-user-ID and write access for others."""
    return (mode & 0o755) | 0o600


# -- tar


def tar_members(f: IO[bytes], origin: str, max_size: int) -> Iterator[Member]:
    """Yield the members of a tar archive. A hard link becomes a copy of the file that it names."""
    import tarfile

    plain = Decompressed(f, origin, max_size)
    archive: Any = tarfile.open(fileobj=plain, mode="r:", encoding="utf-8")  # noqa: SIM115
    for m in iter(archive.next, None):
        # tarfile's records of all members would add up
        archive.members = []
        plain.headers = 0
        if m.size < 0:
            raise StepError("%s: %r has a size below nothing" % (origin, m.name), hint=HARM)
        if m.isdir():
            yield Member(m.name, "dir", 0o755, 0, "", None)
        elif m.issym():
            yield Member(m.name, "link", 0o777, 0, m.linkname, None)
        elif m.islnk():
            yield Member(m.name, "same", safe_mode(m.mode), 0, m.linkname, None)
        elif m.isfile():
            yield Member(m.name, "file", safe_mode(m.mode), m.size, "", opener(archive, m))
        else:
            raise StepError("%s: %r is a device or a pipe, and refused" % (origin, m.name), hint=HARM)
    plain.listed = True


def opener(archive: Any, member: Any) -> "Callable[[], IO[bytes]]":
    """Return a function that opens the contents of a file in a tar archive."""
    return lambda: archive.extractfile(member)


class Decompressed(io.RawIOBase):
    """The bytes of a tar, decompressed within limits.

    It yields at most max_size, plus a header for each member. What is read for one header, which
    tarfile keeps in memory, is limited until all members are listed.
    """

    def __init__(self, f: IO[bytes], origin: str, max_size: int) -> None:
        super().__init__()
        self._origin = origin
        self._max_size = max_size
        self._most = max_size + 2048 * MAX_MEMBERS
        self._f = decompressed(f, self._most)
        self.headers = 0
        self.listed = False

    def read(self, size: int = -1) -> bytes:
        """Read a number of bytes. Raises StepError."""
        self.headers += 0 if self.listed else size
        if size < 0 or max(size, self.headers) > MAX_HEADER:
            raise StepError(
                "%s has a header of more than %s" % (self._origin, size_text(MAX_HEADER)), hint=HARM
            )
        found: bytes = self._f.read(size)
        self._check()
        return found

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer."""
        found = self.read(min(len(buffer), MAX_HEADER))
        buffer[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position. Raises StepError."""
        if whence == 0 and offset > self._most:
            raise too_large(self._origin, self._max_size)
        found: int = self._f.seek(offset, whence)
        self._check()
        return found

    def tell(self) -> int:
        """Return the position."""
        found: int = self._f.tell()
        return found

    def seekable(self) -> bool:
        """Return True: it can be read from any position."""
        return True

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def _check(self) -> None:
        if self._f.tell() > self._most:
            raise too_large(self._origin, self._max_size)


def decompressed(f: IO[bytes], most: int) -> Any:
    """Return a reader of the plain bytes of a file that may be compressed with gzip, bzip2, xz or zstd.

    most: bytes after which it may end; only zstd needs that, the others decompress as they are read.
    """
    import bz2
    import gzip

    f.seek(0)
    begin = f.read(6)
    f.seek(0)
    if begin.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=f)
    if begin.startswith(b"BZh"):
        return bz2.BZ2File(f)
    if begin.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lzma.LZMAFile(f)
    return plain(f, most) if is_zstd(f) else f


# -- zip


def zip_members(archive: Any, origin: str) -> Iterator[Member]:
    """Yield the members of a zip archive."""
    for m in archive.infolist():
        mode = m.external_attr >> 16
        if m.flag_bits & 0x1:
            raise StepError(
                "%s: %r is encrypted, and prov has no password for it" % (origin, m.filename),
                hint="Nothing has been unpacked. Pack it again without encryption.",
            )
        if m.is_dir():
            yield Member(m.filename, "dir", 0o755, 0, "", None)
        elif mode & 0o170000 == 0o120000:
            if m.file_size > MAX_PATH:
                raise refused(origin, m.filename, "its link target is not a path")
            target = archive.read(m).decode("utf-8", "surrogateescape")
            yield Member(m.filename, "link", 0o777, 0, target, None)
        elif mode & 0o170000 not in (0, 0o100000):
            raise StepError("%s: %r is a device or a pipe, and refused" % (origin, m.filename), hint=HARM)
        else:
            opened = lambda m=m: archive.open(m)  # noqa: E731
            yield Member(m.filename, "file", safe_mode(mode or 0o644), m.file_size, "", opened)
