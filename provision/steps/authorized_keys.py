"""Keys with which users log in. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Callable, List, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, wanted
from provision.steps.groups import check_name
from provision.steps.support.file_changes import refuse_gift, replaced_mode, text_change
from provision.steps.support.lockout import Guarded, login_account
from provision.steps.support.rows import Row, Rows, new_rows, rows_of

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.host import System
    from provision.system.host_files import Stat

NOT_FOLLOWED = "It belongs to the user, so prov does not follow it. Remove it before this step."
TYPE = re.compile(r"ssh-(ed25519|rsa|dss)\S*|ecdsa-sha2-\S+|sk-\S+@openssh\.com")
KEY = re.compile(r"^(\S.*\s)?(%s) [A-Za-z0-9+/]+=*( .*)?$" % TYPE.pattern)
#: options, which may have quoted white space, and the rest of a line
OPTIONS = re.compile(r"""((?:"(?:\\"|[^"])*"?|[^\s"])*)\s(.*)$""")


@wanted()
class AuthorizedKeys(Step):
    """Public keys with which a user may log in (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").

        users.authorized_keys(c, "ada", [ada_key, 'restrict,command="/usr/bin/backup" ' + backup_key])

    keys: lines as in id_ed25519.pub, with options before the key if it has any. An existing key with other
    options gets these; a key given without options keeps its options and its comment.
    exclusive: only these keys. Comments stay.
    path: another file of keys, as in sshd's AuthorizedKeysFile; its folder must exist.
    The user's own file and its folder get the owner and modes that sshd's StrictModes demands; another file
    keeps its own, and a new one is root's, 0644.
    """

    user: str
    keys: Sequence[str]
    exclusive: bool = False
    path: str = ""

    def label(self) -> str:
        return "authorized keys of %s" % self.user + (" in %s" % self.path if self.path else "")

    def validate(self) -> None:
        check_keys(self.user, self.keys, self.path)
        if self.exclusive and not self.keys:
            raise ValueError("exclusive without a key would lock the user out")

    def check(self, host: "System") -> Diff:
        found = file_changes(host, self.user, self.path, self._edit)
        return Diff(found) if found else Diff.none("has %d of them" % len(self.keys))

    def apply(self, host: "System", diff: Diff) -> None:
        put(host, self.user, self.path, self._edit)

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return login_account(host, self.user)

    def fingerprint(self, host: "System") -> str:
        return fingerprint(host, self.user, self.path)

    def _edit(self, old: Rows) -> bytes:
        lines = [key.strip() for key in self.keys]
        wanted_keys = {identity(line): line for line in lines}
        rows: List[Row] = []
        seen = set()
        for row in old.rows:
            key = identity(row.text)
            line = wanted_keys.get(key, "")
            if not key or (not line and not self.exclusive):
                rows.append(row)
            elif line and key not in seen:
                replaced = self.exclusive or options_of(line) not in ("", options_of(row.text))
                rows.append(row._replace(text=line) if replaced and row.text.strip() != line else row)
            elif line and not self.exclusive and not options_of(line):
                # sshd takes any line that fits, so this one may let in what the first does not
                rows.append(row)
            seen.add(key)
        new = [*rows, *new_rows(line for key, line in wanted_keys.items() if key not in seen)]
        # sshd takes a mark for a part of the first key, and reads no key there
        return old._replace(mark="").data(new)


@wanted()
class NoAuthorizedKeys(Step):
    """Public keys with which a user may not log in: their lines are removed, whatever their options.

        users.no_authorized_keys(c, "ada", [lost_laptop])

    user, path: as of users.authorized_keys.  keys: lines as in id_ed25519.pub.
    """

    user: str
    keys: Sequence[str]
    path: str = ""

    def label(self) -> str:
        return "no authorized keys of %s" % self.user + (" in %s" % self.path if self.path else "")

    def validate(self) -> None:
        check_keys(self.user, self.keys, self.path)
        if not self.keys:
            raise ValueError("give the keys that must be removed")

    def check(self, host: "System") -> Diff:
        if host.accounts.user(self.user) is None and not self.path:
            return Diff.none("there is no such user")
        path, now = file_of(host, self.user, self.path)
        if now is None:
            return Diff.none("there is no such file")
        old = host.files.read(path)
        new = self._edit(rows_of(old, path))
        return Diff([text_change("keys", old, new, path)]) if old != new else Diff.none("has none of them")

    def apply(self, host: "System", diff: Diff) -> None:
        path, now = file_of(host, self.user, self.path)
        assert now is not None  # check has found it
        data = self._edit(rows_of(host.files.read(path), path))
        host.files.write(path, data, replaced_mode(now, 0o600), now.uid, now.gid)

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return login_account(host, self.user)

    def fingerprint(self, host: "System") -> str:
        return fingerprint(host, self.user, self.path)

    def _edit(self, old: Rows) -> bytes:
        unwanted = {identity(key) for key in self.keys}
        return old.data([row for row in old.rows if identity(row.text) not in unwanted])


# -- shared by the two


def check_keys(user: str, keys: Sequence[str], path: str) -> None:
    """Raise ValueError unless these are lines of keys."""
    check_name(user)
    if path:
        check_path(path)
    if isinstance(keys, str):
        raise ValueError("keys must be a list")
    for key in keys:
        check_text(key, "key")
        if not KEY.fullmatch(key.strip()) or not identity(key):
            raise ValueError("%r is not a public key" % (key[:40] + "..." if len(key) > 40 else key))


def file_of(host: "System", user: str, path: str) -> "Tuple[str, Optional[Stat]]":
    """(path, current state) of a file of keys: the user's own, or the one at path. Raises StepError."""
    account = host.accounts.user(user)
    if account is None:
        raise StepError("there is no user %r on this host" % user, hint="Add a users.user step first.")
    if not path:
        return own_file(host, account, "authorized_keys")
    now = host.files.stat(path)
    if now is not None and now.kind != "file":
        raise StepError("%s is a %s, not a file" % (path, now.kind), hint="Name the file itself.")
    folder = path.rsplit("/", 1)[0] or "/"
    if host.files.stat(folder + "/.") is None:
        raise StepError("there is no folder %s" % folder, hint="Make it first, with files.directory.")
    if now is not None:
        refuse_gift(host, path, now, now.uid, replaced_mode(now, 0o644))
    return path, now


def file_changes(host: "System", user: str, path: str, edit: Callable[[Rows], bytes]) -> List[Change]:
    """What would change of a file of keys."""
    at, now = file_of(host, user, path)
    old = host.files.read(at) if now is not None else b""
    new = edit(rows_of(old, at))
    found = [] if old == new else [text_change("keys", old, new, at)]
    account = host.accounts.user(user)
    assert account is not None  # file_of has found it
    folder = host.files.stat(at.rsplit("/", 1)[0])
    if not path and (folder is None or (folder.mode & 0o022) or folder.uid != account.uid):
        found.append(Change("folder", "", "0700 %s" % user))
    if not path and now is not None and (now.mode & 0o022 or now.uid != account.uid):
        found.append(Change("mode and owner", "", "0600 %s" % user))
    return found


def put(host: "System", user: str, path: str, edit: Callable[[Rows], bytes]) -> None:
    """Write a file of keys as it should be."""
    at, now = file_of(host, user, path)
    account = host.accounts.user(user)
    assert account is not None  # file_of has found it
    data = edit(rows_of(host.files.read(at) if now is not None else b"", at))
    if path:
        uid, gid = (now.uid, now.gid) if now is not None else host.owner(None, None)
        host.files.write(at, data, replaced_mode(now, 0o644), uid, gid)
        return
    folder = at.rsplit("/", 1)[0]
    if host.files.stat(folder) is None:
        host.files.mkdir(folder, 0o700, account.uid, account.gid)
    else:
        host.files.set_owner(folder, account.uid, account.gid)
        host.files.set_mode(folder, 0o700)
    host.files.write(at, data, 0o600, account.uid, account.gid)


def fingerprint(host: "System", user: str, path: str) -> str:
    """What the file holds, for a unit that reads it."""
    account = host.accounts.user(user)
    at = path or (ssh_folder(account) + "/authorized_keys" if account else "")
    return host.files.sha256(at) if at and host.files.stat(at) else "absent"


# -- shared by steps on a user's ~/.ssh


def ssh_folder(account: "Account") -> str:
    """Where ssh(1) has a user's files."""
    return account.home.rstrip("/") + "/.ssh"


def own_file(host: "System", account: "Account", name: str) -> "Tuple[str, Optional[Stat]]":
    """(path, current state) of a file in a user's ~/.ssh.

    Raises StepError if the file or the folder is a link: the user may have put it there, to what only root
    can read.
    """
    folder = ssh_folder(account)
    path = "%s/%s" % (folder, name)
    for at, kind, word in ((folder, "dir", "directory"), (path, "file", "file")):
        now = host.files.stat(at)
        if now is not None and now.kind != kind:
            raise StepError("%s is a %s, not a %s" % (at, now.kind, word), hint=NOT_FOLLOWED)
    refuse_gift(host, path, now, account.uid, 0o600)
    return path, now


def parts(line: str) -> "Tuple[str, str, str]":
    """(options, type, base64) of a line as sshd reads it; empty ones for a comment and what is not a key.

    Options end at the first white space that is not in quotes (sshd(8)).
    """
    text = line.strip()
    if text.startswith("#"):
        return "", "", ""
    for options, rest in (("", text), OPTIONS.match(text + " ").groups()):  # type: ignore[union-attr]
        words = rest.split()
        if len(words) > 1 and TYPE.fullmatch(words[0]):
            return options, words[0], words[1]
    return "", "", ""


def identity(line: str) -> str:
    """What tells a key from others: its base64, and whether it signs keys instead of being one; "" for no
    key."""
    options, _, key = parts(line)
    signs = any(
        word.lower() == "cert-authority" for word in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', options)
    )
    return key + (" signs" if signs else "") if key else ""


def options_of(line: str) -> str:
    """The options of a line."""
    return parts(line)[0]
