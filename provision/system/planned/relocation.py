"""Predict moves of files and folders. Shipped."""

from provision.system.planned.planned_files import PlannedFiles


def move(files: PlannedFiles, origin: str, path: str) -> None:
    """Move everything at origin to path, as usermod(8) does with a home."""
    now = files.stat(origin)
    assert now is not None  # steps only move what they have queried
    if now.kind == "dir":
        files.mkdir(path, now.mode, now.uid, now.gid)
        for name in files.list(origin):
            move(files, "%s/%s" % (origin, name), "%s/%s" % (path, name))
    elif now.kind == "link":
        files.link(path, now.target)
    elif now.kind == "file":
        files.copy(origin, path, now.mode, now.uid, now.gid)
    files.remove(origin)
