"""Small file trees as data: made before a case, and read back after it."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import time
from pathlib import Path
from typing import Any

#: path -> what is there: text of a file; or a mapping with one of file, hex, link, dir, fifo, and mode, owner,
#: group, age (seconds).  None: nothing.  {chmod: "0644"}: what was there, with another mode.  {hidden: true}: what
#: this machine has there is out of sight, where root is the upper side of an overlay.
Tree = dict[str, Any]

#: the device that stands for "removed" in the upper side of an overlay (overlayfs.rst, "whiteouts")
_WHITEOUT = os.makedev(0, 0)


def build(root: Path, tree: Tree) -> None:
    """Put a tree below root. None removes what is at a path."""
    for path, spec in tree.items():
        at = root / path
        at.parent.mkdir(parents=True, exist_ok=True)
        if spec is None:
            shutil.rmtree(at) if at.is_dir() and not at.is_symlink() else at.unlink()
            continue
        entry = {"file": spec} if isinstance(spec, str) else dict(spec)
        if "chmod" in entry:
            at.chmod(int(entry["chmod"], 8))
            continue
        if at.is_symlink() or at.is_file():
            at.unlink()
        if "link" in entry:
            at.symlink_to(entry["link"])
        elif "fifo" in entry:
            os.mkfifo(at)
        elif "dir" in entry:
            at.mkdir(exist_ok=True)
        elif "hidden" in entry:
            os.mknod(at, stat.S_IFCHR, _WHITEOUT)
            continue
        elif "hex" in entry:
            at.write_bytes(bytes.fromhex(entry["hex"]))
        else:
            at.write_text(entry["file"], newline="")
        if "link" not in entry:
            at.chmod(int(entry.get("mode", "0755" if "dir" in entry else "0644"), 8))
        uid = pwd.getpwnam(entry["owner"]).pw_uid if "owner" in entry else -1
        gid = grp.getgrnam(entry["group"]).gr_gid if "group" in entry else -1
        os.chown(at, uid, gid, follow_symlinks=False)
        if "age" in entry:
            then = time.time() - float(entry["age"])
            os.utime(at, (then, then), follow_symlinks=False)


def expected(tree: Tree) -> dict[str, dict[str, str]]:
    """What `contents` gives for a tree, with the folders that its paths need."""
    found: dict[str, dict[str, str]] = {}
    for path, spec in tree.items():
        parts = path.split("/")
        for n in range(1, len(parts)):
            found.setdefault("/".join(parts[:n]), {"dir": "", "mode": "0755"})
        entry = {"file": spec} if isinstance(spec, str) else dict(spec)
        if "link" not in entry:
            entry.setdefault("mode", "0755" if "dir" in entry else "0644")
        found[path] = {key: "" if value is True else str(value) for key, value in entry.items()}
    return found


def contents(root: Path) -> dict[str, dict[str, str]]:
    """All that is below root: kind, contents, mode, and the owner where it is not our own."""
    found = {}
    for at in sorted(root.rglob("*")):
        st = at.lstat()
        if stat.S_ISCHR(st.st_mode) and st.st_rdev == _WHITEOUT:
            continue
        mode = f"{stat.S_IMODE(st.st_mode):04o}"
        if stat.S_ISLNK(st.st_mode):
            entry = {"link": os.readlink(at)}  # noqa: PTH115 (Path drops a final slash)
        elif stat.S_ISDIR(st.st_mode):
            entry = {"dir": "", "mode": mode}
        elif stat.S_ISREG(st.st_mode):
            data = at.read_bytes()
            try:
                entry = {"file": data.decode(), "mode": mode}
            except UnicodeDecodeError:
                entry = {"hex": data.hex(), "mode": mode}
        else:
            entry = {"fifo": "", "mode": mode}
        if st.st_uid != os.geteuid():
            entry["owner"] = pwd.getpwuid(st.st_uid).pw_name
        if st.st_gid != os.getegid():
            entry["group"] = grp.getgrgid(st.st_gid).gr_name
        found[at.relative_to(root).as_posix()] = entry
    return found


def photograph(root: Path) -> dict[str, tuple[Any, ...]]:
    """What would show that anything at all was written below root: inodes and times as well."""
    found = {}
    for at in [root, *sorted(root.rglob("*"))]:
        st = at.lstat()
        # not the ctime of folders: mounting an overlay over /etc marks the one that takes the changes
        ctime = 0 if stat.S_ISDIR(st.st_mode) else st.st_ctime_ns
        found[str(at)] = (st.st_mode, st.st_ino, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, ctime)
    return found
