"""Users and groups of the host. Shipped."""

import contextlib
import grp
import pwd
from typing import (
    TYPE_CHECKING,
    Callable,
    ContextManager,
    Dict,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Set,
)

from provision.errors import StepError
from provision.system.account_lines import by_name
from provision.system.command_execution import Result

if TYPE_CHECKING:
    from provision.system.undo_record import UndoRecord

Run = Callable[..., Result]


class Account(NamedTuple):
    """A user: names of the primary group and the supplementary groups, home and shell as in passwd(5)."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    comment: str
    groups: Sequence[str]


class Shadow(NamedTuple):
    """A user's line of shadow(5): the password hash ("!" before it: locked), and days; -1 means none.

    min, max, warn, inactive: ages of the password.  expires: the account's last day, since 1970.
    """

    password: str
    min: int
    max: int
    warn: int
    inactive: int
    expires: int


#: options of chage(1) for the fields of Shadow
AGEING = {
    "min": "--mindays",
    "max": "--maxdays",
    "warn": "--warndays",
    "inactive": "--inactive",
    "expires": "--expiredate",
}


#: others come from further sources of nsswitch.conf(5)
FILES = {"user": "/etc/passwd", "group": "/etc/group"}


class Accounts:
    """The real users and groups. run: executes a command on the host.

    looked: "user NAME" and "group NAME" of all queries by steps.  record: keeps lines before they change.
    made, gone: called with kind and name of each addition and removal.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.looked: Set[str] = set()
        self.record: "Optional[UndoRecord]" = None
        self.made: Callable[[str, str], None] = lambda kind, name: None
        self.gone: Callable[[str, str], object] = lambda kind, name: None

    def journaled(self) -> "ContextManager[None]":
        """Record the lines that change in the block, so that an undo can restore them."""
        return contextlib.nullcontext() if self.record is None else self.record.accounts()

    @contextlib.contextmanager
    def _making(self, kind: str, name: str) -> Iterator[None]:
        """Record a user or group that the block adds.

        This comes first, because prov may be killed right after.
        """
        self.made(kind, name)
        try:
            with self.journaled():
                yield
        except BaseException:
            self.gone(kind, name)
            raise

    def user(self, name: str) -> Optional[Account]:
        """Return the user with a name, or None."""
        self.looked.add("user %s" % name)
        try:
            p = pwd.getpwnam(name)
        except KeyError:
            return None
        groups = sorted(g.gr_name for g in grp.getgrall() if name in g.gr_mem)
        return Account(p.pw_name, p.pw_uid, p.pw_gid, p.pw_dir, p.pw_shell, p.pw_gecos, groups)

    def group(self, name: str) -> Optional[int]:
        """Return the id of a group, or None."""
        self.looked.add("group %s" % name)
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            return None

    def is_own(self, kind: str, name: str) -> bool:
        """Return whether a "user" or "group" is in this host's own file, which is all that its programs change."""
        with open(FILES[kind], encoding="utf-8", errors="surrogateescape") as f:
            return name in by_name(f.read())

    def members(self, group: str) -> List[str]:
        """Return the users with this supplementary group, sorted; none if the group does not exist."""
        try:
            return sorted(set(grp.getgrnam(group).gr_mem))
        except KeyError:
            return []

    def users_of(self, gid: int) -> List[str]:
        """Return the users with this primary group, sorted."""
        return sorted(p.pw_name for p in pwd.getpwall() if p.pw_gid == gid)

    def shadow(self, name: str) -> Optional[Shadow]:
        """Return the user's line in /etc/shadow, or None. Raises OSError for users other than root."""
        # not the module spwd, which Python 3.13 removed
        with open("/etc/shadow", encoding="utf-8", errors="surrogateescape") as f:
            for line in f:
                words = line.rstrip("\n").split(":")
                if words[0] == name and len(words) >= 8:
                    return Shadow(words[1], *(int(word or -1) for word in words[3:8]))
        return None

    def uid(self, user: str) -> int:
        """Return the id of a user. Raises StepError if the user does not exist."""
        account = self.user(user)
        if account is None:
            raise StepError("there is no user %r on this host" % user, hint="Add a users.user step first.")
        return account.uid

    def gid(self, group: str) -> int:
        """Return the id of a group. Raises StepError if the group does not exist."""
        found = self.group(group)
        if found is None:
            raise StepError("there is no group %r on this host" % group, hint="Add a users.group step first.")
        return found

    def user_name(self, uid: int) -> str:
        """Return the user name for an id, or the number."""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def group_name(self, gid: int) -> str:
        """Return the group name for an id, or the number."""
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    def add_user(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        """Run useradd(8) with options such as {"--home-dir": "/srv/x"}."""
        home = options.get("--home", "/home/%s" % name)
        if self.record is not None and "--create-home" in flags:
            self.record.keep_path(home, whole=True)
        with self._making("user", name):
            self._run(("useradd", *flags, *pairs(options), "--", name)).require("adding the user %s" % name)

    def change_user(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        """Run usermod(8)."""
        with self.journaled():
            self._run(("usermod", *flags, *pairs(options), "--", name)).require(
                "changing the user %s" % name, "If processes of the user still run, end them first."
            )

    def set_password(self, name: str, hashed: str) -> None:
        """Run chpasswd(8) with the hash on stdin: every user can see the arguments of a process."""
        line = "%s:%s\n" % (name, hashed)
        with self.journaled():
            self._run(("chpasswd", "--encrypted"), stdin=line.encode()).require(
                "setting the password of %s" % name
            )

    def set_ageing(self, name: str, ages: Dict[str, int]) -> None:
        """Run chage(1), with the names and numbers of Shadow."""
        options = {AGEING[what]: str(days) for what, days in ages.items()}
        with self.journaled():
            self._run(("chage", *pairs(options), "--", name)).require("setting the ages of %s" % name)

    def remove_user(self, name: str, with_home: bool = False) -> None:
        """Run userdel(8), which also removes the user's own group if no one else is in it."""
        flags = ["--remove"] if with_home else []
        now = self.user(name)
        if self.record is not None and with_home and now is not None:
            self.record.keep_tree(now.home)
        with self.journaled():
            self._run(("userdel", *flags, "--", name)).require(
                "removing the user %s" % name, "If processes of the user still run, end them first."
            )
        self.gone("user", name)

    def add_group(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        """Run groupadd(8)."""
        with self._making("group", name):
            self._run(("groupadd", *flags, *pairs(options), "--", name)).require("adding the group %s" % name)

    def set_members(self, group: str, names: Sequence[str]) -> None:
        """Run gpasswd(1), so that exactly these users have the group as a supplementary one.

        Members that are not users, such as those of a directory that is away, only stay if none is removed.
        """
        have = self.members(group)
        each = [("--add", name) for name in names if name not in have]
        with self.journaled():
            for option, value in each if {*have} <= {*names} else [("--members", ",".join(names))]:
                self._run(("gpasswd", option, value, group)).require("setting the members of %s" % group)

    def set_gid(self, group: str, gid: str) -> None:
        """Run groupmod(8)."""
        with self.journaled():
            self._run(("groupmod", "--gid", gid, "--", group)).require("changing the group %s" % group)

    def remove_group(self, name: str) -> None:
        """Run groupdel(8)."""
        with self.journaled():
            self._run(("groupdel", "--", name)).require("removing the group %s" % name)
        self.gone("group", name)


def pairs(options: Dict[str, str]) -> List[str]:
    """Return {"--uid": "7"} as ["--uid", "7"]."""
    return [part for pair in options.items() for part in pair]
