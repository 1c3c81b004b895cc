"""What keeps deploys away: holds of applications after a rollback, locks of hosts by an operator, and a full disk.
What a deploy needs besides is forecast and told.

Shipped to hosts (Python 3.8, standard library).
"""

import json
import os
import time
from typing import TYPE_CHECKING, Dict, Iterator, List, Mapping, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_seconds, check_text, step, wanted
from provision.steps.support.room import lacking
from provision.system.memory.ledger import now
from provision.system.memory.preview_records import NAME as PREVIEW
from provision.system.memory.preview_records import past
from provision.system.memory.records import Damaged
from provision.system.memory.release_book import held, person, read_book, write_book

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class ChangesAllowed(Step):
    """A host that no operator has locked, applications that no rollback holds, and room for their releases.
    Changes nothing.

    homes: of the applications that the run deploys, such as /srv/shop.
    releases: by folder, the bytes and the number of files.  environments: folders of virtual environments.
    certificates: those that the host renews itself, by application: paths of the certificate, and of what the host
    remembers of its renewals.

    The outcome's stdout is JSON. "past": previews whose days are over. Of a plan also "refused": what a deploy would
    refuse, "certificates": what is wrong with them, and "memory": what is missing of it for two instances, or "". A
    deploy sends the latter as a note: the forecast may be wrong, and a deploy may be what mends an application that
    has grown.
    """

    homes: Sequence[str] = ()
    releases: Mapping[str, Sequence[int]] = ()  # type: ignore[assignment]
    environments: Sequence[str] = ()
    certificates: Mapping[str, Sequence[str]] = ()  # type: ignore[assignment]

    def label(self) -> str:
        return "changes are allowed"

    def validate(self) -> None:
        certificates = [path for pair in dict(self.certificates).values() for path in pair]
        for path in (*self.homes, *dict(self.releases), *self.environments, *certificates):
            check_path(path, "path")

    def check(self, host: "System") -> Diff:
        found = self._found(host)
        refused = [said for said, _ in found]
        if found and not host.planned:
            raise StepError("; ".join(refused), hint=found[0][1])
        memory = self._memory(host)
        said: Dict[str, object] = {"past": past(host)}
        if host.planned:
            said.update(refused=refused, certificates=list(self._ending(host)), memory=memory)
        elif memory:
            host.controller.note("%s: the kernel may end a process. Free some, or add swap" % memory)
        self.scratch["stdout"] = json.dumps(said)
        return Diff.none("; ".join(refused) or "nothing holds them")

    def _found(self, host: "System") -> "List[Sequence[str]]":
        found: List[Sequence[str]] = []
        lock = host.ledger.operator_lock()
        if lock:
            # a run that changes something is refused before its first step; a plan gets here
            found.append((lock, "To lift it:  prov unlock HOST"))
        for home in self.homes:
            if host.files.stat("%s/%s" % (home, PREVIEW)) is not None:
                name = home.rsplit("/", 1)[-1]
                said = "%s is a preview on this host" % name
                found.append((said, "Take it down first:  prov preview HOST --down %s" % name))
            try:
                hold = read_book(host, home)["hold"]
            except Damaged:
                # the release in service begins a new one
                continue
            if hold:
                app = home.rsplit("/", 1)[-1]
                found.append((held(home, hold), "Once the cause is gone:  prov resume HOST %s" % app))
        lacks = lacking(host, dict(self.releases), self.environments)
        if lacks:
            found.append((lacks, "Free some, or have fewer releases kept (`keep_releases`), and run again."))
        return found

    def _memory(self, host: "System") -> str:
        """Return what is missing of memory for new releases beside those in service; "" for nothing."""
        coming = {path.rpartition("/releases/")[::2] for path in dict(self.releases)}
        lives = {}
        for home, release in coming:
            try:
                book = read_book(host, home)
            except Damaged:
                # the release in service begins a new one
                continue
            live = book["instances"].get(book["live"])
            if live and live["release"] != release:
                lives[home.rsplit("/", 1)[-1]] = book["live"]
        # imported here: most runs bring no release
        from provision.steps.support.two_instances import memory_missing  # shipped

        return memory_missing(host, lives) if lives else ""

    def _ending(self, host: "System") -> Iterator[str]:
        """Yield what is wrong with certificates that the host renews itself."""
        # imported here: only plans ask, of hosts that have such certificates
        from provision.steps.support.served_certificates import faults, on_disk, renewals  # shipped

        for app, (path, state) in dict(self.certificates).items():
            found = on_disk(host, path)
            for fault in faults(found, renewals(host, state)) if found else ():
                yield "%s: %s; see:  prov tls status HOST" % (app, fault)

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("asking changes nothing")


