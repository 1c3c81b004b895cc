"""Server certificates: the key is made on the host and stays there. Shipped to hosts (Python 3.8)."""

import re
from typing import TYPE_CHECKING, List, Mapping, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_names, check_path, step, wanted
from provision.steps.support.keyed import MADE, OTHER_KIND, Keyed
from provision.steps.support.x509 import (
    check_dns_names,
    check_subject,
    covers,
    faults,
    lifetime,
    read,
    subject_lines,
)
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Content, Stat


#: what is wrong with a key, as differences call it
OF_KEY = ("mode of the key", "group of the key")
#: what openssl-req(1) writes (RFC 7468)
REQUEST = re.compile(
    r"-----BEGIN CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----\s*\Z"
)


@wanted()
class Certificate(Keyed):
    """A certificate that the controller has issued for the host's key, replaced before it ends.

    issuer: makes the certificate, on the controller, from the request that the host sends.
    authority: identifier of the issuer's key, in hex; a certificate of another issuer is replaced.
    renew: replace the certificate when less than this part of its lifetime is left.
    key_group: a group that may read the key too, which has mode 0640 then.
    kind: ecdsa or rsa: a key of another kind is replaced with its certificate. Default: any key will do.
    """

    issuer: Source
    authority: str
    renew: float = 1 / 3
    key_group: str = ""
    kind: str = ""

    def label(self) -> str:
        return "certificate %s" % self.path

    def validate(self) -> None:
        super().validate()
        check_renew(self.renew)
        if self.key_group:
            check_names(self, "key_group")

    def check(self, host: "System") -> Diff:
        found = self.missing(host) or self.other_kind(host)
        key, now = host.files.stat(self.key), host.files.stat(self.path)
        there = key is not None and key.kind == "file"
        if key is not None and there:
            found = self._readers(host, key) + found
        predicted = host.files.predicted(self.path)
        if there and now is not None and now.kind == "file" and not predicted:
            found += self.faults_of(host)
        if found:
            return Diff(found)
        if predicted:
            return Diff.none("is made by this run")
        return Diff.none("valid until %s" % read(host, "x509", self.path, self.key)["notAfter"])

    def apply(self, host: "System", diff: Diff) -> None:
        if any(change.what == OTHER_KIND for change in diff.changes):
            self.make_pair(host, MADE[self.kind], lambda key: self._signed(host, key))
            diff = Diff([change for change in diff.changes if change.what in OF_KEY])
        self.make_key(host)
        group = self._group(host) if self.key_group else None
        if group is not None:
            host.files.set_owner(self.key, 0, group)
        host.files.set_mode(self.key, 0o640 if self.key_group else 0o600)
        if all(change.what in OF_KEY for change in diff.changes):
            return
        owner = host.owner(None, None)
        host.files.write(self.path, self._signed(host, self.key), 0o644, *owner)
        self.check_made(host)

    def _signed(self, host: "System", key: str) -> "Content":
        """Return a certificate for the key in a file."""
        return self.issuer if host.planned else host.fetch(self.issuer, self.made(host, {}, key=key))

    def _group(self, host: "System") -> "Optional[int]":
        """The id of the group. None in a plan: a package that is still to come makes it. Raises StepError."""
        found = host.accounts.group(self.key_group)
        return found if found is not None or host.planned else host.accounts.gid(self.key_group)

    def _readers(self, host: "System", key: "Stat") -> List[Change]:
        """What is wrong with who may read the key."""
        found = []
        if key.mode & (0o037 if self.key_group else 0o077) or (self.key_group and not key.mode & 0o040):
            found.append(Change(OF_KEY[0], "%04o" % key.mode, "0640" if self.key_group else "0600"))
        group = self._group(host) if self.key_group else None
        if group is not None and key.gid != group:
            found.append(Change(OF_KEY[1], host.accounts.group_name(key.gid), self.key_group))
        return found

    def faults_of(self, host: "System") -> List[Change]:
        values = read(host, "x509", self.path, self.key)
        found = faults(values, self.names, self.renew)
        if values and values["authority"] != self.authority:
            found.append(Change("issuer", "another one", "the private CA"))
        return found


@wanted()
class SelfSigned(Keyed):
    """A self-signed certificate, for services that no one else must trust; replaced before it expires.

        certificates.self_signed(c, "/etc/ssl/private/x.key", "/etc/ssl/certs/x.crt", ["x.internal"])

    days: lifetime of a new one.  renew: replace the certificate when less than this fraction is left of its lifetime,
    or of `days` if that is longer.
    kind: ecdsa or rsa: a key of another kind is replaced with its certificate. Default: any key will do.
    A certificate of another issuer is replaced.
    """

    days: int = 365
    renew: float = 1 / 3
    kind: str = ""

    def label(self) -> str:
        return "certificate %s" % self.path

    def validate(self) -> None:
        super().validate()
        check_renew(self.renew)
        check_days(self.days, 1)

    def check(self, host: "System") -> Diff:
        found = self.missing(host) or self.other_kind(host)
        if found:
            return Diff(found)
        if host.files.predicted(self.path):
            return Diff.none("is made by this run")
        found = self.faults_of(host)
        if found:
            return Diff(found)
        return Diff.none("valid until %s" % read(host, "x509", self.path, self.key)["notAfter"])

    def apply(self, host: "System", diff: Diff) -> None:
        if diff.changes[0].what == OTHER_KIND:
            self.make_pair(host, MADE[self.kind], lambda key: self._signed(host, key))
            return
        self.make_key(host)
        host.files.write(self.path, self._signed(host, self.key), 0o644, *host.owner(None, None))
        self.check_made(host)

    def _signed(self, host: "System", key: str) -> bytes:
        """Return a certificate that the key in a file has signed."""
        return self.made(host, {}, "-x509", "-days", str(self.days), key=key)

    def faults_of(self, host: "System") -> List[Change]:
        values = read(host, "x509", self.path, self.key)
        found = faults(values, self.names, self.renew, self.days)
        if values and values["subject"] != values["issuer"]:
            found.append(Change("issuer", values["issuer"].replace("\n", ", "), "itself"))
        return found


