"""Run programs that check their configuration ("nginx -t") on the one that a plan predicts.

Shipped with the steps that have such programs.

They run in a mount namespace of their own. There, files are as the plan predicts them, and what they write is
discarded or refused; log files exist by name only.
"""

import os
import re
import shutil
from typing import TYPE_CHECKING, Callable, Dict, List, Optional, Sequence

from provision.system.command_execution import BASE_ENVIRONMENT, Result

if TYPE_CHECKING:
    from provision.system.planned.planned_files import Node, PlannedFiles

STAGED = "/run/prov-judged-%d"
#: exit status if the namespace can't be created, as in some containers
NO_NAMESPACE = 97
#: top-level folders with a layer to write to; /run, which has the staged files, gets its own last
WRITABLE = ("/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/var")
#: top-level folders that stay as they are
KERNEL = ("/dev", "/proc", "/sys")
#: how many predicted paths outside its own folder a program is shown
MOST = 1000
#: bytes; larger files of the host that a plan copies or moves are not shown there
LARGEST = 1024 * 1024
REFUSED = "Read-only file system"
#: mounts that have gone since they were listed are left out. The kernel makes no overlay over two others
#: (FILESYSTEM_MAX_STACK_DEPTH); /etc, which is small, is copied then
SHOWN = """
own=$1; shift; export own
over() {
    mkdir -p "$own/up/new$1" "$own/up/work$1" && chown --reference="$1" "$own/up/new$1" &&
    chmod --reference="$1" "$own/up/new$1" &&
    if ! mount -t overlay overlay -o "lowerdir=$1,upperdir=$own/up/new$1,workdir=$own/up/work$1" "$1"; then
        [ "$1" = /etc ] && cp --archive /etc/. "$own/up/new/etc" && mount --bind "$own/up/new/etc" /etc
    fi
}
each() { xargs -0 -r -n 1 sh -c "$2" sh <"$own/$1"; }
{
    mount --rbind / "$own/all" && mount -t tmpfs tmpfs "$own/up" &&
    cp --archive --attributes-only /var/log "$own/up/log" &&
    while [ "$1" != -- ]; do over "$1" || exit 97; shift; done && shift &&
    each layers 'new=$own/up/own$1/new work=$own/up/own$1/work && mkdir -p "$new" "$work" &&
        chown --reference="$1" "$new" && chmod --reference="$1" "$new" &&
        mount -t overlay overlay -o "lowerdir=$own/all$1,upperdir=$new,workdir=$work" "$1"' &&
    each below 'findmnt --mountpoint "$own/all$1" || exit 0; mount --bind "$own/all$1" "$1"' &&
    mount --bind "$own/up/log" /var/log &&
    each fixed 'findmnt --mountpoint "$1" || exit 0; mount -o remount,bind,ro "$1"' && over /run &&
    xargs -0 -r rm -rf -- <"$own/gone" && each tops 'cp --archive "$own/shown$1/." "$1"'
} >/dev/null 2>&1 || exit 97
exec "$@"
"""


def unknown(program: str) -> str:
    """Return what a plan says if only the deploy can tell whether a program accepts the new contents."""
    return "%s judges it in the deploy: a plan can't know yet what it says" % program


def judge(
    files: "PlannedFiles",
    argv: Sequence[str],
    folder: str,
    names: Sequence[str],
    ask: Callable[..., Result],
    silent: bool,
) -> Optional[Result]:
    """Return a program's verdict on the predicted host; None if it is not known before the deploy.

    folder: of its settings.  names: of what else is predicted, such as users.  ask: runs a command that
    changes nothing.  silent: the program may fail without naming what it misses.
    """
    foreseen = dict(files.foreseen())
    brought = any(node is not None and path.startswith(("/usr/", "/lib/")) for path, node in foreseen.items())
    if brought or os.geteuid():
        # a plan does not predict what a package's script does to settings
        return None
    if shutil.which(argv[0], path=BASE_ENVIRONMENT["PATH"]) is None:
        certain = silent and not names and not any(os.path.basename(argv[0]) in path for path in foreseen)
        return ask(argv) if certain else None
    own = STAGED % os.getpid()
    os.mkdir(own, 0o700)
    try:
        staged = Staged(own, foreseen, folder, argv, files.loaded)
        if not staged.whole:
            return None
        words = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", SHOWN, "sh", own)
        result = ask((*words, *staged.over, "--", *argv))
    finally:
        shutil.rmtree(own)
    said, missing = result.stdout + result.stderr, [*staged.hidden, *names]
    if result.status and (REFUSED in said or (silent and missing)):
        return None
    if result.status in (NO_NAMESPACE, 127) or any(name in said for name in missing):
        return None
    return result._replace(argv=argv)


