"""Files and directories that systemd-tmpfiles makes at boot and now. Shipped to hosts (Python 3.8)."""

import os
import re
from typing import TYPE_CHECKING, List, NamedTuple, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, mode_text, step, wanted
from provision.steps.files import File
from provision.steps.kernel import HEADER, check_gone, put_applied
from provision.steps.support.unit_judging import check_drop_in_name, check_lines
from provision.steps.support.unquoted import unescaped, unquoted

if TYPE_CHECKING:
    from provision.system.host import System

#: tmpfiles.d(5): what a line of each type creates at its path
MAKES = {"f": "file", "F": "file", "d": "dir", "D": "dir", "v": "dir", "q": "dir", "Q": "dir", "L": "link"}
#: types that replace the contents of a file, whatever it has
REWRITES = ("F", "f+")
TYPES = "fFwdDevqQpLcbCxXrRzZtThHaA"
MODIFIERS = "+!-=~^$?"


class TmpfilesLine(NamedTuple):
    """A line of tmpfiles.d(5); "" for a field that is "-" or missing."""

    kind: str
    path: str
    mode: str
    user: str
    group: str
    argument: str


@wanted()
class Tmpfiles(Step):
    """Directories and files below /run and the like: made at every boot, and now.

        tmpfiles.tmpfiles(c, "shop", ["d /run/shop 0750 shop www-data", "L /run/shop/conf - - - - /etc/shop"])

    name: of the file in /etc/tmpfiles.d, without ".conf".
    lines: as in tmpfiles.d(5), including its quotes: 'd "/run/my shop" 0750'. An empty list removes the file,
    and leaves what its lines made.
    `systemd-tmpfiles --create` applies the lines before the file is put in place, and again if something that
    they make is missing. If systemd-tmpfiles refuses a line, the file is not put in place.
    Undo puts back what lines of the types f, d, v, q and L have made or changed, at paths without "%".
    """

    name: str
    lines: Sequence[str] = ()

    def label(self) -> str:
        return "tmpfiles %s" % self.name

    def validate(self) -> None:
        check_drop_in_name(self.name)
        check_lines(self.lines, parsed)

    def check(self, host: "System") -> Diff:
        if not self.lines:
            return check_gone(host, self._file().path)
        found = list(self._file().check(host).changes)
        for line in map(parsed, self.lines):
            found += self._made(host, line)
        return Diff(found) if found else Diff.none("is there, and so is what it makes")

    def apply(self, host: "System", diff: Diff) -> None:
        file = self._file()
        if not self.lines:
            host.files.remove(file.path)
            return
        lines = [parsed(line) for line in self.lines]
        for line in lines:
            if host.planned:
                self._foresee(host, line)
            else:
                self._keep(host, line)
        if file.check(host):
            put_applied(host, file, self)
        else:
            host.run(("systemd-tmpfiles", "--create", file.path)).require("systemd-tmpfiles")
        for line in lines:
            for change in self._made(host, line):
                raise StepError("systemd-tmpfiles ended well, but %s is not as wanted" % change.what)
        if all(map(is_undoable, lines)):
            # undo knows all of it, so nothing of the command stays
            host.ran = False

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _file(self) -> File:
        text = HEADER + "".join(line + "\n" for line in self.lines)
        path = "/etc/tmpfiles.d/%s.conf" % self.name
        return File(path, text, mode=0o644, validate_with=["systemd-tmpfiles", "--create", "%s"])

    def _made(self, host: "System", line: TmpfilesLine) -> List[Change]:
        """Return how the path differs from its line. "!" is for boots only, "%" needs expanding."""
        uid, gid = owner_of(host, line)
        if line.kind[0] not in MAKES or "!" in line.kind or "%" in line.path:
            return []
        what = MAKES[line.kind[0]]
        there = host.files.stat(line.path)
        if there is None:
            return [Change(line.path, "", what)]
        if line.kind.startswith("L+") and "%" not in line.argument and there.target != line.argument:
            return [Change(line.path, "-> %s" % there.target if there.target else there.kind, "link")]
        if what == "link":
            return []
        now = there
        if now.kind != what:
            # systemd-tmpfiles follows no link at the end of a path
            raise StepError("%s is a %s, and a %s is wanted there" % (line.path, now.kind, what))
        found = []
        if line.mode and now.mode != int(line.mode, 8):
            found.append(Change("mode of " + line.path, mode_text(now.mode), mode_text(int(line.mode, 8))))
        if line.user and now.uid != uid:
            found.append(Change("owner of " + line.path, host.accounts.user_name(now.uid), line.user))
        if line.group and now.gid != gid:
            found.append(Change("group of " + line.path, host.accounts.group_name(now.gid), line.group))
        return found

    def _keep(self, host: "System", line: TmpfilesLine) -> None:
        """Keep for undo what the line is about to make; change what it changes."""
        if not self._made(host, line):
            return
        if host.files.stat(line.path) is not None:
            self._foresee(host, line)
            return
        top = line.path
        while host.files.stat(os.path.dirname(top)) is None:
            top = os.path.dirname(top)
        host.files.keep(top)

    def _foresee(self, host: "System", line: TmpfilesLine) -> None:
        if not self._made(host, line):
            return
        if host.files.stat(line.path) is not None and line.kind[0] != "L":
            if line.mode:
                host.files.set_mode(line.path, int(line.mode, 8))
            now, (uid, gid) = host.files.stat(line.path), owner_of(host, line)
            assert now is not None
            host.files.set_owner(line.path, uid if line.user else now.uid, gid if line.group else now.gid)
            return
        above = line.path.rsplit("/", 1)[0]
        if above and not host.files.exists(above):
            self._foresee(host, line._replace(kind="d", path=above, mode="", user="", group=""))
        uid, gid = owner_of(host, line)
        what = MAKES[line.kind[0]]
        if what == "link":
            if host.files.stat(line.path) is not None:
                # "L+" removes what is in the way, even a directory with all its contents
                host.files.remove(line.path)
            host.files.link(line.path, line.argument)
            return
        mode = int(line.mode or ("755" if what == "dir" else "644"), 8)
        if what == "dir":
            host.files.mkdir(line.path, mode, uid, gid)
        else:
            host.files.write(line.path, unescaped(line.argument), mode, uid, gid)


