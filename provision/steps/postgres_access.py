"""Who may log in to PostgreSQL, and how; roles call it by postgres.py. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, listed, wanted
from provision.steps.support.psql import ask, check_server, picture, signature
from provision.steps.support.stopped_server import stopped
from provision.steps.text import Block

if TYPE_CHECKING:
    from provision.system.host import System

#: words that a row begins with (PostgreSQL's manual, "The pg_hba.conf File")
KINDS = ("local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc")
#: a row of someone else's, before which ours come: the first that fits a session counts
ROW = r"^\s*(local|host\w*)\s"
#: rows that the server could not read
WRONG = "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL ORDER BY 1"


@wanted()
class Access(Step):
    """Rows of pg_hba.conf, before all others: who may log in, from where, and how.

        rows = postgres.access(c, ['hostssl "shop" "app-shop" all cert'])
        systemd.service(c, "postgresql@15-main", reload_on=[rows])

    rows: as in pg_hba.conf; none removes those of this name.  name: tells them from other rows in the file.
    The server reads them with its next reload. Rows that it could not read are taken back, and the step fails.
    If the server is down, it reads them when it starts, and does not start if it can't read them.
    port, user: as of postgres.role.  Source: PostgreSQL's manual, "The pg_hba.conf File", pg_hba_file_rules.
    """

    rows: Sequence[str]
    name: str = "access"
    port: int = 5432
    user: str = "postgres"

    def label(self) -> str:
        return "postgres access %s" % self.name

    def validate(self) -> None:
        check_server(self.port, self.user)
        check_text(self.name, "name")
        if isinstance(self.rows, str):
            raise ValueError("rows must be a list")
        for row in self.rows:
            check_text(row, "a row")
            if row.split()[0] not in KINDS:
                raise ValueError("a row begins with one of %s: %r" % (listed(KINDS), row))

    def check(self, host: "System") -> Diff:
        path = self._path(host)
        if path is None:
            new = self.rows and not picture(host, self, "access", self.name)
            return Diff([Change("row", "", row) for row in self.rows]) if new else Diff.none("is as wanted")
        return self._block(path).check(host) or Diff.none("is as wanted")

    def apply(self, host: "System", diff: Diff) -> None:
        path = self._path(host)
        if path is None:
            picture(host, self, "access", self.name)["exists"] = True
            return
        before, now = host.files.read(path), host.files.stat(path)
        self._block(path).apply(host, diff)
        down = host.planned or stopped(host, self) is not None
        wrong = None if down else ask(host, self, "postgres", WRONG)
        if wrong and now is not None:
            host.files.write(path, before, now.mode, now.uid, now.gid)
            raise StepError(
                "PostgreSQL could not read %s: line %s: %s" % (path, *wrong[0]),
                hint="The file is as before. Check the rows, and the rest of the file.",
            )

    def fingerprint(self, host: "System") -> str:
        return signature(self)

    def _path(self, host: "System") -> Optional[str]:
        """Where the server has its rows. None in a plan in which there is no server yet."""
        try:
            rows = ask(host, self, "postgres", "SHOW hba_file")
        except StepError:
            server = stopped(host, self)
            if server is None:
                raise
            return server.access
        return rows[0][0] if rows else None

    def _block(self, path: str) -> Block:
        return Block(path, "\n".join(self.rows), self.name, before=ROW, first=True)
