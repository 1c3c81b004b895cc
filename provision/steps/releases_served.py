"""Which release of an application is in service, and what going back to another one takes.

Shipped to hosts (Python 3.8, standard library).
"""

import json
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, listed, step, wanted
from provision.steps.releases import is_built
from provision.steps.service_environment import entries_of
from provision.steps.support.served_releases import BACK
from provision.system.memory.records import Damaged
from provision.system.memory.release_book import (
    empty_book,
    newer,
    next_deploy,
    obstacle,
    path_in,
    read_book,
    signed,
    write_book,
)
from provision.system.writers import systemd_environment

if TYPE_CHECKING:
    from provision.system.host import System

#: how such files begin
SQLITE = b"SQLite format 3\0"


@wanted()
class ReleaseServed(Step):
    """Record which instance of an application is in service, once the front has switched to it.

    home: such as /srv/shop.  instance, release: their names.  about: what serving it again takes, as JSON.
    migrations: those that its database has got, as paths in the source.
    again: a rollback. What the host remembers of the instance and of the database stays as it is.
    hold: hold further deploys of the application from now on.
    """

    home: str
    instance: str
    release: str
    about: str
    migrations: Sequence[str] = ()
    again: bool = False
    hold: bool = False

    def label(self) -> str:
        return "release of %s in service" % self.home

    def validate(self) -> None:
        check_path(self.home, "home")
        check_text(self.instance, "instance")
        check_text(self.release, "release")
        if not self.again:
            json.loads(self.about)

    def check(self, host: "System") -> Diff:
        book = self._book(host)
        before = book["instances"].get(self.instance, {})
        left = book["instances"].get(book["live"], {}).get("release", "")
        found: List[Change] = []
        if book["live"] != self.instance:
            what = "release" if left != self.release else "instance"
            said = (left, self.release) if left != self.release else (book["live"], self.instance)
            found.append(Change(what, *said))
        elif not self.again and (
            before["about"] != json.loads(self.about) or book["schema"] != sorted(self.migrations)
        ):
            found.append(Change("settings", "", self.release))
        if self.hold and not book["hold"]:
            found.append(Change("deploys", "", "held"))
        why = BACK if self.again and book["live"] != self.instance else ""
        return Diff(found, why) if found else Diff.none("is %s" % self.release)

    def apply(self, host: "System", diff: Diff) -> None:
        book, by = self._book(host), signed(host)
        instances, live = book["instances"], book["live"]
        if self.hold:
            left = instances.get(live, {}).get("release", "")
            book["hold"] = {"who": by["who"], "at": by["at"], "left": left, "back_to": self.release}
        if not self.again:
            entry = instances.get(self.instance) if live == self.instance else None
            entry = entry or {**by, "release": self.release, "deploy": next_deploy(book)}
            instances[self.instance] = {**entry, "about": json.loads(self.about)}
            book["schema"] = sorted(self.migrations)
        if live != self.instance:
            book["before"] = live
        book["live"] = self.instance
        write_book(host, self.home, book)

    def fingerprint(self, host: "System") -> str:
        path = path_in(self.home)
        return host.files.sha256(path) if host.files.exists(path) else "absent"

    def _book(self, host: "System") -> Dict[str, Any]:
        try:
            return read_book(host, self.home)
        except Damaged:
            # nothing can be read from it: the release in service begins a new one
            return empty_book()


@wanted()
class ReleasesKnown(Step):
    """The releases of applications, as JSON in the outcome's stdout: by home, what its book says. Changes nothing.

    homes: such as /srv/shop. Each instance has, besides what the book has of it, "why": why it can't be served
    again, or "". Releases that no book has are under "unrecorded", and those of them that were built ahead under
    "built".
    """

    homes: Sequence[str]

    def label(self) -> str:
        return "releases of %s" % listed([home.rsplit("/", 1)[-1] for home in self.homes])

    def validate(self) -> None:
        for home in self.homes:
            check_path(home, "homes")

    def check(self, host: "System") -> Diff:
        self.scratch["stdout"] = json.dumps({home: self._known(host, home) for home in self.homes})
        return Diff.none("read")

    def _known(self, host: "System", home: str) -> Dict[str, Any]:
        try:
            book = read_book(host, home)
        except Damaged as error:
            return {"damaged": "%s: %s" % (path_in(home), error)}
        for entry in book["instances"].values():
            entry["why"] = obstacle(host, home, entry)
        recorded = {entry["release"] for entry in book["instances"].values()}
        folder = home + "/releases"
        there = host.files.list(folder) if host.files.exists(folder) else []
        current = host.files.stat(home + "/current")
        book["current"] = current.target.rsplit("/", 1)[-1] if current is not None else ""
        book["unrecorded"] = [name for name in there if name not in recorded]
        book["built"] = [name for name in book["unrecorded"] if is_built(host, home, name)]
        return book

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("reading changes nothing")


