"""What is in tar and zip archives, judged before any of it is unpacked. Shipped to hosts (Python 3.8)."""

from typing import IO, Any, Dict, List, NamedTuple, Optional, Sequence

from provision.errors import StepError


class Member(NamedTuple):
    """One member. path: below the directory, leading folders left out.  kind: "file", "dir" or "link"."""

    path: str
    kind: str
    mode: int
    target: str
    open: Any


def read_members(f: IO[bytes], strip: int, origin: str) -> List[Member]:
    """What is in an archive, judged: nothing of it leads outside. Raises StepError."""
    import tarfile
    import zipfile

    try:
        if zipfile.is_zipfile(f):
            found = zip_members(zipfile.ZipFile(f))
        else:
            f.seek(0)
            found = tar_members(tarfile.open(fileobj=f), origin)  # noqa: SIM115
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise StepError(
            "%s is neither a tar nor a zip archive that can be read: %s" % (origin, error)
        ) from None
    members: Dict[str, Member] = {}
    for member in found:
        parts = [p for p in member.path.split("/") if p not in ("", ".")]
        if member.path.startswith("/") or ".." in parts or "\0" in member.path or "\\" in member.path:
            raise outside(origin, member.path, "its path")
        if member.kind == "link" and leads_out(parts, member.target, strip):
            raise outside(origin, member.path, "a link to %s" % member.target)
        if len(parts) > strip:
            path = "/".join(parts[strip:])
            members[path] = member._replace(path=path)
    for path in members:
        above = path.split("/")[:-1]
        for n in range(1, len(above) + 1):
            link = members.get("/".join(above[:n]))
            if link is not None and link.kind != "dir":
                raise outside(origin, path, "the way through %s, which is a %s" % (link.path, link.kind))
    if not members:
        raise StepError("%s has nothing to unpack%s" % (origin, " after strip=%d" % strip if strip else ""))
    return list(members.values())


def outside(origin: str, path: str, what: str) -> StepError:
    """The refusal of an entry that would land elsewhere."""
    return StepError(
        "%s: %r is refused: %s leads outside of the directory" % (origin, path, what),
        hint="Nothing has been unpacked. Such an archive is broken, or meant to do harm.",
    )


def leads_out(parts: Sequence[str], target: str, strip: int) -> bool:
    """Whether a link at that place of the archive points out of the directory."""
    place = list(parts[strip:-1])
    if target.startswith("/"):
        return True
    for word in target.split("/"):
        if word == "..":
            if not place:
                return True
            place.pop()
        elif word not in ("", "."):
            place.append(word)
    return False


def safe_mode(mode: int) -> int:
    """An entry's permission bits without what only its packer wanted: set-user-ID and writing by others."""
    return (mode & 0o755) | 0o600


def tar_members(archive: Any, origin: str) -> List[Member]:
    """The entries of a tar archive."""
    found = []
    for m in archive:
        if m.isdir():
            found.append(Member(m.name, "dir", 0o755, "", None))
        elif m.issym():
            found.append(Member(m.name, "link", 0o777, m.linkname, None))
        elif m.isfile() or m.islnk():
            # of a hard link, tarfile gives the contents of what it links to
            found.append(
                Member(m.name, "file", safe_mode(m.mode), "", lambda m=m: opened_member(archive, m, origin))
            )
        else:
            raise StepError("%s: %r is a device or a pipe, and refused" % (origin, m.name))
    return found


def opened_member(archive: Any, member: Any, origin: str) -> IO[bytes]:
    """The contents of an entry of a tar archive. Raises StepError if it has none."""
    try:
        found: Optional[IO[bytes]] = archive.extractfile(member)
    except KeyError:
        found = None
    if found is None:
        raise StepError("%s: %r links to nothing in the archive" % (origin, member.name))
    return found


def zip_members(archive: Any) -> List[Member]:
    """The entries of a zip archive."""
    found = []
    for m in archive.infolist():
        mode = m.external_attr >> 16
        if m.is_dir():
            found.append(Member(m.filename, "dir", 0o755, "", None))
        elif mode & 0o170000 == 0o120000:
            found.append(Member(m.filename, "link", 0o777, archive.read(m).decode(), None))
        else:
            found.append(
                Member(m.filename, "file", safe_mode(mode or 0o644), "", lambda m=m: archive.open(m))
            )
    return found