@wanted()
class FreeOfLocks(Step):
    """A host that no run is at work on, and no operator has locked. Changes nothing.

    within: seconds to wait for that.
    """

    within: float

    DEADLINE = 86400.0

    def label(self) -> str:
        return "wait for the lock"

    def validate(self) -> None:
        check_seconds(self.within, "within")

    def check(self, host: "System") -> Diff:
        end = time.monotonic() + self.within
        while True:
            said = host.ledger.operator_lock() or ("another run is at work" if host.ledger.busy() else "")
            if not said:
                return Diff.none("is free")
            if time.monotonic() > end:
                raise StepError(
                    "still locked after %g s: %s" % (self.within, said),
                    hint="What it did:  prov history HOST",
                )
            host.controller.progress(said)
            time.sleep(0.5)

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("waiting changes nothing")


@wanted()
class Resumed(Step):
    """An application whose deploys are no longer held.

    home: such as /srv/shop.
    """

    home: str

    def label(self) -> str:
        return "deploys of %s" % self.home.rsplit("/", 1)[-1]

    def validate(self) -> None:
        check_path(self.home, "home")

    def check(self, host: "System") -> Diff:
        try:
            hold = read_book(host, self.home)["hold"]
        except Damaged as error:
            raise StepError(str(error), hint="A deploy writes it again.") from None
        if not hold:
            return Diff.none("are not held")
        return Diff([Change("hold", "by %s, %s" % (person(hold["who"]), hold["at"]), "")])

    def apply(self, host: "System", diff: Diff) -> None:
        write_book(host, self.home, {**read_book(host, self.home), "hold": None})


@wanted()
class OperatorLock(Step):
    """A host that no run may change until the lock is lifted, or one without such a lock.

    reason: why, for those who meet it; "" lifts the lock.  who: who locks it.
    """

    reason: str
    who: str = ""

    def label(self) -> str:
        return "lock of the host"

    def validate(self) -> None:
        if self.reason:
            check_text(self.reason, "reason")
            check_text(self.who, "who")

    def check(self, host: "System") -> Diff:
        lock = host.ledger.operator_lock()
        if not self.reason:
            return Diff([Change("lock", lock, "")]) if lock else Diff.none("is not locked")
        if lock.endswith(": %s" % self.reason):
            return Diff.none(lock)
        if lock:
            raise StepError(lock, hint="To lock it yourself, lift that one first:  prov unlock HOST")
        return Diff([Change("lock", "", self.reason)])

    def apply(self, host: "System", diff: Diff) -> None:
        path = os.path.join(host.ledger.home, "locked")
        if not self.reason:
            host.files.remove(path)
            return
        if host.files.stat(host.ledger.home) is None:
            host.files.mkdir(host.ledger.home, 0o700, *host.owner("root", "root"))
        text = "the host is locked by %s since %s: %s\n" % (person(self.who), now(), self.reason)
        host.files.write(path, text.encode(), 0o600, *host.owner("root", "root"))


changes_allowed = step(ChangesAllowed)
resumed = step(Resumed)
operator_locked = step(OperatorLock)
free_of_locks = step(FreeOfLocks)