class Staged:
    """The predicted files, written below own, with lists of what the namespace is made of.

    hidden: paths that are not shown, or whose contents are not known yet.  over: top-level folders that have
    a layer of their own.  whole: whether the program sees all that it is about.
    loaded: returns a node with its contents.
    """

    def __init__(
        self,
        own: str,
        foreseen: "Dict[str, Optional[Node]]",
        folder: str,
        argv: Sequence[str],
        loaded: "Callable[[str], Optional[Node]]",
    ) -> None:
        self.own, self.hidden, self.whole = own, [], True
        for name in ("up", "all", "shown"):
            os.mkdir("%s/%s" % (own, name))
        gone: List[str] = []
        changed: List[str] = []
        near = {path for path in foreseen if path.startswith(folder + "/")}
        shown = near if len(foreseen) - len(near) > MOST else set(foreseen)
        for path in sorted(foreseen):
            node = loaded(path) if path in shown else foreseen[path]
            large = node is not None and node.real and path not in near and node.stat.size > LARGEST
            if path not in shown or large or not layered(path) or not put(own + "/shown", path, node):
                self.hidden.append(path)
                self.whole = self.whole and path not in argv
                continue
            changed.append(path)
            if node is not None and node.content == b"" and path not in argv:
                # usually a command's output, such as a key
                self.hidden.append(path)
            if node is None or node.opaque or node.stat.kind != "dir":
                gone.append(path)
        tops = {top(path) for path in (folder + "/", *foreseen) if layered(path)}
        self.over = sorted(tops.union(filter(os.path.isdir, WRITABLE)) - {"/run"})
        self._put("gone", gone)
        self._put("tops", ["/" + name for name in os.listdir(own + "/shown")])
        self._mounts(changed)

    def _mounts(self, changed: Sequence[str]) -> None:
        """List the mounts that the layers would hide, those with layers of their own, and the read-only ones."""
        below, layers, fixed = [], [], []
        for at in mounts():
            if top(at) in (*KERNEL, "/run") or at == "/var/log" or at.startswith(("/var/log/", self.own)):
                continue
            inner = at != "/" and at not in self.over and top(at) in self.over
            if inner and any(path.startswith(at + "/") for path in changed):
                layers.append(at)
            elif not inner or at not in changed:
                below += [at] if inner else []
                fixed += [at] if at not in self.over else []
            elif os.path.isdir(at):
                # a file in place of the mounted one is shown as it is; what is to take a folder's place is not
                self.whole = False
        for name, paths in (("below", below), ("layers", layers), ("fixed", fixed)):
            self._put(name, paths)

    def _put(self, name: str, paths: Sequence[str]) -> None:
        with open("%s/%s" % (self.own, name), "wb") as f:
            f.write(b"\0".join(map(os.fsencode, paths)))


def mounts() -> List[str]:
    """Return the mount points that this process sees (proc(5), /proc/PID/mounts)."""
    with open("/proc/self/mounts", "rb") as f:
        points = [line.split(b" ")[1] for line in f]
    decoded = [re.sub(rb"\\(\d{3})", lambda found: bytes([int(found.group(1), 8)]), at) for at in points]
    return list(dict.fromkeys(map(os.fsdecode, decoded)))


def top(path: str) -> str:
    """Return the top-level folder of a path."""
    return "/" + path.split("/")[1]


def layered(path: str) -> bool:
    """Return whether the path's top-level folder can have a layer."""
    return top(path) not in KERNEL and path.count("/") > 1 and os.path.isdir(top(path))


def make_above(shown: str, path: str) -> None:
    """Make the folders above a path below shown, with the owners and modes that they really have."""
    for end in (n for n, letter in enumerate(path) if letter == "/" and n):
        made, real = shown + path[:end], path[:end]
        if not os.path.isdir(made):
            os.mkdir(made)
            if os.path.isdir(real):
                now = os.stat(real)
                os.chown(made, now.st_uid, now.st_gid)
                os.chmod(made, now.st_mode & 0o7777)


def put(shown: str, path: str, node: "Optional[Node]") -> bool:
    """Write a node to its path below shown; return whether that is possible before the deploy."""
    if node is None:
        return True
    if node.stat.kind == "file" and node.content is None and not node.real:
        return False
    make_above(shown, path)
    at = shown + path
    if node.stat.kind == "dir":
        os.makedirs(at, exist_ok=True)
    elif node.stat.kind == "link":
        os.symlink(node.stat.target, at)
    elif node.real:
        shutil.copyfile(node.real, at)
    else:
        with open(at, "wb") as f:
            f.write(node.content or b"")
    os.chown(at, node.stat.uid, node.stat.gid, follow_symlinks=False)
    if node.stat.kind != "link":
        os.chmod(at, node.stat.mode)
    return True
