"""Repositories made of raw objects, as no git would write them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib
from pathlib import Path

FILE, RUN, LINK, FOLDER, MODULE = b"100644", b"100755", b"120000", b"40000", b"160000"
#: (mode, name, object) of one tree
Tree = list[tuple[bytes, bytes, str]]


class Raw:
    """A repository of this machine whose trees say anything."""

    def __init__(self, folder: Path, branch: str = "main") -> None:
        self.folder = folder
        self.url = f"file://{folder}"
        self.git("init", "--quiet", f"--initial-branch={branch}", str(folder))

    def git(self, *arguments: str, **environment: str) -> str:
        """Run git on it, as someone."""
        who = ["-c", "user.name=a", "-c", "user.email=a@a.test", "-c", "commit.gpgsign=false"]
        where = ["-C", str(self.folder)] if self.folder.exists() else []
        argv = ["git", *who, "-c", "protocol.file.allow=always", *where, *arguments]
        env = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, **environment}
        return subprocess.run(argv, capture_output=True, text=True, check=True, env=env).stdout.strip()

    def object(self, kind: str, data: bytes) -> str:
        """Write one object and return its name."""
        raw = b"%s %d\0" % (kind.encode(), len(data)) + data
        name = hashlib.sha1(raw).hexdigest()
        place = self.folder / ".git/objects" / name[:2]
        place.mkdir(exist_ok=True)
        (place / name[2:]).write_bytes(zlib.compress(raw))
        return name

    def blob(self, data: bytes = b"written by the repository\n") -> str:
        return self.object("blob", data)

    def tree(self, entries: Tree) -> str:
        return self.object("tree", b"".join(b"%s %s\0" % (m, n) + bytes.fromhex(o) for m, n, o in entries))

    def commit(self, entries: Tree, branch: str = "main") -> str:
        """Make a branch have these entries alone."""
        who = "x <x@x> 1700000000 +0000"
        text = f"tree {self.tree(entries)}\nauthor {who}\ncommitter {who}\n\nx\n"
        name = self.object("commit", text.encode())
        (self.folder / f".git/refs/heads/{branch}").write_text(name + "\n")
        return name

    def write(self, files: dict[str, str], message: str = "x") -> str:
        """Commit files as anybody does."""
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.git("rev-parse", "HEAD")


def everything(folder: Path) -> dict[str, str]:
    """What is below a folder: kind, mode and contents, with no link followed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[str(path)] = f"-> {path.readlink()}"
        else:
            found[str(path)] = (
                f"{path.stat().st_mode:o} {path.read_bytes()!r}" if path.is_file() else "folder"
            )
    return found
