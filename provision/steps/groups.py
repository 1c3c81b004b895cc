"""Groups of users. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, listed, wanted
from provision.system.accounts import FILES

if TYPE_CHECKING:
    from provision.system.host import System

#: names that every useradd and groupadd takes (shadow 4.17, chkname.c; Debian up to 12 takes more)
ALWAYS = re.compile(r"^(?!\d+\Z|\.{1,2}\Z)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,30}[A-Za-z0-9_.$-]?\Z", re.ASCII)
#: what a name in passwd(5) and in the files of the programs that read it can be, also of a directory
POSSIBLE = re.compile(r"^(?!\.{1,2}\Z)[^\s:,/~+@%#!*\x00-\x1f\x7f-][^\s:,/\x00-\x1f\x7f]{0,255}\Z")
#: useradd(8), groupadd(8): the id is in use. They ask that after they have judged the name, and before they
#: write
IN_USE = 4


@wanted()
class Group(Step):
    """A group.

        users.group(c, "deploy", members=["ada", "bob"], exclusive=True)

    name: as groupadd(8) takes it.  gid: None lets the host choose.  system: of the range for services.
    members: users who have it as a supplementary group.  exclusive: remove other members.
    renumber: change the gid of an existing group. Files keep the old number; files.directory and
    permissions.permissions change it.
    """

    name: str
    gid: Optional[int] = None
    system: bool = False
    members: Sequence[str] = ()
    exclusive: bool = False
    renumber: bool = False

    def label(self) -> str:
        return "group %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        check_id(self.gid, "gid")
        if isinstance(self.members, str):
            raise ValueError("members must be a list")
        for member in self.members:
            check_name(member)

    def check(self, host: "System") -> Diff:
        unknown = [name for name in self.members if host.accounts.user(name) is None]
        if unknown:
            raise StepError(
                "there is no user %s on this host" % ", ".join(map(repr, unknown)),
                hint="Add a users.user step first.",
            )
        now = host.accounts.group(self.name)
        if now is None:
            refuse_name(host, self.name, "groupadd", "--gid", "0")
        if self.gid is not None and now != self.gid:
            if now is not None and not self.renumber:
                raise StepError(
                    "group %s has the id %d, not %d" % (self.name, now, self.gid),
                    hint="Files keep the old id, so prov changes it only with renumber=True.",
                )
            refuse_id(self.name, self.gid, host.accounts.group_name(self.gid))
        found = [Change("new group", "", self.name)] if now is None else []
        if now is not None and self.gid not in (None, now):
            found.append(Change("gid", str(now), str(self.gid)))
        have, want = host.accounts.members(self.name), self._wanted_members(host)
        found += [Change("member", "", name) for name in want if name not in have]
        found += [Change("member", name, "") for name in have if name not in want]
        if found and now is not None:
            refuse_foreign(host, "group", [self.name])
        return Diff(found) if found else Diff.none("exists, id %d" % (now or 0))

    def apply(self, host: "System", diff: Diff) -> None:
        if host.accounts.group(self.name) is None:
            options = {} if self.gid is None else {"--gid": str(self.gid)}
            host.accounts.add_group(self.name, options, ["--system"] if self.system else [])
        elif any(change.what == "gid" for change in diff.changes):
            host.accounts.set_gid(self.name, str(self.gid))
        want = self._wanted_members(host)
        if want != host.accounts.members(self.name):
            host.accounts.set_members(self.name, want)

    def fingerprint(self, host: "System") -> str:
        return "%s %s" % (host.accounts.group(self.name), ",".join(host.accounts.members(self.name)))

    def _wanted_members(self, host: "System") -> List[str]:
        return sorted(set(self.members) | set([] if self.exclusive else host.accounts.members(self.name)))


@wanted()
class NoGroup(Step):
    """No group of that name. Files of the group keep its number. A user's primary group can't be removed.

    name: of the group.
    """

    name: str

    def label(self) -> str:
        return "no group %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        if self.name == "root":
            raise ValueError("root can't be removed")

    def check(self, host: "System") -> Diff:
        gid = host.accounts.group(self.name)
        if gid is None:
            return Diff.none("there is no such group")
        refuse_foreign(host, "group", [self.name])
        users = host.accounts.users_of(gid)
        if users:
            raise StepError(
                "group %s is the primary group of %s" % (self.name, listed(users)),
                hint="Give them another one, users.user(..., group=...), or remove them, before this step.",
            )
        members = host.accounts.members(self.name)
        return Diff([Change("group", self.name, ""), *(Change("member", name, "") for name in members)])

    def apply(self, host: "System", diff: Diff) -> None:
        host.accounts.remove_group(self.name)

    def fingerprint(self, host: "System") -> str:
        return str(host.accounts.group(self.name))


# -- shared by steps on accounts


def check_name(name: str) -> None:
    """Raise ValueError unless name can be one of passwd(5): what useradd(8) takes is for the host to say."""
    if not isinstance(name, str) or not POSSIBLE.match(name):
        raise ValueError("%r is not a name for a user or group" % (name,))


def refuse_name(host: "System", name: str, *argv: str) -> None:
    """Raise StepError if a name is one that this host's program, useradd or groupadd, does not take for a new
    one."""
    if not ALWAYS.match(name):
        said = host.ask((*argv, "--", name))
        if said.status != IN_USE:
            said.require("judging the name %r" % name, "Use letters, digits, '_', '.' and '-'.")


def refuse_foreign(host: "System", kind: str, names: Sequence[str]) -> None:
    """Raise StepError if one of these users or groups, which must change, is not in the host's own file.

    kind: "user" or "group".
    """
    for name in names:
        if not host.accounts.is_own(kind, name):
            raise StepError(
                "%s %s must change, but is not in %s" % (kind, name, FILES[kind]),
                hint="Another source of /etc/nsswitch.conf, such as a directory (LDAP), has it: change it there.",
            )


def refuse_id(name: str, number: int, owner: str) -> None:
    """Raise StepError if an id has an owner. owner: what Accounts.user_name or group_name has said."""
    if owner not in (name, str(number)):
        raise StepError(
            "%s can't have the id %d, which belongs to %s" % (name, number, owner),
            hint="Give another id, or let the host choose.",
        )


def check_id(number: Optional[int], what: str) -> None:
    """Raise ValueError unless number is None or can be the id of a user or group."""
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
        raise ValueError("%s must be a number from 0, not %r" % (what, number))
