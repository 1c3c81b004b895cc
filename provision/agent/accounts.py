"""Users and groups of the host. Shipped."""

import grp
import pwd
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence

from provision.agent.commands import Result
from provision.errors import StepError

Run = Callable[..., Result]


class Account(NamedTuple):
    """A user: names of the primary and of the supplementary groups, home and shell as in passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    comment: str
    groups: Sequence[str]


class Accounts:
    """The real users and groups. run: executes a command on the host."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def user(self, name: str) -> Optional[Account]:
        """The user of that name, or None."""
        try:
            p = pwd.getpwnam(name)
        except KeyError:
            return None
        groups = sorted(g.gr_name for g in grp.getgrall() if name in g.gr_mem)
        return Account(p.pw_name, p.pw_uid, p.pw_gid, p.pw_dir, p.pw_shell, p.pw_gecos, groups)

    def group(self, name: str) -> Optional[int]:
        """The id of a group, or None."""
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            return None

    def uid(self, user: str) -> int:
        """The id of a user. Raises StepError if there is none."""
        account = self.user(user)
        if account is None:
            raise StepError("there is no user %r on this host" % user, hint="Add a users.user step first.")
        return account.uid

    def gid(self, group: str) -> int:
        """The id of a group. Raises StepError if there is none."""
        found = self.group(group)
        if found is None:
            raise StepError("there is no group %r on this host" % group, hint="Add a users.group step first.")
        return found

    def user_name(self, uid: int) -> str:
        """The name for an id, or the number."""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def group_name(self, gid: int) -> str:
        """The name for an id, or the number."""
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    def add_user(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        """useradd(8) with options such as {"--home-dir": "/srv/x"}."""
        self._run(("useradd", *flags, *pairs(options), "--", name)).require("adding the user %s" % name)

    def change_user(self, name: str, options: Dict[str, str]) -> None:
        """usermod(8)."""
        self._run(("usermod", *pairs(options), "--", name)).require("changing the user %s" % name)

    def remove_user(self, name: str) -> None:
        """userdel(8); the home directory stays."""
        self._run(("userdel", "--", name)).require("removing the user %s" % name)

    def add_group(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        """groupadd(8)."""
        self._run(("groupadd", *flags, *pairs(options), "--", name)).require("adding the group %s" % name)


def pairs(options: Dict[str, str]) -> List[str]:
    """{"--uid": "7"} as ["--uid", "7"]."""
    return [part for pair in options.items() for part in pair]
