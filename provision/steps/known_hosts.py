"""Keys of other hosts, as ssh knows them. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Sequence, Tuple

from provision.errors import StepError
from provision.steps.authorized_keys import own_file, ssh_folder
from provision.steps.base import Change, Diff, Step, check_text, step, wanted
from provision.steps.groups import check_name
from provision.steps.support.file_changes import join, replaced_mode

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.host import System

SYSTEM = "/etc/ssh/ssh_known_hosts"
KEY = re.compile(r"^((?:ssh|ecdsa|sk)-[\w.@-]+) ([A-Za-z0-9+/]+=*)(?: .*)?\Z", re.ASCII)
NAME = re.compile(r"^[A-Za-z0-9_.:-]+\Z", re.ASCII)

#: type and base64 of a key
Key = Tuple[str, str]


@wanted()
class KnownHost(Step):
    """The keys of another host, so that ssh on this host trusts only it under that name.

        known_hosts.known_host(c, "git.example.org", ["ssh-ed25519 AAAAC3Nz..."], user="shop")

    name: as ssh is given it: a name or an address.  port: of its sshd.
    keys: all its keys, as in its /etc/ssh/ssh_host_*_key.pub. Other keys under its name are removed; without
    keys, the host is no longer known.
    user: whose ~/.ssh/known_hosts; "" is everyone's, /etc/ssh/ssh_known_hosts.
    hashed: keep the name as a hash, so that readers of the file do not learn which hosts the user connects
    to.
    Get the keys from a trusted source, such as the host's owner: prov does not fetch them over the network.
    Certificate authorities, revoked keys, patterns and all other hosts stay.  Source: sshd(8),
    "SSH_KNOWN_HOSTS".
    """

    name: str
    keys: Sequence[str] = ()
    port: int = 22
    user: str = ""
    hashed: bool = False

    def label(self) -> str:
        return "known host %s%s" % (self._entry(), " of %s" % self.user if self.user else "")

    def validate(self) -> None:
        if not isinstance(self.name, str) or not NAME.match(self.name):
            raise ValueError("%r is not the name or address of a host" % (self.name,))
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise ValueError("port must be a number from 1 to 65535, not %r" % (self.port,))
        if isinstance(self.keys, str):
            raise ValueError("keys must be a list")
        for key in self.keys:
            check_text(key, "key")
            if not KEY.match(key.strip()):
                raise ValueError("%r is not a host's public key, such as 'ssh-ed25519 AAAA...'" % key[:60])
        if self.user:
            check_name(self.user)

    def check(self, host: "System") -> Diff:
        _, found = self._edited(host)
        why = "has its %d keys" % len(self.keys) if self.keys else "is not known"
        return Diff(found) if found else Diff.none(why)

    def apply(self, host: "System", diff: Diff) -> None:
        path, mode, uid, gid = SYSTEM, 0o644, 0, 0
        if self.user:
            account = self._account(host)
            path, mode, uid, gid = own_file(host, account, "known_hosts")[0], 0o600, account.uid, account.gid
            if host.files.stat(ssh_folder(account)) is None:
                host.files.mkdir(ssh_folder(account), 0o700, uid, gid)
        now = host.files.stat(path)
        lines, _ = self._edited(host)
        host.files.write(path, join(lines), replaced_mode(now, mode), uid, gid)

    def fingerprint(self, host: "System") -> str:
        path = "%s/known_hosts" % ssh_folder(self._account(host)) if self.user else SYSTEM
        return host.files.sha256(path) if host.files.exists(path) else "absent"

    def _entry(self) -> str:
        return self.name if self.port == 22 else "[%s]:%d" % (self.name, self.port)

    def _account(self, host: "System") -> "Account":
        found = host.accounts.user(self.user)
        if found is None:
            raise StepError(
                "there is no user %r on this host" % self.user, hint="Add a users.user step first."
            )
        return found

    def _edited(self, host: "System") -> Tuple[List[str], List[Change]]:
        """The file's lines as they should be, and what that changes."""
        path = own_file(host, self._account(host), "known_hosts")[0] if self.user else SYSTEM
        old = host.files.read(path) if host.files.exists(path) else b""
        # ssh looks names up in lower case
        entry = self._entry().lower()
        wanted_keys = [key_of(key) for key in self.keys]
        missing = list(wanted_keys)
        lines: List[str] = []
        found: List[Change] = []
        for line in lines_of(old):
            names, _, rest = line.strip().partition(" ")
            match = KEY.match(rest.strip())
            if match is None or not stands_for(names, entry):
                lines.append(line)
                continue
            key = match.group(1), match.group(2)
            plain = not names.startswith("|")
            if key in wanted_keys and not (plain and self.hashed):
                missing = [each for each in missing if each != key]
                lines.append(line)
                continue
            others = [name for name in names.split(",") if name.lower() != entry] if plain else []
            if others:
                lines.append("%s %s" % (",".join(others), rest))
            if key not in wanted_keys:
                found.append(Change("key", shown(key), ""))
        there = {key_of(rest) for names, rest in split(old) if stands_for(names, entry)}
        for key in missing:
            new = Change("name hashed", entry, "") if key in there else Change("key", "", shown(key))
            found.append(new)
            lines.append("%s %s %s" % (hashed(entry) if self.hashed else entry, *key))
        return lines, found


known_host = step(KnownHost)


def lines_of(old: bytes) -> List[str]:
    """A file's lines, without their ends."""
    lines = old.decode("utf-8", "surrogateescape").split("\n")
    return lines[:-1] if not lines[-1] else lines


def split(old: bytes) -> List[Tuple[str, str]]:
    """(names, key) of the lines of a file that have a key."""
    parts = (line.strip().partition(" ") for line in lines_of(old))
    return [(names, rest.strip()) for names, _, rest in parts if KEY.match(rest.strip())]


def key_of(text: str) -> Key:
    """Type and base64 of a key, without its comment."""
    words = text.split()
    return words[0], words[1]


def stands_for(names: str, entry: str) -> bool:
    """Whether the first field of a line names this host, plainly or as a hash."""
    if not names.startswith("|1|"):
        return entry in names.lower().split(",")
    import base64
    import binascii
    import hashlib
    import hmac

    try:
        salt, digest = (base64.b64decode(part) for part in names[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.new(salt, entry.encode(), hashlib.sha1).digest() == digest


def hashed(entry: str) -> str:
    """A host's name as `ssh-keygen -H` writes it: HMAC-SHA1 with a salt."""
    import base64
    import hashlib
    import hmac
    import os

    salt = os.urandom(20)
    digest = hmac.new(salt, entry.encode(), hashlib.sha1).digest()
    return "|1|%s|%s" % (base64.b64encode(salt).decode(), base64.b64encode(digest).decode())


def shown(key: Key) -> str:
    """A key as people compare it: "ssh-ed25519 SHA256:..."."""
    import base64
    import binascii
    import hashlib

    try:
        digest = hashlib.sha256(base64.b64decode(key[1])).digest()
    except binascii.Error:
        return "%s, damaged" % key[0]
    return "%s SHA256:%s" % (key[0], base64.b64encode(digest).decode().rstrip("="))
