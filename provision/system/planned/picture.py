"""Write predicted settings to temporary folders, for programs that resolve packages. Shipped."""

import os
from typing import Tuple

from provision.system.host_files import Files


def draw(files: Files, path: str, at: str, rewrite: Tuple[str, str] = ("", "")) -> None:
    """Make a folder `at` that shows a path as the plan predicts it.

    Unchanged files are links to the real ones.
    rewrite: (text, replacement) for the contents of predicted files, which may name other predicted files.
    """
    os.mkdir(at)
    for name in files.list(path):
        here, there = "%s/%s" % (path, name), "%s/%s" % (at, name)
        found = files.end(here)
        if found is not None and found.kind == "dir":
            draw(files, here, there, rewrite)
        elif not files.predicted(here):
            os.symlink(here, there)
        elif found is not None:
            old, new = (word.encode() for word in rewrite)
            write(there, files.read(here).replace(old, new) if old else files.read(here))


def write(path: str, content: bytes) -> None:
    """Write a file that unprivileged helpers can read."""
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, 0o644)
