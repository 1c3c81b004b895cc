"""A mirror of a repository on this machine, in a cache that only the user can read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from provision.errors import ProvError
from provision.locks import taken
from provision.sources.git_program import GIT_TIMEOUT, process, run
from provision.sources.urls import Remote
from provision.user_cache import cache_folder

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
LINE = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?)\t(\S+)")
DEFAULT = re.compile(rb"ref: (\S+)\tHEAD")
#: all branches and tags; those that the remote no longer has are removed
BRANCHES = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


class Mirror:
    """The mirror of one URL; it belongs to one process at a time, while its lock is held."""

    def __init__(self, remote: Remote, trees: Path, lock: int) -> None:
        self.remote = remote
        #: the bare repository
        self.path = trees.with_name(f"{trees.name}.git")
        #: checked out commits, one folder each
        self.trees = trees
        #: descriptor of the lock file: processes that git starts keep it open until they end
        self.lock = lock

    def git(self, *arguments: str) -> str:
        """Run git on the mirror. Raises ProvError."""
        return run(arguments, self.remote, mirror=self.path, hold=self.lock).decode("utf-8", "replace")

    def commit_of(self, ref: str | None) -> str:
        """Return the remote's current commit for a ref; None is its default branch. Raises ProvError."""
        if ref is not None and COMMIT.fullmatch(ref) and self.has(ref):
            return ref
        found, default = self.asked()
        if ref is None or ref == "HEAD":
            if "HEAD" not in found:
                raise self.nothing(f"default branch{f' {default!r}' if default else ''} with a commit", found)
            return self.fetched(found["HEAD"])
        for form in ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}"):
            name = form.format(ref)
            if name.startswith("refs/") and name in found:
                return self.fetched(found.get(name + "^{}", found[name]), name)
        if COMMIT.fullmatch(ref):
            return self.fetched(ref)
        # an abbreviated commit, or the output of git describe(1) for one
        self.fetch()
        try:
            words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
            return self.git(*words).strip()
        except ProvError:
            raise self.nothing(repr(ref), found) from None

    def asked(self) -> tuple[dict[str, str], str]:
        """Return the remote's current refs, and the name of its default branch. Raises ProvError."""
        said = run(["ls-remote", "--quiet", "--symref", "--", self.remote.url], self.remote, hold=self.lock)
        found: dict[str, str] = {}
        default = ""
        for line in said.splitlines():
            if match := LINE.fullmatch(line):
                found[match[2].decode("utf-8", "replace")] = match[1].decode()
            elif match := DEFAULT.fullmatch(line):
                default = match[1].decode("utf-8", "replace").removeprefix("refs/heads/")
        return found, default

    def nothing(self, what: str, found: dict[str, str]) -> ProvError:
        """Return the error for a ref that the remote does not have."""
        kinds = ("refs/heads/", "refs/tags/")
        names = [n.partition("/")[2].partition("/")[2] for n in found if n.startswith(kinds) and "^" not in n]
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        hint = f"It has: {', '.join(names[:20])}{more}" if names else "It has neither branches nor tags."
        return ProvError(f"{self.remote.url} has no {what}", hint=hint)

    def has(self, commit: str) -> bool:
        """Return whether the mirror has a commit, with everything that belongs to it."""
        if (self.trees / commit).is_dir():
            return True
        try:
            self.git("rev-list", "--objects", "--no-walk", "--quiet", commit, "--")
        except ProvError:
            return False
        return True

    def fetched(self, commit: str, name: str = "") -> str:
        """Return a commit, once the mirror has it. name: of the remote's ref for it. Raises ProvError."""
        if not self.has(commit):
            self.fetch(
                *([f"+{name}:{name}"] if name and not name.startswith(("refs/heads/", "refs/tags/")) else [])
            )
        if not self.has(commit):
            # not on a branch: many servers deliver it by its name
            with contextlib.suppress(ProvError):
                self._fetch(self.path, f"+{commit}:refs/prov/{commit}")
        if (self.trees / commit).is_dir():
            return commit
        try:
            words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}")
            return self.git(*words).strip()
        except ProvError:
            raise ProvError(f"{self.remote.url} has no commit {commit}", hint="Has it been pushed?") from None

    def fetch(self, *more: str) -> None:
        """Fetch all branches and tags, and more refspecs; a mirror that can't be fetched into is made again.

        Raises ProvError.
        """
        if self.path.is_dir():
            try:
                self._fetch(self.path, *more)
            except ProvError:
                # the remote has answered a moment ago: the mirror may be broken, after a run that died or on
                # a full disk
                self._make(*more)
        else:
            self._make(*more)

    def _make(self, *more: str) -> None:
        """Make the repository, complete or not at all."""
        new = self.path.with_name(f"{self.trees.name}.new.git")
        shutil.rmtree(new, ignore_errors=True)
        form = ["--object-format=sha256"] if self._long() else []
        run(["init", "--quiet", "--bare", "--template=", *form, "--", str(new)], self.remote, hold=self.lock)
        try:
            self._fetch(new, *more)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        shutil.rmtree(self.path, ignore_errors=True)
        new.rename(self.path)

    def _long(self) -> bool:
        """Return whether the remote names its commits by SHA-256."""
        return any(len(commit) == 64 for commit in self.asked()[0].values())

    def _fetch(self, mirror: Path, *more: str) -> None:
        arguments = ["fetch", "--quiet", "--prune", "--no-tags", "--force", "--no-write-fetch-head"]
        with process(
            [*arguments, "--", self.remote.url, *BRANCHES, *more], self.remote, mirror=mirror, hold=self.lock
        ) as (answers, _):
            answers.read()


@contextlib.contextmanager
def locked_mirror(remote: Remote) -> Iterator[Mirror]:
    """Yield the mirror of a URL, locked for this process while the block runs. Raises ProvError."""
    key = hashlib.sha256(f"2 {remote.url}".encode()).hexdigest()[:32]
    top = cache_folder("git")
    try:
        trees = private(top, key)
        lock = os.open(top / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        message = f"could not use the cache {top}: {(error.strerror or str(error)).lower()}"
        raise ProvError(message, hint="Set XDG_CACHE_HOME to use another folder.") from None
    try:
        wait(lock, remote)
        yield Mirror(remote, trees, lock)
    finally:
        os.close(lock)


def private(top: Path, key: str) -> Path:
    """Make and return a folder of the cache that only its user can enter."""
    top.mkdir(parents=True, exist_ok=True)
    folder = top / key
    # folders of an older prov were world-readable
    top.chmod(0o700)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def wait(lock: int, remote: Remote) -> None:
    """Take a lock; another process may be fetching the same repository. Raises ProvError."""
    if not taken(lock, 2 * GIT_TIMEOUT):
        raise ProvError(
            "another process has held this repository for too long",
            where=remote.url,
            hint="End that prov or git, or wait for it.",
        )
