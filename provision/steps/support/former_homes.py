"""Homes that usermod(8) moves, and the owners that it gives to what is in them: kept before, put back by undo.

Shipped with users' steps and undo (Python 3.8, standard library). With a new id, usermod gives a user's files in
the home, and their mailbox, to the new id; with a new primary group, all files in the home with the former group.
The inverse is the same exchange, but for files that had the new ids before, and for what chown(2) clears. Only
these are kept, in homes.jsonl in the run's folder. Source: usermod(8); shadow, lib/chowndir.c.
"""

import contextlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any, Collection, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from provision.steps.base import Change
from provision.system.memory import records
from provision.system.memory.past_runs import Runs, lines
from provision.system.paths import NoWay, open_named, reached, way
from provision.system.processes import of_user
from provision.system.shapes import having, items, mapping
from provision.system.states import below

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.host import System

NAME = "homes.jsonl"
#: where users' mail is (login.defs(5), MAIL_DIR)
MAIL = "/var/mail"
ID = records.MODE["uid"]
#: user, home, uid and gid before and after; path in the home or mailbox -> uid, gid and mode before
ENTRY = having(
    {
        "user": records.TEXT,
        "home": items(records.path, records.path),
        "uid": items(ID, ID),
        "gid": items(ID, ID),
        "special": mapping(items(ID, ID, records.MODE["mode"])),
    }
)
SET_ID = stat.S_ISUID | stat.S_ISGID


class AtHome(NamedTuple):
    """Something in a home. path: a real one.  folder, name: where it is, while it is looked at."""

    path: str
    folder: int
    name: str


class Home(NamedTuple):
    """What happened to a home. was, now: its path; the same if it was not moved.  uid, gid: before and after.
    special: what the inverse exchange would get wrong -> uid, gid and mode before."""

    user: str
    was: str
    now: str
    uid: Tuple[int, int]
    gid: Tuple[int, int]
    special: Dict[str, Sequence[int]]

    @property
    def moved(self) -> bool:
        return self.was != self.now

    @property
    def changed(self) -> bool:
        """Return whether owners changed."""
        return self.uid[0] != self.uid[1] or self.gid[0] != self.gid[1]

    def entry(self) -> Dict[str, Any]:
        return {
            "user": self.user,
            "home": [self.was, self.now],
            "uid": list(self.uid),
            "gid": list(self.gid),
            "special": self.special,
        }

    def changes(self) -> Iterator[Change]:
        """Return what putting it back changes."""
        if self.moved:
            yield Change("home of %s" % self.user, self.now, self.was)
        if self.changed:
            now, was = ("%d:%d" % (self.uid[at], self.gid[at]) for at in (1, 0))
            yield Change("owner of the files in %s" % self.was, now, was)


def keep_home(host: "System", account: "Account", home: str, uid: int, gid: int) -> None:
    """Keep what undo needs, before a home changes its place or owners. Raises StepError, OSError.

    account: as it is now.  home: the path afterwards; the same if the files stay where they are.  uid, gid: as
    they are afterwards.
    """
    write(host, Home(account.name, account.home, home, (account.uid, uid), (account.gid, gid), {}))


def write(host: "System", home: Home, known: Collection[str] = ()) -> None:
    """Add a home to this run's record, if it has one. known: see special. Raises StepError, OSError."""
    journal = host.ledger.record
    if host.files.record is None or journal is None or not journal.id or journal.trouble:
        return
    entry = home._replace(special=special(home, known)).entry()
    path = Runs(host.ledger.home).at(journal.id, NAME)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(json.dumps(entry).encode() + b"\n")
        f.flush()
        os.fsync(f.fileno())


def special(home: Home, known: Collection[str]) -> Dict[str, Sequence[int]]:
    """Return what the inverse exchange would get wrong: files that have the new ids already, or set-id bits.

    known: paths that count as such; those that an undo is about to make so.
    """
    found: Dict[str, Sequence[int]] = {}
    for path, fd in owned(home.was, home.user) if home.changed else ():
        st = os.fstat(fd)
        other = (st.st_uid == home.uid[1] != home.uid[0]) or (st.st_gid == home.gid[1] != home.gid[0])
        if other or path in known or (stat.S_ISREG(st.st_mode) and st.st_mode & SET_ID):
            found[path] = (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode))
    return found


def owned(home: str, user: str) -> "Iterator[Tuple[str, int]]":
    """Yield a home, all that is in it, and the mailbox: a name for it, and a descriptor while it is looked at."""
    for prefix, top in (("", home), ("mail", "%s/%s" % (MAIL, user))):
        with contextlib.suppress(NoWay), way(top, follow=True) as at:
            yield from opened(AtHome("%s." % prefix, at.fd, at.name))
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                for each in below(at.fd, at.name):
                    yield from opened(AtHome("%s/%s" % (prefix, each.path), each.folder, each.name))


