"""Users, groups and their keys. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple, Union

from provision.errors import StepError
from provision.secrets import MASK, Secret
from provision.steps.ageing import Ageing, shadow_of
from provision.steps.authorized_keys import AuthorizedKeys, NoAuthorizedKeys
from provision.steps.base import Change, Diff, Step, check_path, listed, step, wanted
from provision.steps.groups import (
    Group,
    NoGroup,
    check_id,
    check_name,
    refuse_foreign,
    refuse_id,
    refuse_name,
)
from provision.steps.support.former_homes import keep_home
from provision.steps.support.lockout import Guarded, login_account
from provision.steps.support.process_ends import await_ends
from provision.steps.support.running import goes_on
from provision.system.processes import of_user

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.host import System

#: crypt(5): hashes that Linux distributions accept today; "*" and "!" are not passwords
HASH = re.compile(r"^(\*|!|\$(y|gy|7|6|5|2[abxy]|sha1)\$[\w./$=,+-]+)\Z", re.ASCII)
#: names in diffs for options of usermod(8)
WORDS = {"--gid": "primary group"}


@wanted()
class User(Step):
    """A user.

        users.user(c, "ada", groups=["www-data"], password=p.ada_hash, expires="2027-12-31")

    name: as useradd(8) on this host accepts it: letters, digits, "_", "." and "-" work everywhere.
    uid: None lets the host choose.  renumber: give an existing user another uid, together with the files in
    their home; files elsewhere keep the old number. Refused while processes of the user run.
    group: the primary group; None leaves it. For a new user, None makes a group with the user's name.
    groups: supplementary groups that the user must be in; other memberships stay, unless exact_groups is
    True.
    home, shell, comment: as in passwd(5); None leaves them.  move_home: take along the contents of the old
    home. None refuses a change that would lock the user out, because their keys are in the old home; False
    makes it anyway. A home is not changed while processes of the user run.
    make_home: create the home directory, from /etc/skel, when the user is added.
    system: a service's user, without password or login.
    password: a hash of crypt(5), as `mkpasswd` and `openssl passwd -6` print it; never shown. "!" means no
    password, so that only keys let the user in.  keep_password: leave an existing one, as the user may have
    chosen it.
    locked: whether the password is locked (usermod --lock). Keys still let the user in: `expires` closes the
    account.
    expires: the last day of the account, "2027-12-31"; "" is never; None leaves it.
    """

    name: str
    groups: Sequence[str] = ()
    home: Optional[str] = None
    shell: Optional[str] = None
    comment: Optional[str] = None
    uid: Optional[int] = None
    system: bool = False
    make_home: Optional[bool] = None
    group: Optional[str] = None
    exact_groups: bool = False
    move_home: Optional[bool] = None
    password: Union[str, Secret, None] = None
    keep_password: bool = False
    locked: Optional[bool] = None
    expires: Optional[str] = None
    renumber: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.password, str):
            object.__setattr__(self, "password", Secret(self.password))

    def label(self) -> str:
        return "user %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        check_id(self.uid, "uid")
        if isinstance(self.groups, str):
            raise ValueError("groups must be a list")
        for group in (*self.groups, *([] if self.group is None else [self.group])):
            check_name(group)
        for path in (self.home, self.shell):
            if path is not None:
                check_path(path)
        if self.comment is not None and (":" in self.comment or "\n" in self.comment):
            raise ValueError("comment must not contain ':' or a newline")
        if self.move_home and self.home is None:
            raise ValueError("move_home needs `home`: where to")
        if self.password is not None and not HASH.match(self._given()):
            raise ValueError(
                "password must be a hash of crypt(5), not the password itself: `openssl passwd -6` makes one"
            )
        if self.keep_password and self.password is None:
            raise ValueError("keep_password needs `password`: the one for a new user")
        if self.expires:
            day_number(self.expires)

    def check(self, host: "System") -> Diff:
        now = host.accounts.user(self.name)
        asked = [*self.groups, *([] if self.group is None else [self.group])]
        missing = [g for g in asked if host.accounts.group(g) is None]
        if missing:
            raise StepError(
                "there is no group %s on this host" % ", ".join(map(repr, missing)),
                hint="Add a users.group step first.",
            )
        if now is None:
            refuse_name(host, self.name, "useradd", "--no-create-home", "--no-user-group", "--uid", "0")
            self._refuse_id(host)
            refuse_foreign(host, "group", self.groups)
            options = [
                Change(WORDS.get(o, o.lstrip("-")), "", v) for o, v in self._options(host, None).items()
            ]
            return Diff([Change("new user", "", self.name), *options, *self._login_changes(host, None)])
        if self.uid is not None and now.uid != self.uid:
            if not self.renumber:
                raise StepError(
                    "user %s has the id %d, not %d" % (self.name, now.uid, self.uid),
                    hint="Files outside of the home keep the old id, so prov changes it only with renumber=True.",
                )
            self._refuse_id(host)
            self._refuse_busy(host, now, "the id of %s can't be changed while their processes run: %s", "")
        if self._moves(host, now) and host.files.stat(str(self.home)) is not None:
            raise StepError(
                "the home of %s can't be moved from %s: %s already exists" % (self.name, now.home, self.home),
                hint="Compare what they hold, and remove one of them.",
            )
        if self.home is not None and now.home != self.home:
            self._refuse_to_move(host, now)
        found = [
            Change(WORDS.get(o, o.lstrip("-")), self._now(host, now, o), v)
            for o, v in self._options(host, now).items()
        ]
        found += self._login_changes(host, now)
        self._refuse_foreign(host, now, found)
        return Diff(found) if found else Diff.none("exists, id %d" % now.uid)

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.accounts.user(self.name)
        options = self._options(host, now)
        if now is None:
            host.accounts.add_user(self.name, options, self._flags_for_new(host))
        elif options:
            moves = self._moves(host, now)
            uid = int(options.get("--uid", now.uid))
            gid = host.accounts.gid(options["--gid"]) if "--gid" in options else now.gid
            # files that are not moved stay as they are, unless the home stays as well
            home = options["--home"] if moves else now.home
            if (uid, gid, home) != (now.uid, now.gid, now.home):
                keep_home(host, now, home, uid, gid)
            host.accounts.change_user(self.name, options, ["--move-home"] if moves else [])
            if host.planned and (uid, gid) != (now.uid, now.gid):
                foresee_owner(host, options.get("--home", now.home), (now.uid, now.gid), (uid, gid))
        what = {change.what for change in diff.changes}
        if what & {"password", "locked"}:
            host.accounts.set_password(self.name, self._hash(shadow_of(host, self.name).password))
        if "expires" in what:
            host.accounts.set_ageing(self.name, {"expires": self._last_day()})

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return login_account(host, self.name)

    def fingerprint(self, host: "System") -> str:
        return repr(host.accounts.user(self.name))

    def _flags_for_new(self, host: "System") -> List[str]:
        home = not self.system if self.make_home is None else self.make_home
        flags = ["--create-home" if home else "--no-create-home"]
        if self.system:
            flags.append("--system")
        if self.group is None:
            # without this, useradd refuses a name that is already that of a group
            taken = host.accounts.group(self.name) is not None
            flags += ["--gid", self.name] if taken else ["--user-group"]
        return flags

    def _options(self, host: "System", now: "Optional[Account]") -> Dict[str, str]:
        """Return options of useradd or usermod for what differs."""
        default_shell = "/usr/sbin/nologin" if self.system else "/bin/bash"
        shell = self.shell if self.shell is not None else None if now else default_shell
        found: Dict[str, str] = {}
        if self.home is not None and (now is None or now.home != self.home):
            found["--home"] = self.home
        if shell is not None and (now is None or now.shell != shell):
            found["--shell"] = shell
        if self.comment is not None and (now is None or now.comment != self.comment):
            found["--comment"] = self.comment
        if self.uid is not None and (now is None or now.uid != self.uid):
            found["--uid"] = str(self.uid)
        if self.group is not None and (now is None or host.accounts.group(self.group) != now.gid):
            found["--gid"] = self.group
        have = set(now.groups) if now else set()
        want = set(self.groups) if self.exact_groups else have | set(self.groups)
        if want != have:
            found["--groups"] = ",".join(sorted(want))
        return found

    def _now(self, host: "System", now: "Account", option: str) -> str:
        return {
            "--uid": str(now.uid),
            "--home": now.home,
            "--shell": now.shell,
            "--comment": now.comment,
            "--gid": host.accounts.group_name(now.gid),
            "--groups": ",".join(now.groups),
        }[option]

    def _moves(self, host: "System", now: "Account") -> bool:
        return bool(self.move_home) and now.home != self.home and host.files.stat(now.home) is not None

    def _refuse_to_move(self, host: "System", now: "Account") -> None:
        """Raise StepError if the home that is to change is in use."""
        keys = ".ssh/authorized_keys"
        if self.move_home is None and host.files.exists("%s/%s" % (now.home, keys)):
            raise StepError(
                "%s logs in by keys in %s/.ssh, and %s would no longer let them in"
                % (self.name, now.home, self.home),
                hint="Give move_home=True to take along what is in the home, or move_home=False if that is meant.",
            )
        said = "the home of %s can't be changed while their processes run: %s"
        self._refuse_busy(host, now, said, ", or leave the home as it is: %s" % now.home)

    def _refuse_foreign(self, host: "System", now: "Account", changes: Sequence[Change]) -> None:
        """Raise StepError if what changes is not this host's; usermod(8) adds any user to a group of the host's."""
        groups = self._options(host, now).get("--groups", ",".join(now.groups)).split(",")
        refuse_foreign(host, "group", sorted(({*groups} ^ {*now.groups}) - {""}))
        if any(change.what != "groups" for change in changes):
            refuse_foreign(host, "user", [self.name])

    def _refuse_busy(self, host: "System", now: "Account", said: str, otherwise: str) -> None:
        """Raise StepError if processes of the user run. usermod(8) refuses too, but only when called."""
        busy = [str(each) for each in of_user(now.uid) if goes_on(host, each)]
        if busy:
            raise StepError(said % (self.name, listed(busy)), hint="End them first%s." % otherwise)

    def _refuse_id(self, host: "System") -> None:
        """Raise StepError if the id belongs to another user."""
        if self.uid is not None:
            refuse_id(self.name, self.uid, host.accounts.user_name(self.uid))

    # -- shadow(5)

    def _given(self) -> str:
        return self.password.reveal() if isinstance(self.password, Secret) else ""

    def _login_changes(self, host: "System", now: "Optional[Account]") -> List[Change]:
        """Return what differs in the password, its lock and the account's end."""
        if self.password is None and self.locked is None and self.expires is None:
            return []
        line = shadow_of(host, self.name) if now else None
        old, last = (line.password, line.expires) if line else ("!", -1)
        new = self._hash(old)
        found = []
        if new.lstrip("!") != old.lstrip("!"):
            found.append(
                Change("password", MASK if old.strip("!*") else "none", MASK if new.strip("!*") else "none")
            )
        if is_locked(new) != is_locked(old):
            found.append(Change("locked", *("yes" if is_locked(hashed) else "no" for hashed in (old, new))))
        if self.expires is not None and last != self._last_day():
            found.append(Change("expires", day_text(last), day_text(self._last_day())))
        return found

    def _hash(self, old: str) -> str:
        """Return the wanted second field of shadow(5), given the current one."""
        there = old.lstrip("!")
        keeps = self.password is None or (self.keep_password and there not in ("", "*"))
        new = there if keeps else self._given().lstrip("!")
        locked = is_locked(old) if self.locked is None else self.locked
        # an empty field allows a login without a password; it is kept only if no password is declared
        none = not new and (old != "" or self.password is not None)
        return "!" + new if none or locked else new

    def _last_day(self) -> int:
        return day_number(self.expires) if self.expires else -1


