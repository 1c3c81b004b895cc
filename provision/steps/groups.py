"""Groups of users. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, listed, wanted

if TYPE_CHECKING:
    from provision.system.host import System

#: useradd(8): the pattern recommended there, 32 characters at most
NAME = re.compile(r"^[a-z_][a-z0-9_-]{0,30}[a-z0-9_$-]?$")


@wanted()
class Group(Step):
    """A group.

        users.group(c, "deploy", members=["ada", "bob"], exclusive=True)

    name: as groupadd(8) takes it.  gid: None lets the host choose.  system: of the range for services.
    members: users who have it as a supplementary group.  exclusive: nobody else has.
    """

    name: str
    gid: Optional[int] = None
    system: bool = False
    members: Sequence[str] = ()
    exclusive: bool = False

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
        if now is not None and self.gid is not None and now != self.gid:
            raise StepError(
                "group %s has the id %d, not %d" % (self.name, now, self.gid),
                hint="Files keep the old id, so prov does not change it; use groupmod by hand if you must.",
            )
        found = [Change("new group", "", self.name)] if now is None else []
        have, want = host.accounts.members(self.name), self._wanted_members(host)
        found += [Change("member", "", name) for name in want if name not in have]
        found += [Change("member", name, "") for name in have if name not in want]
        return Diff(found) if found else Diff.none("exists, id %d" % (now or 0))

    def apply(self, host: "System", diff: Diff) -> None:
        if host.accounts.group(self.name) is None:
            options = {} if self.gid is None else {"--gid": str(self.gid)}
            host.accounts.add_group(self.name, options, ["--system"] if self.system else [])
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
    """Raise ValueError unless name is one that useradd(8) takes."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError("%r is not a name for a user or group" % (name,))


def check_id(number: Optional[int], what: str) -> None:
    """Raise ValueError unless number is None or can be the id of a user or group."""
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
        raise ValueError("%s must be a number from 0, not %r" % (what, number))
