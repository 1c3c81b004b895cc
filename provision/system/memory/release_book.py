"""What a host remembers of the releases of an application: /srv/NAME/releases.json, for root alone. Shipped.

It has each instance that has been in service and whose release still exists, with what it takes to serve it
again; which one is in service; the migrations that the database has got; and who holds further deploys.
"""

import json
import posixpath
import re
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple

from provision.system.memory.records import TEXT, Damaged, understood, versioned
from provision.system.shapes import having, listing, mapping, optional
from provision.system.shapes import number as whole

if TYPE_CHECKING:
    from provision.system.host import System

VERSION = 1
#: an instance. about: what serving it again takes, made and read by the controller (serving/recorded.py).
#: deploy: a number that grows with each deploy, as clocks are set back and two deploys may have one second
SERVED = having(
    {"release": TEXT, "at": TEXT, "about": having({})},
    {"who": TEXT, "commit": TEXT, "deploy": whole(0, 2**31)},
)
HOLD = having({"at": TEXT, "who": TEXT, "left": TEXT, "back_to": TEXT})
BOOK = versioned(
    VERSION,
    having(
        {"live": TEXT, "instances": mapping(SERVED)},
        {"hold": optional(HOLD), "schema": listing(TEXT), "before": TEXT},
    ),
)


def path_in(home: str) -> str:
    """Return the path of an application's book. home: such as /srv/shop."""
    return home + "/releases.json"


def read_book(host: "System", home: str) -> Dict[str, Any]:
    """Return an application's book, without the releases that are gone; an empty one if it is missing.

    Raises Damaged.
    """
    path = path_in(home)
    if host.files.stat(path) is None:
        return empty_book()
    book: Dict[str, Any] = understood(host.files.read(path), BOOK)
    if book["version"] > VERSION:
        raise Damaged("a newer prov has written %s" % path)
    book.setdefault("hold", None)
    book.setdefault("schema", [])
    book["instances"] = {
        name: entry
        for name, entry in book["instances"].items()
        if host.files.stat("%s/releases/%s" % (home, entry["release"])) is not None
    }
    return book


def empty_book() -> Dict[str, Any]:
    """Return the book of an application that has not been deployed."""
    return {"version": VERSION, "live": "", "instances": {}, "hold": None, "schema": []}


def write_book(host: "System", home: str, book: Dict[str, Any]) -> None:
    """Replace an application's book."""
    text = json.dumps(book, sort_keys=True, indent=1) + "\n"
    host.files.write(path_in(home), text.encode(), 0o600, *host.owner("root", "root"))


def signed(host: "System") -> Dict[str, str]:
    """Return who runs the step that acts now, from which commit, and when its run began."""
    record = host.ledger.record
    about = record.about if record is not None else {}
    found = {"who": str(about.get("who", "")), "commit": str(about.get("commit", ""))}
    return {**found, "at": str(about.get("began", ""))}


def person(who: str) -> str:
    """Return who started a run, without the number of their process."""
    return re.sub(r" \(pid \d+\)$", "", who) or "someone"


def held(home: str, hold: Dict[str, Any]) -> str:
    """Return a sentence about a hold."""
    return "%s is held: %s went back from %s to %s at %s" % (
        posixpath.basename(home),
        person(hold["who"]),
        hold["left"] or "another release",
        hold["back_to"],
        hold["at"],
    )


def newer(schema: Sequence[str], known: Sequence[str]) -> List[str]:
    """Return the migrations of a database that code does not know and that are later than those it knows.

    Both are paths of files in the source. A folder that the code does not have at all belongs to a part that
    was removed, and numbered migrations before the last known one were squashed: neither counts.
    """
    found = []
    for folder, names in by_folder(schema).items():
        own = by_folder(known).get(folder, [])
        missing = [name for name in names if name not in own]
        if not own or any(name not in names for name in own):
            # removed; or with migrations of its own, so not simply older
            continue
        last = max(map(number, own))
        found += ["%s/%s" % (folder, name) for name in missing if number(name) > last or number(name) < 0]
    return sorted(found)


def by_folder(paths: Sequence[str]) -> Dict[str, List[str]]:
    """Return the names of files by their folders."""
    found: Dict[str, List[str]] = {}
    for path in paths:
        folder, name = posixpath.split(path)
        found.setdefault(folder, []).append(name)
    return found


def number(name: str) -> int:
    """Return how far a migration of Django goes; -1 if its name does not say."""
    found = re.match(r"(\d{4})_(?:squashed_(\d{4}))?", name)
    return int(found.group(2) or found.group(1)) if found else -1


def obstacle(host: "System", home: str, entry: Dict[str, Any]) -> str:
    """Return why an instance can't be served again, "" if it can."""
    release = "%s/releases/%s" % (home, entry["release"])
    link = host.files.stat(release + "/.venv")
    target = posixpath.normpath("%s/%s" % (release, link.target)) if link is not None else ""
    if not target or host.files.stat(target) is None:
        return "its environment is gone"
    return ""


def in_order(book: Dict[str, Any]) -> "List[Tuple[str, Dict[str, Any]]]":
    """Return the instances of a book, the oldest deploy first."""
    return sorted(
        book["instances"].items(), key=lambda item: (item[1].get("deploy", 0), item[1]["at"], item[0])
    )


def next_deploy(book: Dict[str, Any]) -> int:
    """Return the number of a deploy that comes now."""
    return 1 + max((entry.get("deploy", 0) for entry in book["instances"].values()), default=0)
