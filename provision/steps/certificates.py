"""Server certificates: the key is made on the host and stays there. Shipped to hosts (Python 3.8)."""

import re
import ssl
import time
from typing import TYPE_CHECKING, Dict, List, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, step, wanted
from provision.steps.source import Source

if TYPE_CHECKING:
    from provision.agent.system import System

#: RFC 1035 labels, the first of which may be a wildcard (RFC 6125)
DNS_NAME = re.compile(r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$")


@wanted()
class Certificate(Step):
    """A key and a certificate for it, good for these names, replaced before it ends.

    key, path: files of the key (0600, root) and of the certificate (0644), both PEM.
    names: DNS names; the first is also the common name.
    issuer: makes the certificate, on the controller, from the request that the host sends.
    authority: identifier of the issuer's key, in hex; a certificate of another issuer is replaced.
    renew: replace the certificate when less than this part of its lifetime is left.
    """

    key: str
    path: str
    names: Sequence[str]
    issuer: Source
    authority: str
    renew: float = 1 / 3

    DEADLINE = 120.0

    def label(self) -> str:
        return "certificate %s" % self.path

    def validate(self) -> None:
        check_path(self.key, "key")
        check_path(self.path)
        if not self.names:
            raise ValueError("a certificate needs a name")
        for name in self.names:
            if not DNS_NAME.fullmatch(name):
                raise ValueError("%r is not a DNS name" % name)
        if not 0 < self.renew < 1:
            raise ValueError("renew must be between 0 and 1")

    def check(self, host: "System") -> Diff:
        found: List[Change] = []
        key = host.files.stat(self.key)
        if key is None:
            found.append(Change("new key", "", "P-256"))
        elif key.mode & 0o077:
            found.append(Change("mode of the key", "%04o" % key.mode, "0600"))
        if host.files.stat(self.path) is None:
            found.append(Change("new certificate", "", ", ".join(self.names)))
        elif key is None:
            found.append(Change("certificate", "for another key", "for the new one"))
        elif not host.files.predicted(self.path):
            found += self._faults(host)
        if found:
            return Diff(found)
        if host.files.predicted(self.path):
            return Diff.none("is made by this run")
        return Diff.none("good until %s" % self._read(host)["notAfter"])

    def apply(self, host: "System", diff: Diff) -> None:
        owner = host.owner("root", "root")
        if host.files.stat(self.key) is None:
            argv = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
            made = host.run(argv).require("making a key")
            host.files.write(self.key, made.stdout.encode(), 0o600, *owner)
        host.files.set_mode(self.key, 0o600)
        if all(change.what == "mode of the key" for change in diff.changes):
            return
        if host.planned:
            host.files.write(self.path, self.issuer, 0o644, *owner)
            return
        alternatives = ",".join("DNS:" + name for name in self.names)
        argv = ["openssl", "req", "-new", "-key", self.key, "-subj", "/CN=%s" % self.names[0]]
        request = host.run([*argv, "-addext", "subjectAltName=" + alternatives]).require("making a request")
        certificate = host.fetch(self.issuer, request.stdout.encode())
        host.files.write(self.path, certificate, 0o644, *owner)
        faults = self._faults(host)
        if faults:
            raise StepError("the new certificate has a fault: %s" % ", ".join(c.what for c in faults))

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"

    def _faults(self, host: "System") -> List[Change]:
        values = self._read(host)
        if not values:
            return [Change("certificate", "damaged", ", ".join(self.names))]
        found = []
        have = sorted(values["names"].split())
        if have != sorted(self.names):
            found.append(Change("names", ", ".join(have), ", ".join(sorted(self.names))))
        if values["matches"] != "yes":
            found.append(Change("key", "another one", "the host's"))
        if values["authority"] != self.authority:
            found.append(Change("issuer", "another one", "the private CA"))
        begin = ssl.cert_time_to_seconds(values["notBefore"])
        end = ssl.cert_time_to_seconds(values["notAfter"])
        left = end - time.time()
        if left < (end - begin) * self.renew:
            days = "ended" if left < 0 else "ends in %d days" % (left // 86400)
            found.append(Change("lifetime", days, "a new one"))
        return found

    def _read(self, host: "System") -> Dict[str, str]:
        """What is in the certificate, and whether it is for the key; empty if it is none.

        Two runs of openssl take longer than all other steps of a web stack together when nothing is to be
        done. So the ledger keeps what they said, for as long as both files are what they were.
        """
        state = "%s %s" % (host.files.sha256(self.path), host.files.sha256(self.key))
        values = host.ledger.known(self.label(), state)
        if values is None:
            values = self._ask(host)
            host.ledger.remember_known(self.label(), state, values)
        return values

    def _ask(self, host: "System") -> Dict[str, str]:
        """One openssl for all that is in the certificate (x509(1)), one for the key."""
        argv = ["openssl", "x509", "-in", self.path, "-noout", "-dates", "-pubkey"]
        result = host.ask([*argv, "-ext", "subjectAltName,authorityKeyIdentifier"])
        if result.status == 127:
            result.require("reading the certificate", "Install the package openssl before this step.")
        if result.status:
            return {}
        text = result.stdout
        values = dict(line.split("=", 1) for line in text.splitlines() if line.startswith("not"))
        values["names"] = " ".join(re.findall(r"DNS:([^\s,]+)", text))
        key = re.search(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", text, re.DOTALL)
        public = host.ask(["openssl", "pkey", "-in", self.key, "-pubout"]).stdout.strip()
        values["matches"] = "yes" if key and key.group(0) == public else "no"
        authority = re.search(r"((?:[0-9A-F]{2}:){19}[0-9A-F]{2})", text)
        values["authority"] = authority.group(1).replace(":", "").lower() if authority else ""
        return values


certificate = step(Certificate)
