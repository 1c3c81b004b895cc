"""A user of the host who exchanges names as fast as the kernel lets them, and looks what they have won."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

#: what only root may read, and must not get out of where it is
CANARY = "only-root-may-read-this"
#: an account that every distribution has, and no one logs in with
USER = "games"
#: renameat2(2)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
LIBC = ctypes.CDLL(None, use_errno=True)


class Scene:
    """Folders below one: `theirs` belongs to the user, `vault` to root alone, with a file of every name.

    contents: path below `way` -> what the user has there, and what root has in the vault.
    """

    def __init__(self, base: Path, contents: dict[str, tuple[bytes, bytes]]) -> None:
        self.base, self.contents = base, contents
        self.theirs, self.vault = base / "theirs", base / "vault"
        self.way = self.theirs / "way"
        account = pwd.getpwnam(USER)
        self.uid, self.gid = account.pw_uid, account.pw_gid
        for at in (base, *base.parents[:-1]):
            # pytest's own folders are for its user alone
            at.chmod(at.stat().st_mode | 0o011)

    def build(self) -> None:
        """Make everything as it is at first."""
        for folder in (self.theirs, self.vault):
            shutil.rmtree(folder, ignore_errors=True)
        for folder, which, mode in ((self.way, 0, 0o600), (self.vault, 1, 0o600)):
            for name, both in self.contents.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(both[which])
                (folder / name).chmod(mode)
        (self.vault / "only").write_text(CANARY)
        self.vault.chmod(0o700)
        for at in (self.theirs, *self.theirs.rglob("*")):
            os.chown(at, self.uid, self.gid, follow_symlinks=False)

    def locked(self) -> dict[str, tuple[int, ...] | str]:
        """What is in the vault: owners, modes and contents."""
        found: dict[str, tuple[int, ...] | str] = {}
        for at in sorted([self.vault, *self.vault.rglob("*")]):
            st = at.lstat()
            found[f"{at} stat"] = (st.st_uid, st.st_gid, st.st_mode, st.st_nlink)
            if stat.S_ISREG(st.st_mode):
                found[str(at)] = at.read_bytes().hex()
        return found

    def won(self) -> list[str]:
        """What the user can read, now, of what only root may: paths of theirs."""
        found = []
        for here, folders, files in os.walk(self.theirs):
            for at in (Path(here, name) for name in [*folders, *files]):
                st = at.lstat()
                readable = st.st_uid == self.uid or st.st_mode & 0o044
                if stat.S_ISREG(st.st_mode) and readable and CANARY.encode() in at.read_bytes():
                    found.append(str(at))
                if st.st_mode & stat.S_ISUID and st.st_uid == 0 and stat.S_ISREG(st.st_mode):
                    found.append(f"{at} is set-user-ID root")
        return found

    @contextlib.contextmanager
    def race(self) -> Iterator[None]:
        """The user exchanges everything on the way for links to the vault, and back, as long as this lasts."""
        names = {*self.contents, *(str(Path(name).parent) for name in self.contents)}
        pairs = [(self.way / name, self.vault / name) for name in sorted(names)]
        with racing(pairs, self.uid, self.gid):
            yield


@contextlib.contextmanager
def racing(pairs: list[tuple[Path, Path]], uid: int, gid: int) -> Iterator[None]:
    """A process of the user that exchanges each path for a link to another one, again and again."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        exchange_for_ever(pairs, uid, gid, told)
    os.close(told)
    try:
        assert os.read(ready, 1) == b"x", "the user has begun"
        yield
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "the race was on all the time"
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def exchange_for_ever(pairs: list[tuple[Path, Path]], uid: int, gid: int, told: int) -> None:
    """What the user does; never returns."""
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        names = [(os.fsencode(at), os.fsencode(f"{at}.link"), os.fsencode(to)) for at, to in pairs]
        end = time.monotonic() + 60
        began = False
        while time.monotonic() < end:
            for at, other, target in names:
                for _ in range(7):
                    if LIBC.renameat2(AT_FDCWD, at, AT_FDCWD, other, RENAME_EXCHANGE):
                        for missing in (other, at):
                            with contextlib.suppress(OSError):
                                os.symlink(target, missing)  # noqa: PTH211 (as fast as can be)
            if not began:
                began = True
                os.write(told, b"x")
    finally:
        os._exit(1)