tmpfiles = step(Tmpfiles)


def is_undoable(line: TmpfilesLine) -> bool:
    """Return whether undo puts back all that a line does now; "!" is for boots only."""
    return "!" in line.kind or (line.kind[0] in MAKES and line.kind not in REWRITES and "%" not in line.path)


def owner_of(host: "System", line: TmpfilesLine) -> "tuple[int, int]":
    """Return ids of the owner and group in a line. Raises StepError."""
    user, group = line.user.lstrip(":") or "root", line.group.lstrip(":") or "root"
    if "%" in user + group:
        return 0, 0
    uid = int(user) if user.isdigit() else host.accounts.uid(user)
    return uid, int(group) if group.isdigit() else host.accounts.gid(group)


def parsed(line: str) -> TmpfilesLine:
    """Return the fields of a line. Raises ValueError."""
    words, argument = unquoted(line, 6)
    if len(words) < 2:
        raise ValueError("a line needs a type and a path at least: %r" % line)
    kind, path = words[:2]
    if kind[0] not in TYPES or kind[1:].strip(MODIFIERS):
        raise ValueError("%r is not a type of tmpfiles.d(5)" % kind)
    if not path.startswith(("/", "%")) or ".." in path.split("/"):
        raise ValueError("the path must be absolute, not %r" % path)
    # systemd-tmpfiles reads "/run//x/./y/" as /run/x/y
    path = "/".join(part for n, part in enumerate(path.split("/")) if n == 0 or part not in ("", "."))
    rest = ["" if word == "-" else word for word in words[2:]] + [""] * 4
    mode = rest[0].lstrip("~:")
    if mode and not re.match(r"^[0-7]{1,4}\Z", mode):
        raise ValueError("%r is not a mode such as 0755" % rest[0])
    return TmpfilesLine(kind, path, mode, rest[1], rest[2], "" if argument == "-" else argument)
