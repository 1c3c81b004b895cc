"""SOURCE and DEST of `prov cp`, as scp has them: TARGET:PATH is on hosts, all else on this machine."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path

from provision.errors import UsageError
from provision.values import dataclass


@dataclass(frozen=True)
class CopyOrder:
    """What is copied. target: the hosts.  up: to them.

    here: paths on this machine, there: on the hosts; of DEST, there is one.
    """

    target: str
    up: bool
    here: tuple[Path, ...]
    there: tuple[str, ...]


def order_of(paths: Sequence[str]) -> CopyOrder:
    """Return what the command line asks for. Raises UsageError."""
    if len(paths) < 2:
        raise UsageError("name what to copy and where to", hint="Write:  prov cp SOURCE... DEST")
    *sources, to = (remote(word) for word in paths)
    words = list(paths[:-1])
    targets = {source[0] for source in sources if source}
    if to and not targets:
        for word in words:
            if not os.path.exists(word):  # noqa: PTH110 (the word as it is given)
                raise UsageError(f"there is no local file {word}")
        return CopyOrder(to[0], True, tuple(map(Path, words)), (to[1] or ".",))
    if not to and len(targets) == 1 and all(sources):
        there = tuple(source[1] for source in sources if source)
        return CopyOrder(targets.pop(), False, (Path(paths[-1]),), there)
    raise UsageError(
        "one side of a copy is hosts, TARGET:PATH, and the other one this machine",
        hint="To the hosts:  prov cp FILE... web1:/srv/x     From them:  prov cp web1:/srv/x .",
    )


def remote(word: str) -> tuple[str, str] | None:
    """Return the TARGET and PATH of a word; None for a local path: one with a slash before its first colon (scp(1))."""
    target, colon, path = word.partition(":")
    return (target, path) if colon and target and "/" not in target else None


def check_received(order: CopyOrder, hosts: int) -> bool:
    """Return whether what comes from hosts goes into the folder DEST, or becomes DEST. Raises UsageError."""
    (to,) = order.here
    if to.is_dir():
        return True
    if hosts > 1 or len(order.there) > 1:
        raise UsageError(
            f"{to} must be a folder, as it gets several files", hint=f"Make it first:  mkdir {to}"
        )
    if not to.resolve().parent.is_dir():
        raise UsageError(f"there is no folder {to.resolve().parent}", hint="Make it first.")
    return False


def place_in(folder: str, path: str) -> str:
    """Return a path in a folder of an application. Raises UsageError if it leads outside."""
    path = path or "."
    if path.startswith("/") or ".." in path.split("/"):
        raise UsageError(
            f"with --app, paths are those in {folder}, and {path!r} leads outside",
            hint="Without --app, absolute paths are the host's.",
        )
    inside = posixpath.normpath(posixpath.join(folder, path))
    return f"{inside}/" if path.endswith("/") else inside


def check_named(paths: Sequence[str]) -> None:
    """Raise UsageError for a path on hosts that has no name to be copied under."""
    for path in paths:
        if posixpath.basename(posixpath.normpath(path)) in ("", ".", ".."):
            raise UsageError(
                f"{path or 'an empty path'!r} names no file or folder", hint="Give its absolute path."
            )
