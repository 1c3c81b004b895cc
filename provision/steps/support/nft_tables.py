"""Tables of nftables: loaded, compared with the last load, and loaded at boot. Shipped to hosts (Python 3.8).

nft normalizes every rule, so loaded rules cannot be compared with a file. The host remembers nft's listing of
a table right after loading it; if the listing differs later, someone has changed the table.
"""

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step
from provision.steps.files import File
from provision.steps.kernel import HEADER, put
from provision.steps.support.foresight import foresee, foreseen
from provision.steps.support.lockout import Guarded
from provision.system.unit_state import ENABLED

if TYPE_CHECKING:
    from provision.system.host import System

FOLDER = "/etc/nftables.d"
#: with a wildcard, because nft(8) fails if an included file does not exist
INCLUDE = 'include "/etc/nftables.d/prov*.nft"'
ALL_INCLUDED = re.compile(r'^\s*include\s+"/etc/nftables\.d/\*(\.nft)?"', re.MULTILINE)
UNIT = "nftables.service"
#: libnftables-json(5): counters, and what else differs between two loads
COUNTED = ("handle", "packets", "bytes", "used", "expires", "index")


class Table:
    """family, name: of the table.  path: its file.  inner: its contents, in nft's language."""

    def __init__(self, family: str, name: str, path: str, inner: str) -> None:
        self.words = (family, name)
        self.path = path
        self.inner = inner

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.inner.encode()).hexdigest()

    def file(self) -> File:
        """Return its file, a single transaction: it creates a missing table, so that it can delete it."""
        table = " ".join(self.words)
        text = HEADER + "table %s\ndelete table %s\ntable %s {\n%s}\n" % (table, table, table, self.inner)
        judged = ["nft", "-c", "-f", "%s"]
        return File(self.path, text, mode=0o644, owner="root", group="root", validate_with=judged)

    def changes(self, host: "System", count: str) -> List[Change]:
        """Return the changes to load the table, now and at boot. count: its contents in a few words."""
        if not host.files.exists(main(host)):
            raise StepError(
                "there is no %s: nftables is not installed" % main(host),
                hint='Add apt.packages(c, "nftables") before this step.',
            )
        found = [*self.file().check(host).changes, *include(host, True).check(host).changes]
        loaded = self.loaded(host)
        if loaded != "these":
            before = {"older": "older rules", "other": "other rules"}.get(loaded, "no")
            found.append(Change("loaded", before, count))
        if host.facts.get("init") == "systemd" and host.units.state(UNIT).enabled not in (
            *ENABLED,
            "static",
            "alias",
        ):
            found.append(Change("enabled", "no", "yes"))
        return found

    def apply(self, host: "System", changes: List[Change], step: Step) -> None:
        """Make these changes. step: says what a plan can't know of them."""
        put(host, self.file().noting(step))
        # load before enabling it at boot: rules that cannot be loaded must not be enabled
        host.run(("nft", "-f", self.path)).require("loading the firewall's rules")
        foresee(host, self._label(), self.digest)
        if not host.planned:
            record = {"wanted": self.digest, "loaded": listing(host, self.words) or ""}
            host.remembered.put("nftables", " ".join(self.words), record)
        put(host, include(host, True))
        if any(change.what == "enabled" for change in changes):
            host.units.do("enable", UNIT)

    def changes_without(self, host: "System") -> List[Change]:
        """Return the changes to remove the table."""
        found: List[Change] = []
        if host.files.stat(self.path) is not None:
            found.append(Change("removed", self.path, ""))
        if host.files.exists(main(host)):
            found += include(host, False, but=self.path).check(host).changes
        if self.loaded(host) != "no":
            found.append(Change("loaded", "yes", "no"))
        return found

    def remove(self, host: "System", changes: List[Change]) -> None:
        """Remove the table."""
        what = {change.what for change in changes}
        if host.files.exists(main(host)):
            put(host, include(host, False, but=self.path))
        if "removed" in what:
            host.files.remove(self.path)
        if "loaded" in what:
            host.run(("nft", "delete", "table", *self.words)).require("taking the table away")
            foresee(host, self._label(), "no")
        if not host.planned:
            host.remembered.drop("nftables", " ".join(self.words))

    def loaded(self, host: "System") -> str:
        """Return "these" rules, "older" ones that prov loaded, "other" ones, or "no"."""
        known = foreseen(host, self._label())
        if known is not None:
            return {"no": "no", self.digest: "these"}.get(known, "older")
        now = listing(host, self.words)
        if now is None:
            return "no"
        record = self.remembered(host)
        if now != record.get("loaded"):
            return "other"
        return "these" if record.get("wanted") == self.digest else "older"

    def remembered(self, host: "System") -> Dict[str, Any]:
        """Return what the host remembers of its last load."""
        return host.remembered.get("nftables", " ".join(self.words)) or {}

    def guarded(self, host: "System") -> Guarded:
        """Return what to put back if logins fail."""
        now = host.ask(("nft", "-s", "list", "table", *self.words), timeout=20)
        table = " ".join(self.words)
        # the transaction that restores the former table, if any, also removes this one
        text = "table %s\ndelete table %s\n%s" % (table, table, "" if now.status else now.stdout)
        path = "%s/guard/rules.nft" % host.ledger.home
        return Guarded([self.path, main(host)], [["nft", "-f", path]], contents={"rules.nft": text})

    def _label(self) -> str:
        return "nftables %s %s" % self.words


