"""Key pairs that are made on the host and never leave it. Shipped to hosts (Python 3.8, standard library)."""

import os
import re
import struct
from typing import TYPE_CHECKING, List, Tuple

from provision.errors import StepError
from provision.steps.authorized_keys import NOT_FOLLOWED, ssh_folder
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.groups import check_name
from provision.steps.support.file_changes import refuse_gift
from provision.system.command_execution import failure

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.host import System

TYPES = {"ed25519": "ssh-ed25519", "rsa": "ssh-rsa"}
#: largest size of a public key file in bytes, and the pattern of its line
LARGEST = 32 * 1024
PUBLIC = re.compile(r"^(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/]+=*( [^\n]*)?\Z", re.ASCII)
#: a plan's placeholder for a key that the deploy will make; valid in form only
UNMADE = "%s AAAA made-by-the-deploy"


@wanted()
class KeyPair(Step):
    """A key pair of a user, made on the host if none exists; `outcome.stdout` is the public key.

        key = ssh_keys.key_pair(c, "shop")
        users.authorized_keys(other, "git", [key.stdout.strip()])

    user: the owner.  kind: "ed25519" or "rsa".  bits: minimum length of an RSA key.
    path: of the private key; the public key is beside it (.pub). "" is ~/.ssh/id_KIND. A folder other than
    ~/.ssh must exist.  comment: in the public key; "" is USER@HOSTNAME.
    The private key has no passphrase, is readable for its user only, and does not leave the host. An existing
    key is never replaced: if it is of another kind, or shorter, the step fails. A plan shows a placeholder
    for the public key of a pair that is not made yet.  Source: ssh-keygen(1).
    """

    user: str
    kind: str = "ed25519"
    path: str = ""
    bits: int = 3072
    comment: str = ""

    def label(self) -> str:
        return "key of %s%s" % (self.user, ", " + self.path if self.path else "")

    def validate(self) -> None:
        check_name(self.user)
        if self.kind not in TYPES:
            raise ValueError("kind must be ed25519 or rsa, not %r" % (self.kind,))
        if self.path:
            check_path(self.path)
        if not isinstance(self.bits, int) or not 2048 <= self.bits <= 16384:
            raise ValueError("bits must be a number from 2048 to 16384, not %r" % (self.bits,))
        if self.comment:
            check_text(self.comment, "comment")

    def check(self, host: "System") -> Diff:
        account, path = self._place(host)
        self._say(UNMADE % TYPES[self.kind])
        now = host.files.stat(path)
        if now is None:
            size = "%s, %d bits" % (self.kind, self.bits) if self.kind == "rsa" else self.kind
            return Diff([Change("new key", "", "%s (%s)" % (path, size))])
        if now.kind != "file":
            raise StepError("%s is a %s, not a file" % (path, now.kind), hint=NOT_FOLLOWED)
        if host.files.predicted(path):
            return Diff.none("is there")
        found: List[Change] = []
        if now.mode & 0o077 or now.uid != account.uid:
            before = "%04o %s" % (now.mode, host.accounts.user_name(now.uid))
            found.append(Change("mode and owner", before, "0600 %s" % self.user))
        refuse_gift(host, path, now, account.uid, 0o600)
        # ssh-keygen refuses to read a private key that others can read; only the public key can be checked
        # then
        public = "" if found else self._derived(host, path)
        beside = path + ".pub"
        there = self._beside(host, beside)
        if public and there.split()[:2] != public.split()[:2]:
            found.append(Change("public key", "of another key" if there else "", beside))
        elif there != "no key":
            self._say(there or public)
        return Diff(found) if found else Diff.none("is there")

    def apply(self, host: "System", diff: Diff) -> None:
        account, path = self._place(host)
        uid, gid = account.uid, account.gid
        if host.files.stat(path) is None:
            folder = path.rsplit("/", 1)[0]
            if host.files.stat(folder) is None and folder == ssh_folder(account):
                host.files.mkdir(folder, 0o700, uid, gid)
            private, public = self._made(host)
            host.files.write(path, private, 0o600, uid, gid)
        else:
            host.files.set_owner(path, uid, gid)
            host.files.set_mode(path, 0o600)
            public = self._public if host.planned else self._derived(host, path)
        host.files.write(path + ".pub", public.encode(), 0o644, uid, gid)
        self._say(public)

    def _beside(self, host: "System", path: str) -> str:
        """Return the public key in a file, which its user controls; "" if the file does not exist."""
        now = host.files.stat(path)
        if now is None:
            return ""
        if now.kind != "file":
            raise StepError("%s is a %s, not a file" % (path, now.kind), hint=NOT_FOLLOWED)
        if now.size > LARGEST:
            return "no key"
        words = host.files.read(path).decode(errors="replace").split("\n", 1)[0]
        return words if PUBLIC.match(words) else "no key"

    def fingerprint(self, host: "System") -> str:
        return self._public

    @property
    def _public(self) -> str:
        """Return the public key as far as it is known; "" before that."""
        return str(self.scratch.get("stdout", ""))

    def _say(self, public: str) -> None:
        self.scratch["stdout"] = public.strip() + "\n"

    def _place(self, host: "System") -> "Tuple[Account, str]":
        account = host.accounts.user(self.user)
        if account is None:
            raise StepError(
                "there is no user %r on this host" % self.user, hint="Add a users.user step first."
            )
        return account, self.path or "%s/id_%s" % (ssh_folder(account), self.kind)

    def _made(self, host: "System") -> Tuple[bytes, str]:
        """Make a new pair where only prov can read, in memory if possible."""
        import tempfile

        if host.planned:
            return b"", self._public
        comment = self.comment or "%s@%s" % (self.user, host.hostname())
        size = ["-b", str(self.bits)] if self.kind == "rsa" else []
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="prov-key-", dir=place) as folder:
            at = folder + "/key"
            argv = ["ssh-keygen", "-q", "-t", self.kind, *size, "-N", "", "-C", comment, "-f", at]
            done = host.run(argv)
            done.require("making a key for %s" % self.user, missing(done.status))
            with open(at, "rb") as private, open(at + ".pub", encoding="utf-8") as public:
                return private.read(), public.read()

    def _derived(self, host: "System", path: str) -> str:
        """Return the public key of the private one, read as its user, who could have put anything there."""
        said = host.ask(("ssh-keygen", "-y", "-P", "", "-f", path), user=self.user)
        if said.status:
            hint = missing(said.status) or "Has it a passphrase, or is it damaged? prov replaces no key."
            raise failure("%s can't be used" % path, said, hint)
        kind, body = said.stdout.split()[:2]
        if kind != TYPES[self.kind] or (self.kind == "rsa" and rsa_bits(body) < self.bits):
            found = (
                "an RSA key of %d bits" % rsa_bits(body)
                if kind == "ssh-rsa"
                else "a key of the kind %s" % kind
            )
            asked = "rsa with %d bits" % self.bits if self.kind == "rsa" else self.kind
            raise StepError(
                "%s is %s, not %s" % (path, found, asked),
                hint="It may be in use, so prov does not replace it: files.absent does, or give another path.",
            )
        return said.stdout


key_pair = step(KeyPair)


def missing(status: int) -> str:
    """Return the hint if the host lacks ssh-keygen."""
    return 'Add apt.packages(c, "openssh-client") before this step.' if status == 127 else ""


def rsa_bits(body: str) -> int:
    """Return the length of an RSA key (RFC 4253, 6.6: name, exponent, modulus, each after its length)."""
    import base64

    data = base64.b64decode(body)
    parts = []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        parts.append(data[4 : 4 + length])
        data = data[4 + length :]
    return int.from_bytes(parts[2], "big").bit_length()