@wanted()
class CertificateRequest(Keyed):
    """A certificate request (PKCS #10), for another authority to sign. The role reads it from outcome.stdout.

        request = certificates.request(c, "/etc/ssl/private/x.key", "/etc/ssl/x.csr", ["x.org"],
                                       subject={"O": "X"})

    subject: further parts of the name, such as {"C": "DE", "O": "Example"}.
    """

    subject: Mapping[str, str] = ()  # type: ignore[assignment]

    WHAT = "request"

    def label(self) -> str:
        return "certificate request %s" % self.path

    def validate(self) -> None:
        super().validate()
        check_subject(self.subject)

    def check(self, host: "System") -> Diff:
        found = self.missing(host)
        if found:
            return Diff(found)
        if host.files.predicted(self.path):
            return Diff.none("is made by this run")
        found = self.faults_of(host)
        return Diff(found) if found else Diff.none("is for this key, and %s" % ", ".join(self.names))

    def apply(self, host: "System", diff: Diff) -> None:
        self.make_key(host)
        host.files.write(self.path, self.made(host, self.subject), 0o644, *host.owner(None, None))
        self.check_made(host)

    def fingerprint(self, host: "System") -> str:
        if host.files.exists(self.path) and not host.files.predicted(self.path):
            text = host.files.read(self.path).decode(errors="replace")
            # what else a user may have put there is not shown
            self.scratch["stdout"] = text if REQUEST.match(text) else ""
        return super().fingerprint(host)

    def faults_of(self, host: "System") -> List[Change]:
        values = read(host, "req", self.path, self.key)
        if not values:
            return [Change("request", "damaged", ", ".join(self.names))]
        found = []
        if sorted(values["names"].split()) != sorted(self.names):
            found.append(Change("names", values["names"].replace(" ", ", "), ", ".join(self.names)))
        if values["matches"] != "yes":
            found.append(Change("key", "another one", "the host's"))
        subject = subject_lines(self.names, self.subject)
        if values["subject"].split("\n") != subject:
            found.append(Change("subject", values["subject"].replace("\n", ", "), ", ".join(subject)))
        return found


@wanted()
class ValidCertificate(Step):
    """Check that a certificate is valid; if it is not, the step fails. Changes nothing.

        certificates.valid(c, "/etc/ssl/certs/x.crt", key="/etc/ssl/private/x.key", names=["x.org"], days=14)

    path: of the certificate, PEM; of a chain, the first counts.  days: how long it must remain valid.
    key: file of its key.  names: domains that it must cover; a wildcard covers one label.
    With ignore_errors="..." a fault is a warning.  Needs openssl on the host.
    """

    path: str
    key: str = ""
    names: Sequence[str] = ()
    days: int = 14

    def label(self) -> str:
        return "valid certificate %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if self.key:
            check_path(self.key, "key")
        if self.names:
            check_dns_names(self.names)
        check_days(self.days, 0)

    def check(self, host: "System") -> Diff:
        if host.files.predicted(self.path) or (self.key and host.files.predicted(self.key)):
            return Diff.none("is made by this run")
        for path in filter(None, (self.path, self.key)):
            if not host.files.exists(path):
                raise StepError("%s does not exist" % path)
        values = read(host, "x509", self.path, self.key)
        if not values:
            raise StepError("%s is not a certificate" % self.path)
        wrong = []
        left = lifetime(values)[1]
        if left < self.days * 86400:
            wrong.append("ended on" if left < 0 else "ends on")
            wrong[-1] += " %s" % values["notAfter"]
        if self.key and values["matches"] != "yes":
            wrong.append("is not for the key %s" % self.key)
        missing = [name for name in self.names if not covers(values["names"].split(), name)]
        if missing:
            wrong.append(
                "is not for %s, but for %s" % (", ".join(missing), values["names"].replace(" ", ", "))
            )
        if wrong:
            raise StepError("%s %s" % (self.path, "; ".join(wrong)), hint="Renew or replace it.")
        return Diff.none("valid until %s" % values["notAfter"])

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("the check changes nothing")

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"


def check_renew(renew: float) -> None:
    """Raise ValueError unless renew is a part of a lifetime."""
    if not isinstance(renew, (int, float)) or not 0 < renew < 1:
        raise ValueError("renew must be between 0 and 1")


def check_days(days: int, least: int) -> None:
    """Raise ValueError unless days is a number of days."""
    if not isinstance(days, int) or isinstance(days, bool) or not least <= days <= 36500:
        raise ValueError("days must be a whole number from %d to 36500, not %r" % (least, days))


certificate = step(Certificate)
self_signed = step(SelfSigned)
request = step(CertificateRequest)
valid = step(ValidCertificate)
