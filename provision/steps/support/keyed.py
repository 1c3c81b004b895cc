"""Common code of certificates and requests: a key of the host, and names. Shipped to hosts (Python 3.8)."""

import os
from typing import TYPE_CHECKING, Callable, List, Mapping, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Step, check_path, wanted
from provision.steps.keys import INSTALL, kind_of_key, new_key, remember_kind
from provision.steps.support.x509 import check_dns_names, request_settings

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Content

#: kinds of keys, and what is made for each; ECDSA keys of other curves and larger RSA keys will do
MADE = {"": "P-256", "ecdsa": "P-256", "rsa": "RSA-2048"}
#: what differences call a key that is not of the wanted kind
OTHER_KIND = "kind of the key"


def refuse_other(host: "System", path: str) -> None:
    """Raise StepError if the path holds something that a file cannot replace: a folder, a pipe."""
    now = host.files.stat(path)
    if now is not None and now.kind not in ("file", "link"):
        what = "directory" if now.kind == "dir" else "device, pipe or socket"
        raise StepError(
            "%s is a %s, expected a file" % (path, what),
            hint="If it is not needed, remove it with files.absent before this step.",
        )


@wanted()
class Keyed(Step):
    """key, path: files of the key (0600) and of what is made for it (0644), both PEM. The key is made (P-256)
    if the file is missing, incomplete or a link. For another kind of key, or to let others read it, put
    keys.private_key before this step.
    names: DNS names; the first may begin with "*.", and is also the common name.
    Needs openssl on the host.
    """

    key: str
    path: str
    names: Sequence[str]

    #: "rsa" or "ecdsa", if a key of another kind is to be replaced; subclasses have a field for it
    kind = ""
    #: what is made for the key, as messages call it
    WHAT = "certificate"
    DEADLINE = 120.0

    def validate(self) -> None:
        check_path(self.key, "key")
        check_path(self.path)
        check_dns_names(self.names)
        if self.kind not in MADE:
            raise ValueError("kind must be ecdsa or rsa, not %r" % (self.kind,))

    def missing(self, host: "System") -> List[Change]:
        """Return what has to be made because it, or the key, is missing."""
        found = []
        for path in (self.key, self.path):
            refuse_other(host, path)
        host.files.refuse_shared(os.path.dirname(self.key), "openssl would follow what they put there")
        if not self._has_key(host):
            found.append(Change("new key", self._instead(host, self.key, "no private key"), MADE[self.kind]))
        now = host.files.stat(self.path)
        if now is None or now.kind == "link":
            found.append(
                Change("new %s" % self.WHAT, self._instead(host, self.path, ""), ", ".join(self.names))
            )
        elif found:
            found.append(Change(self.WHAT, "for another key", "for the new one"))
        return found

    def other_kind(self, host: "System") -> List[Change]:
        """Return what has to be made because the key is of another kind than `kind`."""
        if not self.kind or host.files.predicted(self.key):
            return []
        found = kind_of_key(host, self.key)
        if found.startswith(MADE[self.kind].partition("-")[0]):
            return []
        return [
            Change(OTHER_KIND, found, MADE[self.kind]),
            Change("certificate", "for another key", "for the new one"),
        ]

    def make_key(self, host: "System") -> None:
        """Make the key if it is missing."""
        if not self._has_key(host):
            host.files.write(self.key, new_key(host, MADE[self.kind]), 0o600, *host.owner(None, None))
            remember_kind(host, self.key, MADE[self.kind])

    def make_pair(self, host: "System", kind: str, signed: "Callable[[str], Content]") -> None:
        """Replace the key and what is made for it. If that can't be made, both stay.

        kind: of the key, as in `keys.KINDS`.  signed: what is made for the key in a file.
        """
        owner, waiting = host.owner(None, None), self.key + ".next"
        key = new_key(host, kind)
        host.files.write(waiting, key, 0o600, *owner)
        try:
            text = signed(waiting)
        finally:
            host.files.remove(waiting)
        host.files.write(self.key, key, 0o600, *owner)
        remember_kind(host, self.key, kind)
        host.files.write(self.path, text, 0o644, *owner)
        self.check_made(host)

    def check_made(self, host: "System") -> None:
        """Raise StepError if what has just been made is not right. The ledger knows it from then on."""
        wrong = [] if host.planned else self.faults_of(host)
        if wrong:
            raise StepError("the new %s is invalid: %s" % (self.WHAT, ", ".join(c.what for c in wrong)))

    def faults_of(self, host: "System") -> List[Change]:
        """Return what is wrong with the present certificate or request."""
        raise NotImplementedError

    def _has_key(self, host: "System") -> bool:
        """Return whether there is a complete key, not the remains of an editor or a full disk (RFC 7468), nor
        a link, whose target a program with a private /tmp or /home may not find."""
        now = host.files.stat(self.key)
        if now is None or now.kind == "link":
            return False
        if host.files.predicted(self.key):
            # an earlier step of the same plan makes it: only the deploy knows its contents
            return True
        text = host.files.read(self.key)
        return all(b"-----%s " % word in text for word in (b"BEGIN", b"END")) and b"PRIVATE KEY-----" in text

    def _instead(self, host: "System", path: str, otherwise: str) -> str:
        """Return what is at a path where a key or a certificate should be."""
        now = host.files.stat(path)
        return "" if now is None else "a link" if now.kind == "link" else otherwise

    def made(self, host: "System", subject: Mapping[str, str], *options: str, key: str = "") -> bytes:
        """Return the output of openssl-req(1) for the key, or the one in another file, and the names."""
        argv = ["openssl", "req", "-new", "-key", key or self.key, "-config", "/dev/stdin", *options]
        done = host.run(argv, stdin=request_settings(self.names, subject))
        return done.require("making %s" % self.path, INSTALL).stdout.encode()

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"
