"""Backups of SQLite databases in use. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
import time
from typing import TYPE_CHECKING, List, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_mode, check_path, step, wanted
from provision.system.identity import as_ids

if TYPE_CHECKING:
    from provision.system.host import System

HOUR = 3600.0


@wanted()
class Backup(Step):
    """A complete copy of an SQLite database, also while programs use it; old copies are removed.

        sqlite.backup(c, "/srv/shop/db.sqlite3", "/var/backups/shop", when=[release])

    database: path of the file.  folder: where copies go, as NAME-20261121T140207Z.sqlite3; made (0700) if its
    parent exists.  max_age: seconds; a copy is made if the newest one is older. With `when`, set it to 0: a
    copy is then made each time.  keep: how many copies stay.  mode, owner, group: of a copy; the default is
    0600 and the login's own.
    SQLite's own backup makes the copy (like `.backup` of sqlite3(1)). It is checked (PRAGMA quick_check)
    before it takes its name.  A database that does not exist yet has nothing to lose: no change.
    Source: sqlite.org/backup.html.
    """

    database: str
    folder: str
    max_age: float = 24 * HOUR
    keep: int = 7
    mode: int = 0o600
    owner: Optional[str] = None
    group: Optional[str] = None

    DEADLINE = 1800.0

    def label(self) -> str:
        return "backup of %s" % self.database

    def validate(self) -> None:
        check_path(self.database, "database")
        check_path(self.folder, "folder")
        check_mode(self.mode)
        if not isinstance(self.keep, int) or self.keep < 1:
            raise ValueError("keep must be 1 or more, not %r" % (self.keep,))
        if self.max_age < 0:
            raise ValueError("max_age must be 0 or more seconds")
        if self.max_age == 0 and not self.when:
            raise ValueError("max_age=0 makes a copy in every run: give `when`, or an age")

    def check(self, host: "System") -> Diff:
        now = host.files.end(self.database)
        if now is None:
            return Diff.none("there is no such database yet")
        if now.uid in (0, os.geteuid()):
            host.files.refuse_shared(
                os.path.dirname(self.database), "SQLite would follow what they put there"
            )
        copies = self._copies(host)
        age = time.time() - host.files.made("%s/%s" % (self.folder, copies[-1])) if copies else None
        if age is not None and age <= self.max_age:
            return Diff.none("the last copy is %d min old" % (max(0.0, age) // 60))
        found = [Change("new copy", "", "%s/%s-..." % (self.folder, self._stem()))]
        return Diff([*found, *(Change("old copy", name, "") for name in self._old(copies))])

    def apply(self, host: "System", diff: Diff) -> None:
        uid, gid = host.owner(self.owner, self.group)
        if host.files.stat(self.folder + "/.") is None:
            host.files.mkdir(self.folder, 0o700, uid, gid)
        old = self._old(self._copies(host))
        name = "%s-%s.sqlite3" % (self._stem(), time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
        if host.planned:
            host.files.write("%s/%s" % (self.folder, name), b"", self.mode, uid, gid)
        else:
            self._copy(host, "%s/%s" % (self.folder, name), uid, gid)
        for each in old:
            host.files.remove("%s/%s" % (self.folder, each))

    def fingerprint(self, host: "System") -> str:
        return " ".join(self._copies(host)[-1:])

    def _stem(self) -> str:
        return self.database.rsplit("/", 1)[-1].rsplit(".", 1)[0]

    def _copies(self, host: "System") -> List[str]:
        """Return the names of copies, oldest first."""
        pattern = re.compile(r"^%s-\d{8}T\d{6}Z\.sqlite3\Z" % re.escape(self._stem()))
        return [name for name in host.files.list(self.folder) if pattern.match(name)]

    def _old(self, copies: List[str]) -> List[str]:
        """Return the copies to remove once a new one is made."""
        return copies[: max(0, len(copies) - self.keep + 1)]

    def _copy(self, host: "System", to: str, uid: int, gid: int) -> None:
        import tempfile

        now = host.files.end(self.database)
        assert now is not None  # the check has found it
        with tempfile.TemporaryDirectory(prefix="prov-backup-", dir="/var/tmp") as folder:
            copy = folder + "/copy"
            if not host.files.shared(self.database):
                self._take(copy)
            else:
                # SQLite opens files next to the database by name: with the owner's rights, it reads only what
                # the owner can read
                os.chown(folder, now.uid, now.gid)
                with as_ids(now.uid, now.gid, groups_of(host, now.uid, now.gid)):
                    self._take(copy)
            host.files.copy(copy, to, self.mode, uid, gid)
        host.files.sync()

    def _take(self, copy: str) -> None:
        """Copy the database to a path and have the copy checked. Raises StepError."""
        import sqlite3
        from urllib.parse import quote

        try:
            source = sqlite3.connect("file:%s?mode=ro" % quote(self.database), uri=True, timeout=60)
            target = sqlite3.connect(copy)
            try:
                source.backup(target)
                # one file, without a log beside it that could get lost
                target.execute("PRAGMA journal_mode=DELETE")
                (verdict,) = target.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                source.close()
                target.close()
        except sqlite3.Error as error:
            raise StepError(
                "%s could not be copied: %s" % (self.database, error),
                hint="Is it an SQLite database, and not locked for minutes? No copy has been made.",
            ) from None
        if verdict != "ok":
            raise StepError(
                "%s is damaged: %s" % (self.database, verdict),
                hint="Older copies have been kept. `sqlite3 %s .recover` may help." % self.database,
            )


def groups_of(host: "System", uid: int, gid: int) -> List[int]:
    """Return the groups of a user, for work done with the user's rights."""
    name = host.accounts.user_name(uid)
    return [gid] if name == str(uid) else os.getgrouplist(name, gid)


backup = step(Backup)
