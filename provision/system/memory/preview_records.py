"""What a host remembers of previews of applications: /srv/NAME/preview.json, for root alone. Shipped."""

import json
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from provision.system.memory.records import TEXT, Damaged, understood, versioned
from provision.system.shapes import having, listing, number

if TYPE_CHECKING:
    from provision.system.host import System

VERSION = 1
HOME = "/srv"
NAME = "preview.json"
#: a preview: the live application, and where and until when it is served
RECORD = versioned(
    VERSION,
    having(
        {
            **dict.fromkeys(("app", "ref", "commit", "url", "domain", "since", "until"), TEXT),
            "days": number(1, 3650),
            "uses": listing(TEXT, 100),
        }
    ),
)


def made_for(name: str) -> str:
    """Return the role under which the ledger has what is made for a preview."""
    return "prov preview " + name


def path_of(name: str) -> str:
    """Return the path of a preview's record."""
    return "%s/%s/%s" % (HOME, name, NAME)


def read_preview(host: "System", name: str) -> Optional[Dict[str, Any]]:
    """Return the record of a preview; None if there is no preview of that name. Raises Damaged."""
    path = path_of(name)
    if host.files.stat(path) is None:
        return None
    found: Dict[str, Any] = understood(host.files.read(path), RECORD)
    if found["version"] > VERSION:
        raise Damaged("a newer prov has written %s" % path)
    return found


def read_previews(host: "System") -> Dict[str, Dict[str, Any]]:
    """Return the records of all previews by name. A damaged one has "damaged" only, with why."""
    found: Dict[str, Dict[str, Any]] = {}
    looked = set(host.files.looked)
    for name in host.files.list(HOME) if host.files.exists(HOME) else []:
        try:
            record = read_preview(host, name)
        except Damaged as error:
            record = {"damaged": "%s: %s" % (path_of(name), error)}
        if record is not None:
            found[name] = record
    # the folders of applications that left the inventory are not declared by this
    host.files.looked.intersection_update(looked)
    return found


def write_preview(host: "System", name: str, record: Dict[str, Any]) -> None:
    """Write the record of a preview."""
    folder, root = "%s/%s" % (HOME, name), host.owner("root", "root")
    if host.files.stat(folder) is None:
        host.files.mkdir(folder, 0o755, *root)
    text = json.dumps({**record, "version": VERSION}, sort_keys=True, indent=1) + "\n"
    host.files.write(path_of(name), text.encode(), 0o600, *root)


def past(host: "System") -> List[str]:
    """Return the names of previews whose days are over."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return [name for name, record in read_previews(host).items() if record.get("until", "9") < now]
