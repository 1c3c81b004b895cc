"""Files and archives that the host downloads itself. Shipped to hosts (Python 3.8, standard library)."""

import re
import shutil
import tempfile
from typing import IO, TYPE_CHECKING, List, Mapping, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import (
    Change,
    Diff,
    Step,
    changes,
    check_mode,
    check_path,
    listed,
    step,
    wanted,
)
from provision.steps.support.archives import Member, read_members
from provision.steps.support.extraction import put, refuse_in_the_way
from provision.steps.support.fetching import (
    Headers,
    check_digest,
    check_origin,
    check_size,
    fetched,
    wrong_hash,
)
from provision.steps.support.file_changes import (
    attribute_words,
    attributes,
    large_files,
    replaced_mode,
    set_attributes,
    wanted_owner,
)
from provision.steps.support.unpacked import Unpacked, contents, former, remember, remembered
from provision.steps.support.zstandard import zstd_is_foreseen
from provision.system.caches import sha256
from provision.system.source import CHUNK, Source

if TYPE_CHECKING:
    from provision.system.host import System

#: bytes of a download or of an unpacked archive that no one has said another number for
MAX_SIZE = 4 * 1024**3


@wanted()
class Download(Step):
    """A file from a URL, with a known hash.

        fetch.download(c, "https://example.org/tool-1.2", "/usr/local/bin/tool", sha256="9f86d0...",
                       mode=0o755)

    url: http or https; the host asks, not the controller.  path: absolute.
    sha256: 64 hex digits. The file is fetched only if the one at path has another hash, and replaces it
    only when it is complete and has this hash: a lost connection or a wrong file changes nothing.
    headers: of the request; values may be Secrets; they are not sent to other servers after a redirect.
    attempts: tries if the server can't be reached or answers 5xx; pauses double from 1 s.
    max_size: largest size in bytes; a longer download is cut off.
    mode, owner, group: as of files.file.  ca: file of certificates to verify https with, on the host.
    A plan does not download: it shows only size and hash.  Source: urllib.request, RFC 9110.
    """

    url: str
    path: str
    sha256: str
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    headers: Headers = ()  # type: ignore[assignment]
    attempts: int = 3
    ca: str = ""
    max_size: int = MAX_SIZE

    DEADLINE = 1800.0

    def label(self) -> str:
        return "download %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_size(self.max_size)
        check_origin(self.url, self.sha256, self.headers, self.attempts, self.ca)

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is not None and now.kind not in ("file", "link"):
            raise StepError("%s is a %s, expected a file" % (self.path, now.kind))
        new = "%s, sha256 %s..." % (self.url, self.sha256[:12])
        if now is None:
            return Diff([Change("new file", "", new), *attributes(self, host, None, 0o644)])
        content = None
        if now.kind == "link":
            content = Change("link", "-> %s" % now.target, new)
        elif host.files.sha256(self.path) != self.sha256:
            content = Change("content", "sha256 %s..." % host.files.sha256(self.path)[:12], new)
        found = changes(content, *attributes(self, host, now, None))
        return Diff(found) if found else Diff.none("has this hash" + attribute_words(self))

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        if now is not None and not any(c.what in ("content", "link") for c in diff.changes):
            set_attributes(self, host, now)
            return
        mode = self.mode if self.mode is not None else replaced_mode(now, 0o644)
        uid, gid = wanted_owner(self, host, now)
        if host.planned:
            host.files.write(self.path, Source(self.sha256, -1), mode, uid, gid)
            return
        with fetched(host, self) as f:
            host.files.put(f, self.path, mode, uid, gid, self.sha256)
        host.files.sync()

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"


