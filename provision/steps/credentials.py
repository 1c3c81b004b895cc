"""Credentials of systemd, encrypted with a key of their host. Shipped to hosts (Python 3.8, standard library)."""

import os
from typing import TYPE_CHECKING, Optional, Tuple

from provision.errors import StepError
from provision.secrets import MASK, Secret
from provision.steps.base import Change, Diff, Step, check_path, step, wanted
from provision.steps.support.file_changes import attribute_words, attributes, set_attributes
from provision.steps.support.handed_credentials import is_name
from provision.system.command_execution import last_lines

if TYPE_CHECKING:
    from provision.system.host import System

PROGRAM = "systemd-creds"
#: the host's key, which the first encryption makes (systemd-creds(1))
HOST_KEY = "/var/lib/systemd/credential.secret"
#: bytes of one credential: its file, a third larger, has to be below systemd's limit of 1,179,648
LARGEST = 800 << 10
#: what a Change is about, besides mode and owner
CREDENTIAL, KEY = "credential", "new host key"


@wanted()
class Credential(Step):
    """A secret in a file that only its host can read: the unit names it with LoadCredentialEncrypted=.

        key = credentials.credential(c, "/etc/shop.cred", "API_KEY", Secret("s3cret"))
        systemd.drop_in(c, "shop", "key", "[Service]\\nLoadCredentialEncrypted=API_KEY:/etc/shop.cred\\n")
        systemd.service(c, "shop", restart_on=[key])

    path: of the file, mode 0600, root's.  name: of the credential, which is encrypted with it: systemd refuses the
    file under another name.  content: the secret, 800 KiB at most.
    The file is encrypted with the host's key, and with its TPM if it has one. Two encryptions of one text differ, so
    the step decrypts the file and compares. If the host's key has been replaced, the file is encrypted again. The
    TPM is not asked for the state of the firmware, which updates change.
    The host needs systemd 250 or newer.  Source: systemd-creds(1), systemd.exec(5).
    """

    path: str
    name: str
    content: Secret

    mode = 0o600
    owner = group = "root"

    def label(self) -> str:
        return "encrypted credential %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if not is_name(self.name):
            raise ValueError("name must be letters, digits, '.', '_' and '-', not %r" % (self.name,))
        if not isinstance(self.content, Secret):
            raise ValueError("content must be a Secret, not %s" % type(self.content).__name__)
        if len(self.content.reveal().encode()) > LARGEST:
            raise ValueError("systemd opens no file of a credential of more than %d bytes" % LARGEST)
        if self.as_user:
            raise ValueError("only root can use the host's key: leave out as_user")

    def check(self, host: "System") -> Diff:
        host.files.refuse_shared(os.path.dirname(self.path), "root's units would read what they put there")
        now = host.files.stat(self.path)
        if now is not None and now.kind != "file":
            raise StepError("%s is a %s, expected a file" % (self.path, now.kind))
        others = attributes(self, host, now, self.mode)
        found = self._difference(host, now is not None)
        if found is None:
            return Diff(others) if others else Diff.none("has this secret" + attribute_words(self))
        new_key = [] if host.files.exists(HOST_KEY) else [Change(KEY, "", HOST_KEY)]
        return Diff([*new_key, Change(CREDENTIAL, *found), *others])

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        if now is not None and all(change.what != CREDENTIAL for change in diff.changes):
            set_attributes(self, host, now)
            return
        uid, gid = host.owner(self.owner, self.group)
        if host.planned:
            if not host.files.exists(HOST_KEY):
                host.files.write(HOST_KEY, b"", 0o400, uid, gid)
            host.files.write(self.path, b"", self.mode, uid, gid)
            return
        argv = (PROGRAM, "encrypt", "--tpm2-pcrs=", "--name=" + self.name, "-", "-")
        made = host.run(argv, stdin=self.content.reveal().encode()).require("encrypting %s" % self.name)
        host.files.write(self.path, made.stdout.encode(), self.mode, uid, gid)

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"

    def _difference(self, host: "System", there: bool) -> "Optional[Tuple[str, str]]":
        """Return the words for what the file holds and what it is to hold; None if that is the same."""
        if host.files.predicted(self.path):
            # an earlier step of this plan has written it
            return None
        words = ("decrypt", "--name=" + self.name, "-", "-") if there else ("--version",)
        said = host.ask((PROGRAM, *words), stdin=host.files.read(self.path) if there else b"")
        if said.status == 127:
            hint = "It needs systemd 250 or newer: Debian 12, Ubuntu 24.04, RHEL 9."
            raise StepError("the host has no %s" % PROGRAM, hint=hint)
        if not there:
            return "", MASK
        if said.status:
            why = last_lines(said.stderr, 1) or "status %d" % said.status
            return "this host's key does not open it: %s" % why, "%s, encrypted again" % MASK
        return None if said.stdout == self.content.reveal() else (MASK, MASK)


credential = step(Credential)
