"""Users, groups and their keys. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.contents import text_change

if TYPE_CHECKING:
    from provision.agent.accounts import Account
    from provision.agent.system import System

#: useradd(8): the pattern recommended there, 32 characters at most
NAME = re.compile(r"^[a-z_][a-z0-9_-]{0,30}[a-z0-9_$-]?$")
NOT_FOLLOWED = "It belongs to the user, so prov does not follow it. Remove it before this step."
KEY = re.compile(
    r"^(\S.*\s)?(ssh-(ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) [A-Za-z0-9+/]+=*( .*)?$"
)


@wanted()
class Group(Step):
    """A group. name: as groupadd(8) takes it.  gid: None lets the host choose.  system: of the range for services."""

    name: str
    gid: Optional[int] = None
    system: bool = False

    def label(self) -> str:
        return "group %s" % self.name

    def validate(self) -> None:
        check_name(self.name)

    def check(self, host: "System") -> Diff:
        now = host.accounts.group(self.name)
        if now is None:
            return Diff([Change("new group", "", self.name)])
        if self.gid is not None and now != self.gid:
            raise StepError(
                "group %s has the id %d, not %d" % (self.name, now, self.gid),
                hint="Files keep the old id, so prov does not change it; use groupmod by hand if you must.",
            )
        return Diff.none("exists, id %d" % now)

    def apply(self, host: "System", diff: Diff) -> None:
        options = {} if self.gid is None else {"--gid": str(self.gid)}
        host.accounts.add_group(self.name, options, ["--system"] if self.system else [])

    def fingerprint(self, host: "System") -> str:
        return str(host.accounts.group(self.name))


@wanted()
class User(Step):
    """A user.

    name: as useradd(8) takes it.  uid: None lets the host choose.
    groups: supplementary groups that the user must be in; others are left.  home, shell, comment: as in
    passwd(5); None leaves them.  system: a service's user, without password or login.
    make_home: create the home directory, from /etc/skel, when the user is added.
    """

    name: str
    groups: Sequence[str] = ()
    home: Optional[str] = None
    shell: Optional[str] = None
    comment: Optional[str] = None
    uid: Optional[int] = None
    system: bool = False
    make_home: Optional[bool] = None

    def label(self) -> str:
        return "user %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        for group in self.groups:
            check_name(group)
        for path in (self.home, self.shell):
            if path is not None:
                check_path(path)
        if self.comment is not None and (":" in self.comment or "\n" in self.comment):
            raise ValueError("comment must not contain ':' or a newline")

    def check(self, host: "System") -> Diff:
        now = host.accounts.user(self.name)
        missing = [g for g in self.groups if host.accounts.group(g) is None]
        if missing:
            raise StepError(
                "there is no group %s on this host" % ", ".join(map(repr, missing)),
                hint="Add a users.group step first.",
            )
        if now is None:
            options = [Change(o.lstrip("-"), "", v) for o, v in self._options(None).items()]
            return Diff([Change("new user", "", self.name), *options])
        if self.uid is not None and now.uid != self.uid:
            raise StepError(
                "user %s has the id %d, not %d" % (self.name, now.uid, self.uid),
                hint="Files keep the old id, so prov does not change it; use usermod by hand if you must.",
            )
        changes = [Change(o.lstrip("-"), self._now(now, o), v) for o, v in self._options(now).items()]
        return Diff(changes) if changes else Diff.none("exists, id %d" % now.uid)

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.accounts.user(self.name)
        if now is not None:
            host.accounts.change_user(self.name, self._options(now))
            return
        home = not self.system if self.make_home is None else self.make_home
        flags = ["--create-home" if home else "--no-create-home"]
        if self.system:
            flags.append("--system")
        if host.accounts.group(self.name) is not None:
            flags += ["--gid", self.name]
        else:
            flags.append("--user-group")
        host.accounts.add_user(self.name, self._options(None), flags)

    def fingerprint(self, host: "System") -> str:
        return repr(host.accounts.user(self.name))

    def _options(self, now: "Optional[Account]") -> Dict[str, str]:
        """Options of useradd or usermod for what is not as wanted."""
        default_shell = "/usr/sbin/nologin" if self.system else "/bin/bash"
        shell = self.shell if self.shell is not None else None if now else default_shell
        found: Dict[str, str] = {}
        if self.home is not None and (now is None or now.home != self.home):
            found["--home"] = self.home
        if shell is not None and (now is None or now.shell != shell):
            found["--shell"] = shell
        if self.comment is not None and (now is None or now.comment != self.comment):
            found["--comment"] = self.comment
        if self.uid is not None and now is None:
            found["--uid"] = str(self.uid)
        have = set(now.groups) if now else set()
        if set(self.groups) - have:
            found["--groups"] = ",".join(sorted(have | set(self.groups)))
        return found

    def _now(self, now: "Account", option: str) -> str:
        return {
            "--home": now.home,
            "--shell": now.shell,
            "--comment": now.comment,
            "--groups": ",".join(now.groups),
        }[option]


@wanted()
class NoUser(Step):
    """No user of that name. The home directory stays: removing data is a step of its own."""

    name: str

    def label(self) -> str:
        return "no user %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        if self.name == "root":
            raise ValueError("root can't be removed")

    def check(self, host: "System") -> Diff:
        if host.accounts.user(self.name) is None:
            return Diff.none("there is no such user")
        return Diff([Change("user", self.name, "")])

    def apply(self, host: "System", diff: Diff) -> None:
        host.accounts.remove_user(self.name)


@wanted()
class AuthorizedKeys(Step):
    """Public keys with which a user may log in (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

    keys: lines as in id_ed25519.pub.  exclusive: remove all others.
    The file and its folder get the owner and modes that sshd's StrictModes demands.
    """

    user: str
    keys: Sequence[str]
    exclusive: bool = False

    def label(self) -> str:
        return "authorized keys of %s" % self.user

    def validate(self) -> None:
        check_name(self.user)
        for key in self.keys:
            check_text(key, "key")
            if not KEY.fullmatch(key.strip()):
                raise ValueError("%r is no public key" % (key[:40] + "..." if len(key) > 40 else key))
        if self.exclusive and not self.keys:
            raise ValueError("exclusive without a key would lock the user out")

    def check(self, host: "System") -> Diff:
        account = host.accounts.user(self.user)
        if account is None:
            raise StepError(
                "there is no user %r on this host" % self.user, hint="Add a users.user step first."
            )
        path = self._path(account)
        now = host.files.stat(path)
        folder = host.files.stat(path.rsplit("/", 1)[0])
        # the user may have put a link there, to what only root can read
        if folder is not None and folder.kind != "dir":
            raise StepError(
                "%s is a %s, not a directory" % (path.rsplit("/", 1)[0], folder.kind), hint=NOT_FOLLOWED
            )
        if now is not None and now.kind != "file":
            raise StepError("%s is a %s, not a file" % (path, now.kind), hint=NOT_FOLLOWED)
        old = host.files.read(path) if now is not None else b""
        new = self._text(old)
        found = [] if old == new else [text_change("keys", old, new, path)]
        if folder is None or (folder.mode & 0o022) or folder.uid != account.uid:
            found.append(Change("folder", "", "0700 %s" % self.user))
        if now is not None and (now.mode & 0o022 or now.uid != account.uid):
            found.append(Change("mode and owner", "", "0600 %s" % self.user))
        return Diff(found) if found else Diff.none("has %d of them" % len(self.keys))

    def apply(self, host: "System", diff: Diff) -> None:
        account = host.accounts.user(self.user)
        assert account is not None  # check has found it
        path = self._path(account)
        folder = path.rsplit("/", 1)[0]
        old = host.files.read(path) if host.files.stat(path) is not None else b""
        if host.files.stat(folder) is None:
            host.files.mkdir(folder, 0o700, account.uid, account.gid)
        else:
            host.files.set_owner(folder, account.uid, account.gid)
            host.files.set_mode(folder, 0o700)
        host.files.write(path, self._text(old), 0o600, account.uid, account.gid)

    def fingerprint(self, host: "System") -> str:
        account = host.accounts.user(self.user)
        path = self._path(account) if account else ""
        return host.files.sha256(path) if path and host.files.stat(path) else "absent"

    def _path(self, account: "Account") -> str:
        return account.home.rstrip("/") + "/.ssh/authorized_keys"

    def _text(self, old: bytes) -> bytes:
        wanted_keys = [key.strip() for key in self.keys]
        if self.exclusive:
            return "".join(key + "\n" for key in wanted_keys).encode()
        text = old.decode("utf-8", "surrogateescape")
        have = {body(line) for line in text.splitlines()}
        missing: List[str] = [key for key in wanted_keys if body(key) not in have]
        if not missing:
            return old
        lead = text if not text or text.endswith("\n") else text + "\n"
        return (lead + "".join(key + "\n" for key in missing)).encode("utf-8", "surrogateescape")


user = step(User)
no_user = step(NoUser)
group = step(Group)
authorized_keys = step(AuthorizedKeys)


def check_name(name: str) -> None:
    """Raise ValueError unless name is one that useradd(8) takes."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError("%r is not a name for a user or group" % (name,))


def body(line: str) -> str:
    """The part of a key's line that identifies it: the base64 field."""
    words = line.split()
    for index, word in enumerate(words[:-1]):
        if word.startswith(("ssh-", "ecdsa-", "sk-")):
            return words[index + 1]
    return line.strip()
