"""Passwords of Redis and Valkey that are made on their host, for applications. Shipped to hosts (Python 3.8)."""

import hashlib
import re
from typing import TYPE_CHECKING, Optional, Sequence

from provision.errors import StepError
from provision.secrets import MASK, Secret
from provision.steps.base import Change, Diff, Step, check_names, check_path, wanted
from provision.steps.held_password import HELD, MADE
from provision.steps.support.file_changes import attribute_words, attributes, set_attributes, wanted_owner

if TYPE_CHECKING:
    from provision.system.host import System

#: what a client without a user name is, with every right, or with none
ALLOWED, REFUSED = "user default on #%s ~* &* +@all\n", "user default off\n"
STORED = re.compile(r"^user default on #([0-9a-f]{64}) ", re.MULTILINE)


@wanted()
class RedisPassword(Step):
    """The password of an instance, in its file of users: made here, and kept by the application's hosts.

    path: of the file, the instance's `aclfile`.  group: of the server, which reads it.  owner, mode: of the file.
    held, may_make, may_replace, and outcome.stdout: as of postgres_passwords.MadePassword.
    The file has the password's SHA-256, which tells no one the 256 random bits that it is of.
    Source: Redis' documentation, "ACL": `#<hash>`, and `aclfile`.
    """

    path: str
    group: str
    held: Sequence[Secret] = ()
    may_make: bool = False
    may_replace: bool = False
    owner: str = "root"
    mode: int = 0o640

    def label(self) -> str:
        return "redis password in %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_names(self, "group", "owner")
        if not all(isinstance(each, Secret) for each in self.held):
            raise ValueError("held must be Secrets")

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is not None and now.kind != "file":
            raise StepError("%s is a %s, expected a file" % (self.path, now.kind))
        stored = self._stored(host)
        others = attributes(self, host, now, self.mode)
        for number, each in enumerate(self.held):
            if stored == digest(each.reveal()):
                self.scratch["stdout"] = "%s%d" % (HELD, number)
                words = "is the one that its applications have" + attribute_words(self)
                return Diff(others) if others else Diff.none(words)
        new = self.may_replace or (self.may_make and not self.held and not stored)
        self.scratch["new"] = new
        if not new and not self.held:
            found = [Change("new file", "", "without a password")] if now is None else []
            return Diff(found + others) if found or others else Diff.none("is left as it is")
        if not new:
            self.scratch["stdout"] = "%s0" % HELD
        return Diff([Change("password", MASK if stored else "", MASK), *others])

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        if all(change.what != "password" for change in diff.changes) and now is not None:
            set_attributes(self, host, now)
            return
        uid, gid = wanted_owner(self, host, now)
        host.files.write(self.path, self._text(host).encode(), self.mode, uid, gid)

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"

    def _text(self, host: "System") -> str:
        """The file with the password that is wanted; a plan makes none."""
        import secrets

        if not self.scratch["new"]:
            return ALLOWED % digest(self.held[0].reveal()) if self.held else REFUSED
        password = "" if host.planned else secrets.token_urlsafe(32)
        if password:
            self.scratch["stdout"] = MADE + password
        return ALLOWED % digest(password)

    def _stored(self, host: "System") -> Optional[str]:
        """The hash that is there."""
        if not host.files.exists(self.path):
            return None
        found = STORED.search(host.files.read(self.path).decode(errors="replace"))
        return found.group(1) if found else None


def digest(password: str) -> str:
    """What Redis stores of a password."""
    return hashlib.sha256(password.encode()).hexdigest()
