"""Restore changes that no one has confirmed in time. Shipped as a separate program with few modules.

The guard's folder has `former.json`, the former state; `armed`, the time limit for confirming; copies of
files; and `now`, which asks to restore at once. The process that moves `armed` away claims it: the confirming
one, or this program. Only this program restores, because it survives whatever is killed. Paths may be in
folders of users, who could exchange names, so it reaches them as steps do (paths.py).
"""

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
from typing import Any, Dict

from provision.errors import StepError
from provision.system.descriptors import LABEL, attribute, create, make_directory, named, remove_at, reopen
from provision.system.guard_proof import claim
from provision.system.paths import FOLDER, NoWay, Way, kind_of, reached, way

COMMAND_TIMEOUT = 30
#: errors that a damaged record causes
WRONG = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
#: seconds between checks
LOOK = 0.1


def load(folder: str) -> Dict[str, Any]:
    """Return the former state: files, as from `look`, and commands (argv) that make programs read them."""
    try:
        with open(folder + "/former.json", encoding="utf-8") as f:
            found: Dict[str, Any] = json.load(f)
        if isinstance(found["files"], list) and isinstance(found["commands"], list):
            return found
    except WRONG:
        # nothing is known that could be restored
        pass
    return {"files": [], "commands": []}


def save(folder: str, name: str, content: Dict[str, Any]) -> None:
    """Write a file of the folder atomically."""
    with open("%s/.%s" % (folder, name), "w", encoding="utf-8") as f:
        json.dump(content, f)
        f.flush()
        os.fsync(f.fileno())
    os.rename("%s/.%s" % (folder, name), "%s/%s" % (folder, name))


def look(folder: str, path: str, copy: str) -> Dict[str, Any]:
    """Return the state of a path; copy a file's contents to a name in the folder. Raises OSError."""
    try:
        with way(path) as at, named(at) as fd:
            return seen(folder, path, fd, copy)
    except (FileNotFoundError, NoWay):
        return {"path": path, "kind": "absent"}
    except StepError:
        # behind a user's link, where no step changes anything either
        return {"path": path, "kind": "hidden"}


def seen(folder: str, path: str, fd: int, copy: str) -> Dict[str, Any]:
    """Return the state of what a descriptor refers to."""
    st = os.fstat(fd)
    kind = kind_of(st.st_mode)
    found = {"path": path, "kind": kind, "mode": stat.S_IMODE(st.st_mode), "uid": st.st_uid, "gid": st.st_gid}
    found["inode"] = st.st_ino
    if kind == "link":
        found["target"] = os.readlink("", dir_fd=fd)
    elif kind == "file":
        found["copy"], found["label"] = copy, attribute(reached(fd), LABEL).decode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with reopen(fd, path) as f, os.fdopen(os.open("%s/%s" % (folder, copy), flags, 0o600), "wb") as out:
            shutil.copyfileobj(f, out)
    return found


def put(folder: str, was: Dict[str, Any]) -> None:
    """Restore the former state of a path. Raises OSError, StepError."""
    if was["kind"] == "hidden":
        return
    with way(was["path"]) as at:
        try:
            now = kind_of(os.stat(at.name, dir_fd=at.fd, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            now = "absent"
        if now == was["kind"] == "link" and os.readlink(at.name, dir_fd=at.fd) == was["target"]:
            return
        stays = now == "dir" if was["kind"] == "dir" else was["kind"] == "file" and now != "dir"
        if now != "absent" and not stays:
            remove_at(at.fd, at.name, at.path)
        if was["kind"] == "link":
            os.symlink(was["target"], at.name, dir_fd=at.fd)
        elif was["kind"] == "file":
            put_file(folder, at, was)
        elif was["kind"] == "dir" and now == "dir":
            put_attributes(at, was)
        elif was["kind"] == "dir":
            make_directory(at.fd, at.name, was["mode"], was["uid"], was["gid"])


def put_file(folder: str, at: Way, was: Dict[str, Any]) -> None:
    """Write a new file beside the existing one, and rename it into place."""
    beside = ".%s.prov-former" % at.name
    copy = "%s/%s" % (folder, was["copy"])
    with open(copy, "rb") as f, os.fdopen(create(at.fd, beside), "wb") as out:
        shutil.copyfileobj(f, out)
        out.flush()
        if was["label"]:
            with contextlib.suppress(OSError):
                os.setxattr(out.fileno(), LABEL, was["label"].encode())
        os.fchown(out.fileno(), was["uid"], was["gid"])
        os.fchmod(out.fileno(), was["mode"])
        os.fsync(out.fileno())
    os.rename(beside, at.name, src_dir_fd=at.fd, dst_dir_fd=at.fd)


def put_attributes(at: Way, was: Dict[str, Any]) -> None:
    """Restore owner and mode of a directory: the same one, or one that its owner controls anyway."""
    fd = os.open(at.name, FOLDER, dir_fd=at.fd)
    try:
        st = os.fstat(fd)
        if at.folder.shared and st.st_ino != was["inode"] and st.st_uid != was["uid"]:
            raise StepError("%s was exchanged for another directory" % was["path"])
        os.fchown(fd, was["uid"], was["gid"])
        os.fchmod(fd, was["mode"])
    finally:
        os.close(fd)


def restore(folder: str) -> None:
    """Restore everything and run the commands. Continue after errors, because the rest may restore logins."""
    former = load(folder)
    left = []
    for was in former["files"]:
        try:
            put(folder, was)
        except (StepError, *WRONG) as error:
            path = was.get("path") if isinstance(was, dict) else was
            left.append("%s (%s)" % (path, getattr(error, "strerror", "") or error))
    for argv in former["commands"]:
        with contextlib.suppress(subprocess.SubprocessError, *WRONG):
            null = subprocess.DEVNULL
            subprocess.run(argv, stdin=null, stdout=null, stderr=null, timeout=COMMAND_TIMEOUT)
    paths = [str(was.get("path")) for was in former["files"] if isinstance(was, dict)]
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    save(folder, "restored", {"at": at, "paths": paths, "left": left})
    os.unlink(folder + "/former.json")


def watch(folder: str) -> None:
    """Wait until the change is confirmed, or the time is over.

    Uses monotonic time, because a host's clock may be set.
    """
    while True:
        try:
            with open(folder + "/armed", encoding="utf-8") as f:
                left = json.load(f)["until"] - time.monotonic()
        except FileNotFoundError:
            return
        except WRONG:
            # no one can confirm a damaged record
            left = 0.0
        if left <= 0 or os.path.exists(folder + "/now"):
            if claim(folder, "taken"):
                restore(folder)
            return
        time.sleep(min(LOOK, left))


if __name__ == "__main__":
    if sys.argv[2:] == ["now"]:
        # the host has rebooted, and its monotonic clock has restarted
        save(sys.argv[1], "now", {})
    watch(sys.argv[1])
