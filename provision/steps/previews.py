"""Previews of applications on a host: what the host remembers of them, and how they go. Shipped to hosts (Python 3.8,
standard library)."""

import json
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.prune import Prune
from provision.system.memory.preview_records import (
    HOME,
    made_for,
    path_of,
    read_preview,
    read_previews,
    write_preview,
)
from provision.system.memory.records import Damaged
from provision.system.memory.undeclared import Thing, undeclared

if TYPE_CHECKING:
    from provision.system.host import System

DAY = 86400
#: as previews say when they were made, and when they go
TIME = "%Y-%m-%dT%H:%M:%SZ"


@wanted()
class Preview(Step):
    """A preview that the host remembers, from before anything of it is made until all of it is gone.

    name: of the preview, which is that of its application.  app: the live one.  ref, commit: of its source.
    url: where it is served.  domain: of that.  days: after which it goes, from the deploy of its commit.
    uses: what is made for it by roles that applications use, such as "postgres shop-feature-x".
    The outcome's stdout is its record, as JSON.
    """

    name: str
    app: str
    ref: str
    commit: str
    url: str
    domain: str
    days: int
    uses: Sequence[str] = ()

    def label(self) -> str:
        return "preview %s" % self.name

    def validate(self) -> None:
        for text in (self.name, self.app, self.ref, self.url, self.domain):
            check_text(text, "text")
        if self.days < 1:
            raise ValueError("days must be 1 or more")

    def check(self, host: "System") -> Diff:
        now = self._now(host)
        if now is None and host.files.stat(HOME + "/" + self.name) is not None:
            raise StepError(
                "%s is an application of this host, and no preview" % self.name,
                hint="Name the preview:  --name LABEL",
            )
        if now is not None and (now["app"], now["ref"]) != (self.app, self.ref):
            raise StepError(
                "%s is the preview of %s at %s already" % (self.name, now["app"], now["ref"]),
                hint="Name this one:  --name LABEL",
            )
        for name, other in read_previews(host).items():
            if name != self.name and other["domain"] == self.domain:
                raise StepError(
                    "%s is the domain of the preview %s already" % (self.domain, name),
                    hint="Give this one another:  --domain NAME",
                )
        self.scratch["stdout"] = json.dumps(now or {})
        if now is None:
            return Diff([Change("preview", "", "%s at %s, for %d days" % (self.app, self.ref, self.days))])
        wanted = self._wanted()
        found = [
            Change(name, str(now[name]), str(value)) for name, value in wanted.items() if now[name] != value
        ]
        return Diff(found) if found else Diff.none("until %s" % now["until"])

    def apply(self, host: "System", diff: Diff) -> None:
        began = time.time()
        since = (self._now(host) or {}).get("since", "") or stamp(began)
        record = {**self._wanted(), "since": since, "until": stamp(began + self.days * DAY)}
        write_preview(host, self.name, record)
        self.scratch["stdout"] = json.dumps(record)

    def _wanted(self) -> Dict[str, Any]:
        names = ("app", "ref", "commit", "url", "domain", "days")
        return {**{name: getattr(self, name) for name in names}, "uses": list(self.uses)}

    def _now(self, host: "System") -> Optional[Dict[str, Any]]:
        try:
            return read_preview(host, self.name)
        except Damaged as error:
            said = "%s: %s" % (path_of(self.name), error)
            raise StepError(said, hint="Take it down:  prov preview HOST --down %s" % self.name) from None


@wanted()
class PreviewsKnown(Step):
    """The previews of the host, as JSON in the outcome's stdout: name -> record. Changes nothing."""

    def label(self) -> str:
        return "previews"

    def check(self, host: "System") -> Diff:
        self.scratch["stdout"] = json.dumps(read_previews(host))
        return Diff.none("read")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("reading changes nothing")


@wanted()
class PreviewGone(Prune):
    """Remove what has been made for a preview: from the front inwards, as `Prune` does, then what it has left.

    name: of the preview.  leftovers: paths with what its own processes may have made.
    """

    name: str
    leftovers: Sequence[str] = ()

    # each file is recorded before it goes
    DEADLINE = 1800.0

    def label(self) -> str:
        return "preview %s and what was made for it" % self.name

    def validate(self) -> None:
        check_text(self.name, "name")
        for path in self.leftovers:
            check_path(path, "leftovers")

    def check(self, host: "System") -> Diff:
        found = self.found(host)
        found += [Change("removed", path, "") for path in self._left(host)]
        return Diff(list(dict.fromkeys(found))) if found else Diff.none("is gone")

    def apply(self, host: "System", diff: Diff) -> None:
        super().apply(host, diff)
        for path in self._left(host):
            host.files.remove(path)

    def _left(self, host: "System") -> List[str]:
        return [path for path in self.leftovers if host.files.stat(path) is not None]

    def _things(self, host: "System") -> List[Thing]:
        home = "%s/%s" % (HOME, self.name)
        # what the host remembers of it goes last
        last = (home, path_of(self.name))
        return [thing for thing in undeclared(host, set(), made_for(self.name)) if thing.name not in last]


@wanted()
class PreviewForgotten(Step):
    """Remove what the host remembers of a preview, with its folder: the last thing of it. name: of the preview."""

    name: str

    def label(self) -> str:
        return "record of the preview %s" % self.name

    def validate(self) -> None:
        check_text(self.name, "name")

    def check(self, host: "System") -> Diff:
        there = host.files.stat(path_of(self.name)) is not None
        return Diff([Change("preview", self.name, "")]) if there else Diff.none("is gone")

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.remove("%s/%s" % (HOME, self.name))


def stamp(seconds: float) -> str:
    """Return a time as previews have it, in UTC."""
    return time.strftime(TIME, time.gmtime(seconds))


preview = step(Preview)
previews_known = step(PreviewsKnown)
preview_gone = step(PreviewGone)
preview_forgotten = step(PreviewForgotten)
