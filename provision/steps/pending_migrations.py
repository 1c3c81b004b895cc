"""What the migrations of a release would do to its database, asked of the release itself. Shipped to hosts (Python 3.8,
standard library)."""

import json
from typing import TYPE_CHECKING, Any, Dict, Sequence

from provision.errors import StepError
from provision.steps.base import Diff, check_path, check_text, step, wanted
from provision.steps.support.execution import check_argv
from provision.steps.support.user_processes import UserProcess
from provision.system.memory.records import Damaged
from provision.system.memory.release_book import empty_book, read_book
from provision.system.shapes import Misshapen, having, listing, text

if TYPE_CHECKING:
    from provision.system.host import System

#: seconds
ASKING = 120.0
#: how the line with the answer begins
ANSWERS = "PROV-MIGRATIONS "
SHORT = text(1000)
#: a pending migration: its statements in SQL, what of it is Python code, and why neither could be told
MIGRATION = having({"name": SHORT, "sql": text(50000), "python": listing(SHORT, 1000), "why": text(5000)})
ANSWER = having({"migrations": listing(MIGRATION, 1000), "why": text(5000)})
NOT_BUILT = "the release is not on the host yet"


@wanted()
class PendingMigrations(UserProcess):
    """The pending migrations of a release, as JSON in the outcome's stdout (ANSWER). Changes nothing.

    home: such as /srv/shop.  release: its name.  migrations: those of its source, as paths there.
    argv: a program of the release that answers with a line of ANSWERS and JSON; empty if there is none.
    user, cwd, environment, credentials: of the program.
    A plan asks only releases that are on the host and not in service. If the release is not on the host, the
    answer has the paths of migrations that the database has not got, as far as the host remembers.
    """

    home: str
    release: str
    migrations: Sequence[str]
    argv: Sequence[str] = ()

    DEADLINE = 2 * ASKING

    def label(self) -> str:
        return "pending migrations of %s" % self.home.rsplit("/", 1)[-1]

    def validate(self) -> None:
        check_path(self.home, "home")
        check_text(self.release, "release")
        if self.argv:
            check_argv(self.argv, "argv")
        super().validate()

    def check(self, host: "System") -> Diff:
        try:
            book = read_book(host, self.home)
        except Damaged:
            # nothing can be read from it: the release in service begins a new one
            book = empty_book()
        serves = book["instances"].get(book["live"], {}).get("release", "")
        if host.planned and serves in ("", self.release):
            return Diff.none("are applied" if serves else "will be all that it has")
        if host.planned and self.argv and not self._is_there(host):
            found = self._unasked(book["schema"], NOT_BUILT)
        elif not self.argv:
            found = self._unasked(
                book["schema"], "prov knows the SQL of Django's and Alembic's migrations only"
            )
        else:
            found = self._asked(host)
        self.scratch["stdout"] = json.dumps(found)
        return Diff.none("%d found" % len(found["migrations"]))

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("asking changes nothing")

    def _is_there(self, host: "System") -> bool:
        """Return whether a release of an earlier run can be asked."""
        paths = [word for word in self.argv if word.startswith("/")]
        return self.there(host, self.argv) and all(map(host.runnable, paths))

    def _unasked(self, schema: Sequence[str], why: str) -> Dict[str, Any]:
        """Return the answer of the host's own memory. schema: migrations that the database has got."""
        paths = [path for path in self.migrations if path not in schema]
        found = [{"name": path, "sql": "", "python": [], "why": ""} for path in paths]
        return {"migrations": found, "why": why if found else ""}

    def _asked(self, host: "System") -> Dict[str, Any]:
        """Return the answer of the release's own program."""
        try:
            result = host.ask(self.argv, **{**self.options(host), "timeout": ASKING})
        except StepError as error:
            return {"migrations": [], "why": error.message}
        lines = [line for line in result.stdout.splitlines() if line.startswith(ANSWERS)]
        if not lines:
            last = (result.stderr.strip().splitlines() or ["it has not answered"])[-1]
            return {"migrations": [], "why": "%s (exit status %d)" % (last[:1000], result.status)}
        try:
            found: Dict[str, Any] = ANSWER(json.loads(lines[-1][len(ANSWERS) :]))
        except (ValueError, Misshapen) as error:
            return {"migrations": [], "why": "its answer can't be read: %s" % error}
        return found


pending_migrations = step(PendingMigrations)
