"""Steps that record the releases of an application in its platform, as hosts record theirs (steps/releases_served.py).

A record has what going back takes; which release is in service; the migrations that the database has got; and who
holds further deploys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from provision.apps.migration_risks import code_before
from provision.controller import project_commit
from provision.controller.events import Attention
from provision.controller.run_options import who
from provision.errors import ProvError
from provision.platforms.platform_run import Note
from provision.platforms.target_records import TargetRecords
from provision.steps.base import Change, Diff, listed
from provision.steps.releases_served import pending
from provision.system.memory.ledger import now
from provision.system.memory.records import Damaged, understood
from provision.system.memory.release_book import (
    BOOK,
    VERSION,
    empty_book,
    held,
    in_order,
    newer,
    next_deploy,
    person,
)


class ReleaseBook:
    """What a platform remembers of an application's releases; it is read once."""

    def __init__(self, records: TargetRecords, app: str) -> None:
        self.target = records.target
        self.app = app
        self._records = records
        self._name = f"releases/{app}"
        self._found: dict[str, Any] | None = None
        self._version = ""

    def read(self) -> dict[str, Any]:
        """Return the book; an empty one if there is none, or a damaged one. Raises ProvError."""
        try:
            return self.read_whole()
        except Damaged:
            # the release in service begins a new one
            self._found = empty_book()
            return self._found

    def read_whole(self) -> dict[str, Any]:
        """Return the book; an empty one if there is none. Raises Damaged, ProvError."""
        if self._found is None:
            record = self._records.read(self._name)
            self._version = record.version
            found = understood(record.text.encode(), BOOK) if record.text else empty_book()
            if found["version"] > VERSION:
                raise ProvError(f"a newer prov has deployed {self.app}", hint="Use that version.")
            self._found = {**empty_book(), **found}
        return self._found

    def write(self, book: Mapping[str, Any]) -> None:
        """Replace the book. Raises ProvError."""
        text = json.dumps(book, sort_keys=True, separators=(",", ":"))
        self._version = self._records.write(self._name, text, self._version).version
        self._found = dict(book)


class DeploysAllowed:
    """An application whose deploys no rollback holds. A plan says what a deploy would refuse."""

    def __init__(self, book: ReleaseBook, note: Note, *, plan: bool) -> None:
        self.name = f"deploys of {book.app} are allowed"
        self._book = book
        self._note = note
        self._plan = plan

    def check(self) -> Diff:
        """Raise ProvError if they are held."""
        book = self._book
        hold = book.read()["hold"]
        if not hold:
            return Diff.none("nothing holds them")
        said = held(book.app, hold)
        if not self._plan:
            raise ProvError(said, hint=f"Once the cause is gone:  prov resume {book.target} {book.app}")
        self._note(f"{said}; a deploy refuses")
        return Diff.none(said)

    def apply(self, note: Note) -> None:
        """Asking changes nothing."""


class MigrationsRecorded:
    """Code that knows all migrations that its database has got; once they have run, the book has those of the code.

    risks: returns what some of them do that other code can't bear, by path; a plan asks it.
    """

    def __init__(
        self,
        book: ReleaseBook,
        migrations: Sequence[str],
        *,
        force: bool,
        risks: Callable[[], Mapping[str, Sequence[str]]] = dict,
    ) -> None:
        self.name = f"migrations of {book.app}"
        self._book = book
        self._migrations = sorted(migrations)
        self._force = force
        self._risks = risks

    def check(self) -> Diff:
        """Return what the book lacks. Raises ProvError if the database has later ones."""
        schema = self._book.read()["schema"]
        later = newer(schema, self._migrations)
        if later and not self._force:
            raise ProvError(
                f"the database has migrations that this code does not know: {listed(later, most=20)}",
                hint="Migrate back with the newer code first, and deploy with --force. Without that, --force risks"
                " errors and lost data wherever the code meets the newer schema.",
            )
        if schema == self._migrations:
            return Diff.none("are those of the database")
        before, after = (set(each) for each in (schema, self._migrations))
        gone, new = (listed(sorted(each), most=20) for each in (before - after, after - before))
        return Diff([Change("migrations", gone, new)])

    def apply(self, note: Note) -> None:
        """Note what the database has now."""
        self._book.write({**self._book.read(), "schema": self._migrations})

    def foreseen(self) -> Iterator[Attention]:
        """Yield what pending migrations do to the release in service. Raises ProvError."""
        book, app = self._book.read(), self._book.app
        if book["schema"] and book["live"]:
            for path, line in pending(self._risks(), book["schema"]):
                yield Attention(self._book.target, code_before(f"{path} {line}", app))


