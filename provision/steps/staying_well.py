"""Applications that stay well for a while after a deploy. Shipped to hosts (Python 3.8, standard library)."""

import json
import re
import time
from typing import TYPE_CHECKING, Dict, List, Mapping, Sequence, Set, Tuple

from provision.errors import StepError
from provision.steps.application_logs import tail
from provision.steps.base import Diff, Step, check_path, check_seconds, check_text, listed, step, wanted
from provision.steps.support.app_processes import bad, expected, health, is_web, shown, units_of
from provision.system.memory.records import Damaged
from provision.system.memory.release_book import read_book

if TYPE_CHECKING:
    from provision.system.host import System

#: seconds between two looks, and at most for all
PAUSE, LONGEST = 2.0, 3600.0
#: an application is not well after this many answers of 500 or more, if they exceed this share of all answers
FEWEST, SHARE = 3, 0.05
#: lines of a log that are read for one look
MOST_LINES = 20_000
#: the status in a line of nginx's and Apache's logs in the format "combined": behind the request, which is quoted
COMBINED = re.compile(r'" (\d{3}) ')


@wanted()
class StaysWell(Step):
    """Applications that stay well: for some seconds their processes run without a restart, their health paths
    answer, and the front answers their requests. Changes nothing; a plan does not wait.

    apps: names, each with its domains.  seconds: how long to look, one hour at most.
    logs: of the front, with its answers; those of 500 and more are counted. In JSON, those of other domains are not;
    in the format "combined" all of the host's are.
    Fails once a process has restarted, once the same thing is wrong at two looks, two seconds apart, and once
    more than one in twenty answers, three at least, were a 500 or more.
    """

    apps: Mapping[str, Sequence[str]]
    seconds: float
    logs: Sequence[str] = ()

    DEADLINE = LONGEST + 120

    def label(self) -> str:
        return "%s stay%s well for %g s" % (
            listed(sorted(self.apps)),
            "s" if len(self.apps) == 1 else "",
            self.seconds,
        )

    def validate(self) -> None:
        for name, domains in self.apps.items():
            for text in (name, *domains):
                check_text(text, "apps")
        check_seconds(self.seconds, "seconds")
        if self.seconds > LONGEST:
            raise ValueError("seconds must be %g at most" % LONGEST)
        for path in self.logs:
            check_path(path, "logs")

    def check(self, host: "System") -> Diff:
        if host.planned:
            return Diff.none("looked at only in a deploy")
        answers = FrontAnswers(host, self.logs, {name for names in self.apps.values() for name in names})
        expect = {app: self._expected(host, app) for app in self.apps}
        end = time.monotonic() + self.seconds
        first: Dict[str, int] = {}
        before: List[Tuple[str, str]] = []
        while True:
            found, restarts = self._look(host, expect)
            for unit, count in restarts.items():
                if count > first.setdefault(unit, count):
                    self._fail(host, unit, "was restarted")
            again = [each for each in found if each in before]
            if again:
                self._fail(host, *again[0])
            said = answers.too_bad()
            if said:
                self._fail(host, "", said)
            if time.monotonic() >= end:
                return Diff.none("stayed well, " + answers.counted())
            before = found
            time.sleep(min(PAUSE, max(0.1, end - time.monotonic())))

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("looking changes nothing")

    def _expected(self, host: "System", app: str) -> Sequence[int]:
        """Return the statuses that count as healthy for what an application has in service."""
        try:
            book = read_book(host, "/srv/" + app)
        except Damaged as error:
            raise StepError(str(error)) from None
        return expected(book["instances"].get(book["live"], {}))

    def _look(
        self, host: "System", expect: Mapping[str, Sequence[int]]
    ) -> Tuple[List[Tuple[str, str]], Dict[str, int]]:
        """Return what is wrong, as unit and words, and how often each unit has been restarted."""
        found, restarts = [], {}
        for app in self.apps:
            states = shown(host, units_of(host, app))
            for unit, state in states.items():
                restarts[unit] = state["restarts"]
                if bad(state):
                    found.append((unit, "is %s" % state["state"]))
                elif is_web(app, unit):
                    said = health(host, app, unit, expect[app])["said"]
                    if said:
                        found.append((unit, "does not answer its health path: %s" % said))
        return found, restarts

    def _fail(self, host: "System", unit: str, said: str) -> None:
        journal = host.units.journal(unit, 40) if unit else ""
        raise StepError(
            "%s did not stay well: %s" % (listed(sorted(self.apps)), " ".join(filter(None, [unit, said]))),
            stderr=journal,
            hint="The lines above are from the journal of %s." % unit if unit else "",
        )


class FrontAnswers:
    """The front's answers since this was made. logs: its files.  domains: those whose answers count."""

    def __init__(self, host: "System", logs: Sequence[str], domains: Set[str]) -> None:
        self._host, self._domains = host, domains
        self._places = {path: tail(host, path, None, 1)[1] for path in logs}
        self._all = self._failed = 0

    def too_bad(self) -> str:
        """Read what came since the last look; return what is wrong, or ""."""
        for path, place in self._places.items():
            lines, self._places[path] = tail(self._host, path, place, MOST_LINES)
            for status in filter(None, (self._status(text) for _, _, text in lines)):
                self._all += 1
                self._failed += status >= 500
        if self._failed >= FEWEST and self._failed > SHARE * self._all:
            return "the front answered %d of %d requests with 500 or more" % (self._failed, self._all)
        return ""

    def counted(self) -> str:
        """Return how many answers there were."""
        return "%d requests answered, %d of them with 500 or more" % (self._all, self._failed)

    def _status(self, text: str) -> int:
        """Return the status in a line; 0 if it is none, or of another domain."""
        if text.startswith("{"):
            try:
                entry = json.loads(text)
                return int(entry["status"]) if entry["host"] in self._domains else 0
            except (ValueError, KeyError, TypeError, RecursionError):
                # a client has put it there, or the disk was full
                return 0
        found = COMBINED.search(text)
        return int(found.group(1)) if found else 0


stays_well = step(StaysWell)