@wanted()
class NoUser(Step):
    """Remove a user. The home directory stays, unless with_home. Refused while a process of the user runs.

    name: of the user.  with_home: remove the home directory with all its contents, and the user's mail;
    refused for a home that belongs to another user, such as /var/www.
    """

    name: str
    with_home: bool = False

    def label(self) -> str:
        return "no user %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        if self.name == "root":
            raise ValueError("root can't be removed")

    def check(self, host: "System") -> Diff:
        now = host.accounts.user(self.name)
        if now is not None:
            await_ends(host, self.name, now.uid)
        return self.differences(host)

    def differences(self, host: "System") -> Diff:
        """Return what is to be removed, whether or not processes of the user still run. Raises StepError."""
        now = host.accounts.user(self.name)
        if now is None:
            return Diff.none("there is no such user")
        refuse_foreign(host, "user", [self.name])
        found = [Change("user", self.name, "")]
        home = host.files.stat(now.home) if self.with_home else None
        if home is not None and (home.kind != "dir" or home.uid != now.uid):
            raise StepError(
                "the home of %s, %s, is not a directory of its own" % (self.name, now.home),
                hint="Remove the user without with_home, and what is theirs by files.absent.",
            )
        return Diff([*found, Change("home", now.home, "")] if home is not None else found)

    def apply(self, host: "System", diff: Diff) -> None:
        host.accounts.remove_user(self.name, any(change.what == "home" for change in diff.changes))

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return login_account(host, self.name)