@wanted()
class Unpack(Step):
    """The contents of an archive, in a directory.

        fetch.unpack(c, "https://example.org/tool-1.2.tar.gz", "/opt/tool", sha256="9f86d0...", strip=1)

    archive: a URL (http, https) or an absolute path on the host: tar (plain, gz, bz2, xz; zstd where the host
    has the program zstd) or zip. Its first bytes say which, not its name.
    path: the directory; created if its parent exists.  sha256: of the archive, 64 hex digits.
    strip: number of leading folders to drop from each member, as tar's --strip-components.
    name: distinguishes archives that are unpacked into the same directory.
    owner, group: of all unpacked files; None leaves them, and is the login's own for new files.
    headers, attempts, ca: as of fetch.download.
    verify: also check that the files' contents are unchanged; otherwise only that the files exist.
    max_size: largest size in bytes of the archive, and of its contents; more is refused before anything is
    written.
    Members that would land outside (an absolute path, "..", through a link of the archive or of the
    directory, a link that leads out) are refused before anything is written, and so are devices; set-user-ID
    bits and writing by group and others are dropped (PEP 706, the "data" filter). Hard links become copies,
    sparse files whole ones.
    prov records, where only root can write, which files came from which archive. Files of an older archive
    that the new one lacks are removed; other files stay, and a missing file is unpacked again.
    """

    archive: str
    path: str
    sha256: str
    strip: int = 0
    name: str = "archive"
    owner: Optional[str] = None
    group: Optional[str] = None
    headers: Headers = ()  # type: ignore[assignment]
    attempts: int = 3
    ca: str = ""
    max_size: int = MAX_SIZE
    verify: bool = False

    DEADLINE = 3600.0

    @property
    def url(self) -> str:
        return self.archive

    def label(self) -> str:
        return "unpack %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if not re.match(r"^[A-Za-z0-9][\w.-]*\Z", self.name):
            raise ValueError("name must be of letters, digits, '.', '-' and '_': %r" % self.name)
        if not isinstance(self.strip, int) or self.strip < 0:
            raise ValueError("strip must be a number of folders, not %r" % (self.strip,))
        check_size(self.max_size)
        if self.archive.startswith("/"):
            check_path(self.archive, "archive")
            check_digest(self.sha256)
        else:
            check_origin(self.archive, self.sha256, self.headers, self.attempts, self.ca)

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path + "/.")
        if now is None and host.files.stat(self.path) is not None:
            raise StepError("%s is not a directory" % self.path)
        before = remembered(host, self.path, self.name)
        new = "%s, sha256 %s..." % (self.archive, self.sha256[:12])
        if before.sha256 != self.sha256 or before.strip != self.strip:
            old = before.sha256
            return Diff([Change("archive", "sha256 %s..." % old[:12] if old else "", new)])
        missing, others, changed = self._drift(host, before)
        words = ["missing: %s" % listed(missing)] if missing else []
        words += ["changed: %s" % listed(changed)] if changed else []
        if words:
            return Diff([Change("unpacked again", "", "; ".join(words))])
        if others:
            who = ":".join(name or "" for name in (self.owner, self.group))
            return Diff([Change("owner", "", "%s of %s" % (who, listed(others)))])
        return Diff.none("has the %d files of this archive" % len(before.members))

    def _drift(self, host: "System", before: Unpacked) -> "Tuple[List[str], List[str], List[str]]":
        """What was unpacked and is missing, what has another owner, and what has other contents (if asked
        for)."""
        missing, others, changed = [], [], []
        uid, gid = host.owner(self.owner, self.group)
        for member in before.members:
            at = "%s/%s" % (self.path, member)
            now = host.files.stat(at)
            if now is None:
                missing.append(member)
                continue
            if (self.owner is not None and now.uid != uid) or (self.group is not None and now.gid != gid):
                others.append(member)
            if self.verify and contents(host, at, now) != before.contents.get(member):
                changed.append(member)
        return missing, others, changed

    def apply(self, host: "System", diff: Diff) -> None:
        uid, gid = host.owner(self.owner, self.group)
        was = remembered(host, self.path, self.name)
        before = was.members
        if diff.changes[0].what == "owner":
            self._own(host, was, uid, gid)
            return
        if host.planned:
            self._foresee(host, before)
            self._folder(host, uid, gid)
            self._remember(host, self.sha256, (), {})
            return
        with self._opened(host) as f:
            members = self._judged(host, f, before)
            self._folder(host, uid, gid)
            names = [m.path for m in members if m.kind != "dir"]
            # cut short, it is neither taken for the old archive nor for the new one
            self._remember(host, "", sorted({*before, *names}), {})
            self._make_way(host, before, members)
            for member in members:
                put(host, self.path, member, self.archive, uid, gid)
        stamp = former(self.path, self.name)
        now = host.files.stat(stamp)
        if now is not None and now.kind != "dir":
            host.files.remove(stamp)
        host.files.sync()
        found = {m: contents(host, "%s/%s" % (self.path, m)) for m in names}
        self._remember(host, self.sha256, names, found)

    def _own(self, host: "System", was: Unpacked, uid: int, gid: int) -> None:
        for member in self._drift(host, was)[1]:
            at = "%s/%s" % (self.path, member)
            now = host.files.stat(at)
            assert now is not None  # it has been looked at
            host.files.set_owner(
                at, now.uid if self.owner is None else uid, now.gid if self.group is None else gid
            )

    def _make_way(self, host: "System", before: Sequence[str], members: "Sequence[Member]") -> None:
        """Remove what came from the archive before and is not in this one, and folders that are files now."""
        extracted = {m.path for m in members if m.kind != "dir"}
        for gone in sorted(set(before) - extracted):
            if host.files.stat("%s/%s" % (self.path, gone)) is not None:
                host.files.remove("%s/%s" % (self.path, gone))
        for path in sorted(extracted):
            now = host.files.stat("%s/%s" % (self.path, path))
            if now is not None and now.kind == "dir":
                # judged before: nothing is in it any more, but folders
                host.files.remove("%s/%s" % (self.path, path))

    def fingerprint(self, host: "System") -> str:
        return remembered(host, self.path, self.name).sha256

    def _remember(
        self, host: "System", sha256: str, members: Sequence[str], found: Mapping[str, str]
    ) -> None:
        remember(host, self.path, self.name, Unpacked(sha256, self.strip, members, found))

    def _folder(self, host: "System", uid: int, gid: int) -> None:
        """Make the directory, if it is not there."""
        if host.files.stat(self.path + "/.") is None:
            host.files.mkdir(self.path, 0o755, uid, gid)

    def _judged(self, host: "System", f: IO[bytes], before: Sequence[str]) -> "List[Member]":
        """The archive's members, none of which lands elsewhere. before: what came from it earlier, and makes
        way."""
        members = read_members(f, self.strip, self.archive, self.max_size)
        refuse_in_the_way(host, self.path, members, self.archive, before)
        return members

    def _foresee(self, host: "System", before: Sequence[str]) -> None:
        """Refuse in a plan what the deploy would, if the archive is on this host already."""
        if not self.archive.startswith("/") or not host.runnable(self.archive):
            return
        with host.files.open(self.archive) as f:
            # an earlier step of the plan may put another one there
            if sha256(f) == self.sha256:
                f.seek(0)
                if not zstd_is_foreseen(host, f):
                    self._judged(host, f, before)

    def _opened(self, host: "System") -> IO[bytes]:
        """The archive's bytes, hash checked."""
        if not self.archive.startswith("/"):
            return fetched(host, self)
        if not host.files.exists(self.archive):
            raise StepError("this host has no archive %s" % self.archive)
        # a copy: its owner could still write into it after it was judged
        copy = tempfile.TemporaryFile(dir=large_files())  # noqa: SIM115 (given to the caller)
        with host.files.open(self.archive) as f:
            shutil.copyfileobj(f, copy, CHUNK)
        copy.seek(0)
        found = sha256(copy)
        if found != self.sha256:
            copy.close()
            raise wrong_hash(self.archive, found, self.sha256)
        copy.seek(0)
        return copy


download = step(Download)
unpack = step(Unpack)
