"""Files of a host, read for `prov cp`. Shipped to hosts (Python 3.8, standard library)."""

import base64
import json
import os
import pwd
from typing import TYPE_CHECKING, Any, Dict, List

from provision.errors import StepError
from provision.steps.base import Diff, Step, check_path, check_text, step, wanted
from provision.system.host_files import Stat

if TYPE_CHECKING:
    from provision.system.host import System

#: files and folders that a listing has at most
MOST = 75_000
#: bytes that one step reads at most
LARGEST = 4 * 1024 * 1024


@wanted()
class FilesListed(Step):
    """What is at a path, as JSON in the outcome's stdout. Changes nothing.

    path: absolute, or from the home folder of a user.  user: this one.  inside: list what is in a folder, too.

    Links in a folder are named, and not followed: another user of the host may have made them.
    """

    path: str
    user: str
    inside: bool = False

    def label(self) -> str:
        return "files at %s" % self.path

    def validate(self) -> None:
        check_text(self.path, "path")
        check_text(self.user, "user")

    def check(self, host: "System") -> Diff:
        path = os.path.normpath(os.path.join(self._home(), self.path))
        found = self._about(host, path)
        found["above"] = self._about(host, os.path.dirname(path))
        if self.inside and found["kind"] == "dir":
            found["entries"] = []
            self._walk(host, found["path"], "", found["entries"])
        self.scratch["stdout"] = json.dumps(found)
        return Diff.none(
            {"absent": "does not exist", "dir": "is a folder", "file": "is a file"}.get(
                found["kind"], found["kind"]
            )
        )

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("listing changes nothing")

    def _home(self) -> str:
        if os.path.isabs(self.path):
            return "/"
        try:
            return pwd.getpwnam(self.user).pw_dir
        except KeyError:
            raise StepError("there is no user %r" % self.user, hint="Give an absolute path.") from None

    def _about(self, host: "System", path: str) -> Dict[str, Any]:
        path = host.files.follow(path)
        now = host.files.stat(path)
        if now is None:
            return {"path": path, "kind": "absent"}
        return {
            "path": path,
            "kind": now.kind,
            "size": now.size,
            "mode": now.mode,
            "owner": host.accounts.user_name(now.uid),
            "group": host.accounts.group_name(now.gid),
        }

    def _walk(self, host: "System", top: str, below: str, found: List[List[Any]]) -> None:
        for name in host.files.list(os.path.join(top, below)):
            inner = os.path.join(below, name)
            now = host.files.stat(os.path.join(top, inner))
            if now is None:
                continue
            if len(found) >= MOST:
                raise StepError(
                    "there are more than %d files in %s" % (MOST, top), hint="Copy its folders one by one."
                )
            found.append(entry(inner, now))
            if now.kind == "dir":
                self._walk(host, top, inner, found)


def entry(name: str, now: Stat) -> List[Any]:
    """Return what a listing has of a path: its name, kind, size and mode."""
    return [name, now.kind, now.size if now.kind == "file" else 0, now.mode]


@wanted()
class PartRead(Step):
    """A part of a file, in base64 in the outcome's stdout. Changes nothing.

    path: of the file.  offset, size: which of its bytes.
    """

    path: str
    offset: int
    size: int

    def label(self) -> str:
        return "read %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if self.offset < 0 or not 0 < self.size <= LARGEST:
            raise ValueError("expected a part of at most %d bytes" % LARGEST)

    def check(self, host: "System") -> Diff:
        with host.files.open(self.path) as f:
            f.seek(self.offset)
            data = f.read(self.size)
        if len(data) < self.size:
            raise StepError("%s has become shorter while it was copied" % self.path, hint="Copy it again.")
        self.scratch["stdout"] = base64.b64encode(data).decode("ascii")
        return Diff.none("%d bytes" % self.size)

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("reading changes nothing")


files_listed = step(FilesListed)
part_read = step(PartRead)
