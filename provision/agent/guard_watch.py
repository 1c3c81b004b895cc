"""Puts back what nobody has confirmed in time. Shipped; runs on the host as a program of its own, with nothing else.

The folder of the guard holds `former.json`, what was there before; `armed`, until when it may be confirmed; copies of
files; `now`, if nobody is to be waited for. Whoever moves `armed` away has the say: the one that confirms, or this
program. It alone puts back: it is there whatever is killed.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from typing import Any, Dict

COMMAND_TIMEOUT = 30
#: what a record that is damaged makes of reading it
WRONG = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
#: seconds between looks
LOOK = 0.1
#: has a host that boots meanwhile put everything back before anybody can log in (systemd.special(7), bootup(7))
BOOT_UNIT = "/etc/systemd/system/prov-guard.service"
BOOT_LINK = "/etc/systemd/system/multi-user.target.wants/prov-guard.service"


def load(folder: str) -> Dict[str, Any]:
    """What is kept: files, as `look` says, and commands (argv) that have them read."""
    try:
        with open(folder + "/former.json", encoding="utf-8") as f:
            found: Dict[str, Any] = json.load(f)
        if isinstance(found["files"], list) and isinstance(found["commands"], list):
            return found
    except WRONG:
        # nothing is known that could be put back
        pass
    return {"files": [], "commands": []}


def save(folder: str, name: str, content: Dict[str, Any]) -> None:
    """Write a file of the folder whole."""
    with open("%s/.%s" % (folder, name), "w", encoding="utf-8") as f:
        json.dump(content, f)
        f.flush()
        os.fsync(f.fileno())
    os.rename("%s/.%s" % (folder, name), "%s/%s" % (folder, name))


def look(folder: str, path: str, copy: str) -> Dict[str, Any]:
    """What is at a path; the contents of a file are copied to that name in the folder."""
    if os.path.islink(path):
        return {"path": path, "kind": "link", "target": os.readlink(path)}
    if not os.path.exists(path):
        return {"path": path, "kind": "absent"}
    st = os.stat(path)
    found = {"path": path, "mode": st.st_mode & 0o7777, "uid": st.st_uid, "gid": st.st_gid}
    if os.path.isdir(path):
        return {**found, "kind": "dir"}
    shutil.copyfile(path, "%s/%s" % (folder, copy))
    label = ""
    with contextlib.suppress(OSError):
        label = os.getxattr(path, "security.selinux").decode()
    return {**found, "kind": "file", "copy": copy, "label": label}


def put(folder: str, was: Dict[str, Any]) -> None:
    """Make what is at a path what it was."""
    path, kind = was["path"], was["kind"]
    is_folder = os.path.isdir(path) and not os.path.islink(path)
    if is_folder and kind != "dir":
        shutil.rmtree(path)
    elif os.path.lexists(path) and not is_folder and kind != "file":
        os.unlink(path)
    if kind == "link":
        os.symlink(was["target"], path)
    elif kind == "dir" and not os.path.isdir(path):
        os.mkdir(path, 0o700)
    elif kind == "file":
        beside = path + ".prov-former"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as out, open("%s/%s" % (folder, was["copy"]), "rb") as copy:
            shutil.copyfileobj(copy, out)
            out.flush()
            os.fsync(out.fileno())
        if was["label"]:
            with contextlib.suppress(OSError):
                os.setxattr(beside, "security.selinux", was["label"].encode())
        os.chown(beside, was["uid"], was["gid"])
        os.chmod(beside, was["mode"])
        os.rename(beside, path)
    if kind == "dir":
        os.chown(path, was["uid"], was["gid"])
        os.chmod(path, was["mode"])


def take(folder: str, to: str) -> bool:
    """Have the say about what is armed; False if somebody else has had it."""
    try:
        os.rename(folder + "/armed", "%s/%s" % (folder, to))
    except FileNotFoundError:
        return False
    for path in (BOOT_LINK, BOOT_UNIT):
        with contextlib.suppress(OSError):
            os.unlink(path)
    return True


def restore(folder: str) -> None:
    """Put everything back, and have it read. Goes on after what can't be: the rest may let us in."""
    former = load(folder)
    for was in former["files"]:
        with contextlib.suppress(*WRONG):
            put(folder, was)
    for argv in former["commands"]:
        with contextlib.suppress(subprocess.SubprocessError, *WRONG):
            null = subprocess.DEVNULL
            subprocess.run(argv, stdin=null, stdout=null, stderr=null, timeout=COMMAND_TIMEOUT)
    paths = [str(was.get("path")) for was in former["files"] if isinstance(was, dict)]
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    save(folder, "restored", {"at": at, "paths": paths})
    os.unlink(folder + "/former.json")


def watch(folder: str) -> None:
    """Wait until it is confirmed, or too late. Monotonic: a host's clock may be set meanwhile."""
    while True:
        try:
            with open(folder + "/armed", encoding="utf-8") as f:
                left = json.load(f)["until"] - time.monotonic()
        except FileNotFoundError:
            return
        except WRONG:
            # nobody can confirm that
            left = 0.0
        if left <= 0 or os.path.exists(folder + "/now"):
            if take(folder, "taken"):
                restore(folder)
            return
        time.sleep(min(LOOK, left))


if __name__ == "__main__":
    if sys.argv[2:] == ["now"]:
        # the host has booted, and its monotonic clock begun anew
        save(sys.argv[1], "now", {})
    watch(sys.argv[1])