def opened(thing: AtHome) -> "Iterator[Tuple[str, int]]":
    """Yield the thing with a descriptor, unless it has gone."""
    try:
        fd = open_named(thing.name, thing.folder)
    except FileNotFoundError:
        return
    try:
        yield thing.path, fd
    finally:
        os.close(fd)


class FormerHomes:
    """Homes of a run to put back.  refused: what is in use, or no longer as the run left it."""

    def __init__(self, host: "System", folder: str) -> None:
        """folder: of the run's record."""
        self.host = host
        self.refused: List[str] = []
        self._all = [read(entry) for entry in lines(os.path.join(folder, NAME), ENTRY)]
        self.work = [home for home in reversed(self._all) if self._differs(home)]

    def labels(self) -> List[str]:
        """Return the steps whose commands are all undone."""
        return ["user %s" % home.user for home in self._all]

    def changes(self) -> List[Change]:
        """Return all that would be put back."""
        return [change for home in self.work for change in home.changes()]

    def busy(self, ending: Sequence[str]) -> Iterator[str]:
        """Return users who still run processes with an id or a home that goes, except of units that end."""
        for home in self.work:
            for each in of_user(home.uid[1]) if home.moved or home.uid[0] != home.uid[1] else ():
                if each.unit not in ending:
                    yield "the user %s (who runs %s)" % (home.user, each)

    def comes_back(self, path: str) -> bool:
        """Return whether a path is in a home that has yet to be moved back to its place."""
        return path.startswith(tuple(home.was + "/" for home in self.work if home.moved))

    def goes(self, path: str) -> bool:
        """Return whether a path is in a home that is to be moved from its place."""
        return path.startswith(tuple(home.now + "/" for home in self.work if home.moved))

    def put_back(self) -> None:
        """Move homes back, and give what is in them to its former owners. Raises StepError, OSError."""
        for home in () if self.host.planned else self.work:
            inverse = Home(home.user, home.now, home.was, home.uid[::-1], home.gid[::-1], {})
            # for an undo of this undo
            write(self.host, inverse, home.special)
            if home.moved and self.host.files.exists(home.now):
                argv = ("mv", "-T", "-n", "--", home.now, home.was)
                self.host.run(argv).require("moving the home of %s back to %s" % (home.user, home.was))
            for path, fd in owned(home.was, home.user) if home.changed else ():
                give(fd, *owner_before(home, path, os.fstat(fd)))

    def _differs(self, home: Home) -> bool:
        """Return whether to put it back; adds to `refused` if the home is no longer where the run left it."""
        now = self.host.accounts.user(home.user)
        if now is None or (now.uid, now.gid, now.home) == (home.uid[0], home.gid[0], home.was):
            return False
        if home.moved and self.host.files.exists(home.was) and self.host.files.exists(home.now):
            self.refused.append("%s (something else is there)" % home.was)
        return True


def read(entry: Dict[str, Any]) -> Home:
    """Return a home from its record."""
    (was, now), uid, gid = entry["home"], entry["uid"], entry["gid"]
    return Home(entry["user"], was, now, uid, gid, entry["special"])


def owner_before(home: Home, path: str, st: os.stat_result) -> "Tuple[int, int, int]":
    """Return the former owner, group and mode of something in a home."""
    mode = stat.S_IMODE(st.st_mode)
    ours = st.st_uid in home.uid
    if not ours and st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
        # of another user, with a name elsewhere: the link may be new
        return st.st_uid, st.st_gid, mode
    if path in home.special:
        uid, gid, former = home.special[path]
        # what the run has left of it, or someone has changed it since
        same = st.st_uid in (uid, home.uid[1]) and st.st_gid in (gid, home.gid[1])
        if same and mode | SET_ID == former | SET_ID:
            return uid, gid, former
    uid = home.uid[0] if st.st_uid == home.uid[1] else st.st_uid
    gid = home.gid[0] if st.st_gid == home.gid[1] else st.st_gid
    return uid, gid, mode


def give(fd: int, uid: int, gid: int, mode: int) -> None:
    """Give what a descriptor refers to an owner and mode. Raises OSError."""
    st = os.fstat(fd)
    if (st.st_uid, st.st_gid) != (uid, gid):
        os.chown(reached(fd), uid, gid)
    if not stat.S_ISLNK(st.st_mode) and stat.S_IMODE(os.fstat(fd).st_mode) != mode:
        os.chmod(reached(fd), mode)