class ReleaseRecorded:
    """Records which instance of an application is in service.

    about: what going back to it takes, and its `migrations`; None for a rollback, which keeps what is recorded.
    keep: how many instances stay.  hold: hold further deploys from now on.
    """

    def __init__(
        self,
        book: ReleaseBook,
        instance: str,
        release: str,
        about: Mapping[str, Any] | None,
        *,
        keep: int = 0,
        hold: bool = False,
    ) -> None:
        self.name = f"release of {book.app} in service"
        self._book = book
        self._instance = instance
        self._release = release
        self._about = about
        self._keep = keep
        self._hold = hold

    def check(self) -> Diff:
        """Return what the book lacks."""
        book, found = self._book.read(), []
        live = book["live"]
        left = book["instances"].get(live, {}).get("release", "")
        if live != self._instance:
            same = left == self._release
            found.append(
                Change("instance", live, self._instance) if same else Change("release", left, self._release)
            )
        elif self._about is not None and book["instances"].get(live, {}).get("about") != self._about:
            found.append(Change("settings", "", self._release))
        if self._hold and not book["hold"]:
            found.append(Change("deploys", "", "held"))
        return Diff(found) if found else Diff.none(f"is {self._release}")

    def apply(self, note: Note) -> None:
        """Note it."""
        book = self._book.read()
        by, hold = {"who": who(), "commit": project_commit.commit(), "at": now()}, book["hold"]
        if self._hold:
            left = book["instances"].get(book["live"], {}).get("release", "")
            hold = {"who": by["who"], "at": by["at"], "left": left, "back_to": self._release}
        instances = self._instances(by)
        self._book.write({**book, "live": self._instance, "instances": instances, "hold": hold})

    def remaining(self) -> list[Mapping[str, Any]]:
        """Return what the book has of each instance, once this was applied. Raises ProvError."""
        return [entry["about"] for entry in self._instances({"at": now()}).values()]

    def _instances(self, by: Mapping[str, str]) -> dict[str, Any]:
        """Return the instances of the book, with this one. by: who deploys, from which commit, and when."""
        book = self._book.read()
        instances = dict(book["instances"])
        if self._about is None:
            return instances
        entry = instances.get(self._instance) if book["live"] == self._instance else None
        instances[self._instance] = {
            **(entry or {**by, "release": self._release, "deploy": next_deploy(book)}),
            "about": dict(self._about),
        }
        return newest(instances, self._instance, self._keep)


class DeploysResumed:
    """An application whose deploys are no longer held."""

    def __init__(self, book: ReleaseBook) -> None:
        self.name = f"deploys of {book.app}"
        self._book = book

    def check(self) -> Diff:
        """Return the hold."""
        hold = self._book.read()["hold"]
        if not hold:
            return Diff.none("are not held")
        return Diff([Change("hold", f"by {person(hold['who'])}, {hold['at']}", "")])

    def apply(self, note: Note) -> None:
        """Lift it."""
        self._book.write({**self._book.read(), "hold": None})


def newest(instances: Mapping[str, Any], live: str, keep: int) -> dict[str, Any]:
    """Return the newest instances, and the live one. keep: how many."""
    ordered = [name for name, _ in in_order({"instances": instances})]
    stay = {live, *ordered[-keep:]}
    return {name: entry for name, entry in instances.items() if name in stay}
