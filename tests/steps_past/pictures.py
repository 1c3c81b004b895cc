"""Pictures of file trees: all that someone may have set by hand, before and after."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

#: path -> kind, mode, uid, gid, contents or target, extended attributes, first name of the same file
Picture = dict[str, tuple[Any, ...]]


def photograph(root: Path) -> Picture:
    """All that is below root and that someone may have set by hand. Times are left out."""
    found: Picture = {}
    first: dict[tuple[int, int], str] = {}
    for at in [root, *sorted(root.rglob("*"))]:
        st = at.lstat()
        name = at.relative_to(root).as_posix()
        if stat.S_ISLNK(st.st_mode):
            what: Any = os.readlink(at)  # noqa: PTH115 (Path drops a final slash)
        else:
            what = at.read_bytes() if stat.S_ISREG(st.st_mode) else st.st_rdev
        extended = {key: os.getxattr(at, key, follow_symlinks=False) for key in _attributes(at)}
        same = "" if stat.S_ISDIR(st.st_mode) else first.setdefault((st.st_dev, st.st_ino), name)
        found[name] = (
            stat.S_IFMT(st.st_mode),
            stat.S_IMODE(st.st_mode),
            st.st_uid,
            st.st_gid,
            what,
            extended,
            same,
        )
    return found


def photographs(*folders: str) -> Picture:
    """All that is below some folders, by whole paths. Folders that do not exist are left out."""
    found = [folder for folder in folders if Path(folder).exists()]
    return {f"{folder}/{at}": what for folder in found for at, what in photograph(Path(folder)).items()}


def _attributes(at: Path) -> list[str]:
    """Names of extended attributes, without those that an overlay keeps for itself."""
    return sorted(n for n in os.listxattr(at, follow_symlinks=False) if not n.startswith("trusted.overlay"))


def others(picture: Picture, *paths: str) -> Picture:
    """A picture without these paths, and without what is below them."""
    return {
        at: what for at, what in picture.items() if not any(at == p or at.startswith(p + "/") for p in paths)
    }
