"""System users and groups in systemd's own form. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, NamedTuple, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.files import File
from provision.steps.kernel import HEADER, check_gone, put_applied
from provision.steps.support.unit_judging import check_drop_in_name, check_lines
from provision.steps.support.unquoted import unquoted

if TYPE_CHECKING:
    from provision.system.host import System

NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]{0,30}\Z")
KINDS = ("u", "u!", "g", "m", "r")


class SysusersLine(NamedTuple):
    """A line of sysusers.d(5); "" for a field that is "-" or missing."""

    kind: str
    name: str
    id: str
    comment: str
    home: str
    shell: str


@wanted()
class Sysusers(Step):
    """Users and groups of services, in a file of sysusers.d: made now, and again wherever /etc is rebuilt.

        sysusers.sysusers(c, "shop", ['u shop - "The shop" /var/lib/shop', "m shop www-data"])

    name: of the file, without ".conf".
    lines: as in sysusers.d(5). An empty list removes the file, and leaves the users: remove those with
    users.no_user. `systemd-sysusers` makes what is missing before the file is put in place. If it refuses a
    line, the file is not put in place. It never changes existing users: use users.user for people and for
    more options.
    """

    name: str
    lines: Sequence[str] = ()

    def label(self) -> str:
        return "sysusers %s" % self.name

    def validate(self) -> None:
        check_drop_in_name(self.name)
        check_lines(self.lines, parsed)

    def check(self, host: "System") -> Diff:
        if not self.lines:
            return check_gone(host, self._file().path)
        found = list(self._file().check(host).changes)
        found += [Change(what, "", "added") for what in self._missing(host)]
        return Diff(found) if found else Diff.none("is there, and so are its users and groups")

    def apply(self, host: "System", diff: Diff) -> None:
        file = self._file()
        if not self.lines:
            host.files.remove(file.path)
            return
        if host.planned:
            self._foresee(host)
        with host.accounts.journaled():
            if any(not c.what.startswith(("user ", "group ", "member ")) for c in diff.changes):
                put_applied(host, file, self)
            else:
                host.run(("systemd-sysusers", file.path)).require("systemd-sysusers")
        for what in self._missing(host):
            raise StepError("systemd-sysusers ended well, but there is no %s" % what)
        # undo knows the lines of all accounts, so nothing of the command stays
        host.ran = False

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _file(self) -> File:
        text = HEADER + "".join(line + "\n" for line in self.lines)
        path = "/etc/sysusers.d/%s.conf" % self.name
        return File(path, text, mode=0o644, validate_with=["systemd-sysusers", "%s"])

    def _missing(self, host: "System") -> List[str]:
        """Return what the host lacks: "user shop", "group shop", "member shop of www-data"."""
        found: List[str] = []
        for line in map(parsed, self.lines):
            if line.kind[0] == "u" and host.accounts.user(line.name) is None:
                found.append("user %s" % line.name)
            elif line.kind == "g" and host.accounts.group(line.name) is None:
                found.append("group %s" % line.name)
            elif line.kind == "m":
                account = host.accounts.user(line.name)
                if account is None or line.id not in account.groups:
                    found.append("member %s of %s" % (line.name, line.id))
        return found

    def _foresee(self, host: "System") -> None:
        for line in map(parsed, self.lines):
            numbers = {"--uid": line.id} if line.id.isdigit() else {}
            if line.kind[0] == "u":
                foresee_user(host, line, numbers)
            elif line.kind == "g" and host.accounts.group(line.name) is None:
                host.accounts.add_group(line.name, {"--gid": line.id} if numbers else {})
            elif line.kind == "m":
                foresee_user(host, SysusersLine("u", line.name, "", "", "", ""), {})
                if host.accounts.group(line.id) is None:
                    host.accounts.add_group(line.id, {})
                account = host.accounts.user(line.name)
                assert account is not None
                groups = sorted({*account.groups, line.id})
                host.accounts.change_user(line.name, {"--groups": ",".join(groups)})


sysusers = step(Sysusers)


def foresee_user(host: "System", line: SysusersLine, numbers: "dict[str, str]") -> None:
    """In a plan: foresee the user that a line adds. sysusers.d(5) does not create the home."""
    if host.accounts.user(line.name) is not None:
        return
    options = {
        "--home": line.home or "/",
        "--shell": line.shell or "/usr/sbin/nologin",
        "--comment": line.comment,
        **numbers,
    }
    flags = ["--gid", line.name] if host.accounts.group(line.name) is not None else ["--user-group"]
    host.accounts.add_user(line.name, options, flags)


def parsed(line: str) -> SysusersLine:
    """Return the fields of a line. Raises ValueError."""
    words, more = unquoted(line, 6)
    if len(words) < 2 or words[0] not in KINDS:
        raise ValueError("a line begins with one of %s, and a name: %r" % (", ".join(KINDS), line))
    rest = ["" if word == "-" else word for word in words[2:]] + [""] * 4
    if more:
        raise ValueError("a line has six fields at most: %r" % line)
    if words[0] != "r" and not NAME.match(words[1]):
        raise ValueError("%r is not a user's or a group's name" % words[1])
    if words[0] == "m" and not NAME.match(rest[0]):
        raise ValueError("%r is not a group's name" % rest[0])
    return SysusersLine(words[0], words[1], *rest[:4])
