"""Run programs that check their configuration ("nginx -t") on the one that a plan predicts. Shipped.

They run in a mount namespace of their own. There, their folder is as the plan predicts it, and what they
write is discarded; log files exist by name only.
"""

import os
import shutil
from typing import Callable, Dict, List, Optional, Sequence

from provision.system.command_execution import BASE_ENVIRONMENT, Result
from provision.system.planned.planned_files import Node, PlannedFiles

STAGED = "/run/prov-judged-%d"
#: exit status if the namespace can't be created, as in some containers
NO_NAMESPACE = 97
SHOWN = """
own=$1; folder=$2; shift 2
over() {
    mkdir -p "$own/up/new$1" "$own/up/work$1" &&
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$own/up/new$1,workdir=$own/up/work$1" "$1"
}
show() {
    over "$1" && xargs -0 -r rm -rf -- <"$own/gone" && cp --archive "$own/shown$1/." "$1"
}
{
    mount -t tmpfs tmpfs "$own/up" && cp --archive --attributes-only /var/log "$own/up/log" &&
    show "$folder" && over /var && mount --bind "$own/up/log" /var/log && over /run
} >/dev/null 2>&1 || exit 97
exec "$@"
"""


def judge(
    files: PlannedFiles, argv: Sequence[str], folder: str, names: Sequence[str], ask: Callable[..., Result]
) -> Optional[Result]:
    """Return a program's verdict on the predicted configuration; None if it is not known before the deploy.

    folder: of its settings.  names: predicted users and groups.  ask: runs a command that changes nothing.
    """
    foreseen = dict(files.foreseen())
    brought = any(node is not None and path.startswith(("/usr/", "/lib/")) for path, node in foreseen.items())
    if brought or os.geteuid() or shutil.which(argv[0], path=BASE_ENVIRONMENT["PATH"]) is None:
        # a plan does not predict what a package's script does to settings
        return None
    own = STAGED % os.getpid()
    os.mkdir(own, 0o700)
    try:
        hidden = stage(own, foreseen, folder)
        words = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c", SHOWN, "sh", own, folder)
        result = ask((*words, *argv))
    finally:
        shutil.rmtree(own)
    said = result.stdout + result.stderr
    if result.status in (NO_NAMESPACE, 127) or any(name in said for name in (*hidden, *names)):
        return None
    return result._replace(argv=argv)


def stage(own: str, foreseen: Dict[str, Optional[Node]], folder: str) -> List[str]:
    """Write the predicted files of a folder below own, with a list of removed paths.

    Returns the paths that are predicted elsewhere, or whose contents are not known yet.
    """
    os.mkdir(own + "/up")
    os.makedirs(own + "/shown" + folder)
    gone, hidden = [], []
    for path in sorted(foreseen):
        node = foreseen[path]
        if not path.startswith(folder + "/") or not put(own + "/shown" + path, node):
            hidden.append(path)
            continue
        if node is not None and node.content == b"":
            # usually a command's output, such as a key
            hidden.append(path)
        if node is None or node.opaque or node.stat.kind != "dir":
            gone.append(path)
    with open(own + "/gone", "w", encoding="utf-8") as f:
        f.write("\0".join(gone))
    return hidden


def put(at: str, node: Optional[Node]) -> bool:
    """Write a node to a path; return whether that is possible before the deploy."""
    if node is None:
        return True
    if node.stat.kind == "file" and node.content is None and not node.real:
        return False
    os.makedirs(os.path.dirname(at), exist_ok=True)
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
