"""Things that prov made and no step of a whole run declares: they are no longer declared. Shipped."""

import os
from typing import TYPE_CHECKING, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set

from provision.errors import StepError
from provision.system.memory.made import folders_of
from provision.system.memory.removal import parts

if TYPE_CHECKING:
    from provision.system.host import System


class Thing(NamedTuple):
    """A thing that prov made.

    kind: file, link, folder, user or group.  name: or path.  role, step: what made it.  whole: a folder that
    was filled when it was made, and is removed with those contents.  feeds: units that read it.  stays: a
    folder with other contents.  ours: the parts of a whole to remove, each before the folder that it is in.
    """

    kind: str
    name: str
    role: str
    step: str
    whole: bool = False
    feeds: "tuple[str, ...]" = ()
    stays: bool = False
    ours: "Sequence[str]" = ()


def undeclared(host: "System", looked: Optional[Set[str]] = None, of: str = "") -> List[Thing]:
    """Return existing things that no step has queried, contents before their folder.

    Things that existed before prov are not among them. looked: the queries; by default those of all steps.
    of: a role, and then only what it has made. Otherwise all but what "prov cp" and previews have made.
    """
    made = host.ledger.data["made"]
    looked = set(host.files.looked | host.accounts.looked if looked is None else looked)
    for path in [each for each in looked if each.startswith("/")]:
        # declaring something in a folder declares the folder
        above = os.path.dirname(path)
        while above not in looked:
            looked.add(above)
            above = os.path.dirname(above)
    names: Dict[str, List[str]] = {"path": [], "user": [], "group": []}
    for thing in made:
        role = made[thing]["role"]
        if role != of if of else role.startswith("prov "):
            continue
        kind, name = thing.split(" ", 1)
        if kind == "path" and any(above in host.files.tended for above, _ in folders_of(name)):
            continue
        if (name if kind == "path" else thing) not in looked:
            names.setdefault(kind, []).append(name)
    found = list(paths(host, sorted(names["path"], key=lambda p: (-p.count("/"), p))))
    for name in sorted(names["user"]):
        if host.accounts.user(name) is not None:
            found.append(thing_of(host, "user", name))
    for name in sorted(names["group"]):
        # a user's own group is removed with the user
        if host.accounts.group(name) is not None and name not in names["user"]:
            found.append(thing_of(host, "group", name))
    return found


def declared(host: "System") -> List[str]:
    """Return the things that prov made and a step of this run declares: "path /etc/x", "user shop"."""
    others = {
        "%s %s" % (thing.kind if thing.kind in ("user", "group") else "path", thing.name)
        for thing in undeclared(host)
    }
    return sorted(thing for thing in host.ledger.data["made"] if thing not in others)


def paths(host: "System", names: List[str]) -> Iterator[Thing]:
    """Return the paths that still exist; a folder with other contents stays."""
    going: Set[str] = set()
    host.files.forget()
    for path in names:
        try:
            thing = path_of(host, path, going)
        except StepError:
            # a user has put a link on the way, or something that prov did not make
            thing = thing_of(host, "path", path)._replace(kind="folder", stays=True)
        if thing is None:
            continue
        if not thing.stays:
            going.add(path)
        yield thing


def path_of(host: "System", path: str, going: Set[str]) -> Optional[Thing]:
    """Return what remains at a path. going: paths that are removed first. Raises StepError."""
    now = host.files.stat(path)
    if now is None:
        return None
    thing = thing_of(host, "path", path)._replace(kind={"dir": "folder"}.get(now.kind, now.kind))
    inner = host.files.list(path) if now.kind == "dir" else []
    if thing.whole:
        found = parts(host, path)
        return thing._replace(stays=bool(found.foreign), ours=found.ours)
    return thing._replace(stays=any("%s/%s" % (path, each) not in going for each in inner))


def thing_of(host: "System", kind: str, name: str) -> Thing:
    """Return the ledger's entry of a thing."""
    entry = host.ledger.data["made"]["%s %s" % (kind, name)]
    feeds = tuple(entry.get("feeds", ()))
    return Thing(kind, name, entry.get("role", ""), entry.get("step", ""), entry.get("whole", False), feeds)