class LoadedTable(Step):
    """Common code of the steps that load or remove a table."""

    def table(self, host: "System") -> Table:
        """Return its table."""
        raise NotImplementedError

    def stays(self) -> bool:
        """Return whether the table is to exist."""
        raise NotImplementedError

    def units(self) -> Sequence[str]:
        return [UNIT]

    def apply(self, host: "System", diff: Diff) -> None:
        if self.stays():
            self.table(host).apply(host, list(diff.changes), self)
        else:
            self.table(host).remove(host, list(diff.changes))

    def guarded(self, host: "System", diff: Diff) -> Optional[Guarded]:
        return self.table(host).guarded(host)

    def fingerprint(self, host: "System") -> str:
        table = self.table(host)
        return "%s %s" % (table.loaded(host), table.digest)


def missing(found: List[Change]) -> Diff:
    """Return the difference for a table to remove."""
    return Diff(found) if found else Diff.none("there is none of prov's")


def listing(host: "System", words: Tuple[str, str]) -> Optional[str]:
    """Return the digest of nft's listing of a table, without volatile values; None if it does not exist."""
    said = host.ask(("nft", "-j", "list", "table", *words), timeout=20)
    if said.status:
        return None
    try:
        found = [still(entry) for entry in json.loads(said.stdout)["nftables"] if "metainfo" not in entry]
    except (ValueError, KeyError, TypeError):
        raise StepError(
            "nft does not say in JSON what is in the table %s %s" % words,
            hint="prov needs an nft that was built with JSON, as all distributions have it.",
        ) from None
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def still(entry: Any) -> Any:
    """Return an entry of libnftables-json(5) without what packets change: counters, and dynamic elements."""
    if isinstance(entry, list):
        return [still(each) for each in entry]
    if not isinstance(entry, dict):
        return entry
    flags = entry.get("flags", ())
    moving = ("elem",) if {"dynamic", "timeout"} & set([flags] if isinstance(flags, str) else flags) else ()
    return {key: still(value) for key, value in entry.items() if key not in (*COUNTED, *moving)}


def main(host: "System") -> str:
    """Return the path of the file that nftables.service loads."""
    redhat = host.facts.get("family") == "redhat"
    return "/etc/sysconfig/nftables.conf" if redhat else "/etc/nftables.conf"


def include(host: "System", wanted: bool, but: str = "") -> File:
    """Return the main file with the line that includes ours, or without it if no other of ours is left."""
    path = main(host)
    text = host.files.read(path).decode(errors="surrogateescape")
    if not wanted:
        names = host.files.list(FOLDER) if host.files.exists(FOLDER) else []
        others = [n for n in names if re.match(r"prov.*\.nft\Z", n) and "%s/%s" % (FOLDER, n) != but]
        new = text if others else text.replace(INCLUDE + "\n", "")
    elif INCLUDE in text.splitlines() or ALL_INCLUDED.search(text):
        new = text
    else:
        new = text + ("" if text.endswith("\n") else "\n") + INCLUDE + "\n"
    return File(path, new.encode(errors="surrogateescape"))
