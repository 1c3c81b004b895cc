"""Remove what prov has made, and nothing that others have put there. Shipped."""

from typing import TYPE_CHECKING, List, NamedTuple, Sequence

if TYPE_CHECKING:
    from provision.system.host import System


class Parts(NamedTuple):
    """The parts of a path: prov's, each before the folder that it is in, and those of others."""

    ours: Sequence[str]
    foreign: Sequence[str]


def parts(host: "System", path: str) -> Parts:
    """Return which parts of a path, and below it, prov has made.

    A folder is prov's if nothing of others is in it.
    """
    ours: List[str] = []
    foreign: List[str] = []
    sort(host, path, ours, foreign)
    return Parts(ours, foreign)


def sort(host: "System", path: str, ours: List[str], foreign: List[str]) -> bool:
    """Sort a path, and everything below it, into prov's and others'; return whether all of it is prov's."""
    now = host.files.stat(path)
    if now is None:
        return True
    if not host.ledger.has_made(path):
        foreign.append(path)
        return False
    whole = True
    for name in host.files.list(path) if now.kind == "dir" else ():
        whole = sort(host, "%s/%s" % (path, name), ours, foreign) and whole
    if whole:
        ours.append(path)
    return whole


def take_away(host: "System", path: str) -> None:
    """Remove everything of prov's at a path and below it."""
    ours = parts(host, path).ours
    if ours:
        host.files.remove_each(path, ours)
