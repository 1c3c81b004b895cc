"""Private keys: made on the host, which they never leave. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, List, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_mode, check_names, check_path, step, wanted
from provision.steps.support.file_changes import attribute_words, attributes, set_attributes, wanted_owner

if TYPE_CHECKING:
    from provision.system.host import System

#: kinds of keys, and how openssl-genpkey(1) is asked for them
KINDS: Dict[str, List[str]] = {
    "P-256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "P-384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "RSA-2048": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "RSA-3072": ["RSA", "-pkeyopt", "rsa_keygen_bits:3072"],
    "RSA-4096": ["RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    "Ed25519": ["ED25519"],
}
INSTALL = "Install the package openssl before this step."


@wanted()
class PrivateKey(Step):
    """A private key in PEM, without a passphrase, made on the host. It never leaves the host and is never
    shown.

        keys.private_key(c, "/etc/ssl/private/mail.key", "RSA-3072", mode=0o640, group="ssl-cert")

    path: absolute.  kind: P-256, P-384, RSA-2048, RSA-3072, RSA-4096 or Ed25519; a key of another kind is
    replaced.
    mode, owner, group: of the file; never readable for everyone.
    A file that is not a key stays, and the step fails.  Needs openssl on the host.
    """

    path: str
    kind: str = "P-256"
    mode: int = 0o600
    owner: Optional[str] = None
    group: Optional[str] = None

    def label(self) -> str:
        return "private key %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_names(self, "owner", "group")
        if self.kind not in KINDS:
            raise ValueError("kind must be one of %s, not %r" % (", ".join(KINDS), self.kind))
        if self.mode & 0o007:
            raise ValueError("mode %04o would let everyone read a private key" % self.mode)

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is None:
            return Diff([Change("new key", "", self.kind), *attributes(self, host, None, None)])
        if now.kind != "file":
            raise StepError("%s is a %s, expected a file" % (self.path, now.kind))
        found = attributes(self, host, now, None)
        if not host.files.predicted(self.path):
            kind = kind_of_key(host, self.path)
            if kind != self.kind:
                found = [Change("kind of the key", kind, self.kind), *found]
        return (
            Diff(found) if found else Diff.none("is a key of kind %s%s" % (self.kind, attribute_words(self)))
        )

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        if now is None or any(change.what == "kind of the key" for change in diff.changes):
            owner = wanted_owner(self, host, now)
            host.files.write(self.path, new_key(host, self.kind), self.mode, *owner)
            remember_kind(host, self.path, self.kind)
        else:
            set_attributes(self, host, now)

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"


private_key = step(PrivateKey)


def new_key(host: "System", kind: str) -> bytes:
    """A new key. Raises StepError."""
    # no on_line: what a command prints is shown to people as it comes
    made = host.run(["openssl", "genpkey", "-algorithm", *KINDS[kind]], on_line=None)
    return made.require("making a key", INSTALL).stdout.encode()


def kind_of_key(host: "System", path: str) -> str:
    """The kind of the key in a file, as in KINDS, or what openssl calls it. Raises StepError if it is
    none."""
    state = host.files.sha256(path)
    known = host.ledger.known("kind of %s" % path, state)
    if known is None:
        said = host.ask(
            ["openssl", "pkey", "-noout", "-text_pub", "-passin", "pass:"], stdin=host.files.read(path)
        )
        if said.status == 127:
            said.require("looking at the key", INSTALL)
        if said.status:
            raise StepError(
                "%s is not a private key, or is encrypted" % path,
                hint="If nothing needs it, remove it with files.absent before this step.",
            )
        return remember_kind(host, path, named_kind(said.stdout))
    return known["kind"]


def remember_kind(host: "System", path: str, kind: str) -> str:
    """Note the kind of a key in the ledger, and return it. Who makes a key calls this, so that the next run,
    which changes nothing, has nothing to note."""
    if not host.planned:
        host.ledger.remember_known("kind of %s" % path, host.files.sha256(path), {"kind": kind})
    return kind


def named_kind(text: str) -> str:
    """The kind of a public key that openssl-pkey(1) has printed."""
    curve = re.search(r"NIST CURVE: (\S+)", text)
    bits = re.search(r"Public-Key: \((\d+) bit", text)
    if curve:
        return curve.group(1)
    if "Modulus" in text and bits:
        return "RSA-%s" % bits.group(1)
    return "Ed25519" if "ED25519" in text else text.partition("\n")[0].strip(" :")