user = step(User)
no_user = step(NoUser)
group = step(Group)
no_group = step(NoGroup)
authorized_keys = step(AuthorizedKeys)
no_authorized_keys = step(NoAuthorizedKeys)
ageing = step(Ageing)


def foresee_owner(host: "System", path: str, former: Tuple[int, int], ids: Tuple[int, int]) -> None:
    """In a plan: foresee that usermod(8) gives files in the user's home to the new ids.

    former, ids: uid and gid, before and after.
    """
    found = host.files.stat(path)
    if found is None:
        return
    uid = ids[0] if found.uid == former[0] else found.uid
    gid = ids[1] if found.gid == former[1] else found.gid
    if (uid, gid) != (found.uid, found.gid):
        host.files.set_owner(path, uid, gid)
    for name in host.files.list(path) if found.kind == "dir" else ():
        foresee_owner(host, "%s/%s" % (path, name), former, ids)


def is_locked(hashed: str) -> bool:
    """Return whether there is a password, and it is locked (passwd(1), --lock)."""
    return hashed.startswith("!") and hashed.strip("!*") != ""


def day_number(text: str) -> int:
    """Return a day such as "2027-12-31" as days since 1970. Raises ValueError."""
    import datetime

    try:
        found = datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except (TypeError, ValueError):
        raise ValueError(
            'expires must be a day such as "2027-12-31", or "" for never, not %r' % (text,)
        ) from None
    return (found - datetime.date(1970, 1, 1)).days


def day_text(days: int) -> str:
    """Return days since 1970 as text."""
    import datetime

    return "never" if days < 0 else (datetime.date(1970, 1, 1) + datetime.timedelta(days)).isoformat()