@wanted()
class EnvironmentBefore(Step):
    """The environment file of an application as an earlier release had it.

    path: of the file.  values: the variables that are not secret.  secrets: names of those that are; they
    keep the values that the file has now, as passwords change for all releases.
    """

    path: str
    values: Mapping[str, str]
    secrets: Sequence[str] = ()

    def label(self) -> str:
        return "file %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        for name in (*self.values, *self.secrets):
            check_text(name, "name of a variable")

    def check(self, host: "System") -> Diff:
        wanted, now = self._text(host), host.files.read(self.path)
        if wanted.encode() == now:
            return Diff.none("has these contents")
        before, after = entries_of(now.decode()), entries_of(wanted)
        names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
        return Diff([Change("content", "********", "********")], why="differs: %s" % listed(names, most=20))

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.write(self.path, self._text(host).encode(), 0o600, *host.owner("root", "root"))

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"

    def _text(self, host: "System") -> str:
        if host.files.stat(self.path) is None:
            raise StepError("%s is missing" % self.path, hint="Deploy the application first.")
        now = entries_of(host.files.read(self.path).decode())
        missing = [name for name in self.secrets if name not in now]
        if missing:
            raise StepError(
                "this release needs secrets that the application no longer has: %s"
                % listed(missing, most=20),
                hint="Add them to `secrets` in the inventory and deploy, or deploy the earlier commit instead.",
            )
        lines = {name: systemd_environment(value) for name, value in self.values.items()}
        lines.update((name, now[name]) for name in self.secrets)
        return "".join("%s=%s\n" % pair for pair in sorted(lines.items()))


@wanted()
class SchemaKnown(Step):
    """Code that knows all migrations that its database has got. Changes nothing.

    home: such as /srv/shop.  migrations: those of the code, as paths in the source.
    risks: what some of them do that other code can't bear, by path.  rewrites: tables that they may copy in SQLite.
    data: a folder whose files are looked at for databases of SQLite, for `rewrites`.
    If a release is in service, the outcome's stdout is JSON: "risks" and "rewrites" of the pending ones, a text each.
    Raises an error with the list if the database has later ones, as code that is deployed may be older than
    the schema. What the host remembers comes from its deploys; a migration by hand is not known.
    """

    home: str
    migrations: Sequence[str]
    risks: Mapping[str, Sequence[str]] = ()  # type: ignore[assignment]
    rewrites: Mapping[str, Sequence[str]] = ()  # type: ignore[assignment]
    data: str = ""

    def label(self) -> str:
        return "migrations of %s" % self.home.rsplit("/", 1)[-1]

    def validate(self) -> None:
        check_path(self.home, "home")
        if self.data:
            check_path(self.data, "data")

    def check(self, host: "System") -> Diff:
        try:
            book = read_book(host, self.home)
        except Damaged:
            return Diff.none("the host does not remember any")
        schema = book["schema"]
        if schema and book["live"]:
            risks = ["%s %s" % pair for pair in pending(self.risks, schema)]
            self.scratch["stdout"] = json.dumps({"risks": risks, "rewrites": self._rewrites(host, schema)})
        later = newer(schema, self.migrations)
        if later:
            raise StepError(
                "the database has migrations that this code does not know: %s" % listed(later, most=20),
                hint="Migrate back with the newer code first (prov manage HOST APP migrate ...), and deploy with"
                " --force. Without that, --force risks errors and lost data wherever the code meets the newer schema.",
            )
        return Diff.none("are those of the database, or later")

    def _rewrites(self, host: "System", schema: Sequence[str]) -> List[str]:
        """Return what pending migrations do to databases of SQLite."""
        found = pending(self.rewrites, schema)
        databases = list(sqlite_files(host, self.data)) if found else []
        if not databases:
            return []
        return [
            "%s may copy the table of %s in %s; what writes then waits, and fails after SQLite's timeout (Django: 5 s)"
            % (path, table, listed(databases))
            for path, table in found
        ]

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("asking changes nothing")


def pending(said: Mapping[str, Sequence[str]], schema: Sequence[str]) -> "List[Tuple[str, str]]":
    """Return what is said of migrations that a database has not got, with their paths."""
    return [(path, line) for path, lines in dict(said).items() if path not in schema for line in lines]


def sqlite_files(host: "System", folder: str) -> Iterator[str]:
    """Yield the databases of SQLite in a folder, each as "shop.sqlite3 (34 MB)" (sqlite.org/fileformat.html)."""
    if host.files.stat(folder) is None:
        return
    for name in host.files.list(folder):
        path = "%s/%s" % (folder, name)
        found = host.files.stat(path)
        if found is not None and found.kind == "file":
            with host.files.open(path) as f:
                if f.read(len(SQLITE)) == SQLITE:
                    yield "%s (%d MB)" % (name, -(-found.size // 1000000))


release_served = step(ReleaseServed)
releases_known = step(ReleasesKnown)
environment_before = step(EnvironmentBefore)
schema_known = step(SchemaKnown)
