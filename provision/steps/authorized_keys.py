"""Keys with which users log in. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, wanted
from provision.steps.groups import check_name
from provision.steps.support.contents import refuse_gift, text_change
from provision.steps.support.lockout import Guarded, login_account

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.files import Stat
    from provision.system.host import System

NOT_FOLLOWED = "It belongs to the user, so prov does not follow it. Remove it before this step."
KEY = re.compile(
    r"^(\S.*\s)?(ssh-(ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) [A-Za-z0-9+/]+=*( .*)?$"
)


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
        path, now = own_file(host, account, "authorized_keys")
        folder = host.files.stat(path.rsplit("/", 1)[0])
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
        path, now = own_file(host, account, "authorized_keys")
        folder = path.rsplit("/", 1)[0]
        old = host.files.read(path) if now is not None else b""
        if host.files.stat(folder) is None:
            host.files.mkdir(folder, 0o700, account.uid, account.gid)
        else:
            host.files.set_owner(folder, account.uid, account.gid)
            host.files.set_mode(folder, 0o700)
        host.files.write(path, self._text(old), 0o600, account.uid, account.gid)

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return login_account(host, self.user)

    def fingerprint(self, host: "System") -> str:
        account = host.accounts.user(self.user)
        path = ssh_folder(account) + "/authorized_keys" if account else ""
        return host.files.sha256(path) if path and host.files.stat(path) else "absent"

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


# -- shared by steps on a user's ~/.ssh


def ssh_folder(account: "Account") -> str:
    """Where ssh(1) has a user's files."""
    return account.home.rstrip("/") + "/.ssh"


def own_file(host: "System", account: "Account", name: str) -> "Tuple[str, Optional[Stat]]":
    """(path, what is there) of a file in a user's ~/.ssh.

    Raises StepError if the file or the folder is a link: the user may have put it there, to what only root can read.
    """
    folder = ssh_folder(account)
    path = "%s/%s" % (folder, name)
    for at, kind, word in ((folder, "dir", "directory"), (path, "file", "file")):
        now = host.files.stat(at)
        if now is not None and now.kind != kind:
            raise StepError("%s is a %s, not a %s" % (at, now.kind, word), hint=NOT_FOLLOWED)
    refuse_gift(host, path, now, account.uid, 0o600)
    return path, now


def body(line: str) -> str:
    """The part of a key's line that identifies it: the base64 field."""
    words = line.split()
    for index, word in enumerate(words[:-1]):
        if word.startswith(("ssh-", "ecdsa-", "sk-")):
            return words[index + 1]
    return line.strip()
