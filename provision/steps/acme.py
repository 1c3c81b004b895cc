"""Certificates that the host itself gets from an ACME authority. Shipped to hosts (Python 3.8, standard library)."""

import json
import time
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.support.keyed import Keyed
from provision.steps.support.served_certificates import on_disk
from provision.steps.support.x509 import check_dns_names, faults, lifetime, read

if TYPE_CHECKING:
    from provision.system.host import System

#: days for which a temporary certificate is valid: it is served until the authority has answered
TEMPORARY_DAYS = 30


@wanted()
class TemporaryCertificate(Keyed):
    """A key, and a self-signed certificate until the real one exists: with it a web server can start, and answer
    the authority that issues the real one. An existing certificate is left alone.
    kind: of a new key, ecdsa or rsa.
    """

    kind: str = ""

    WHAT = "temporary certificate"

    def label(self) -> str:
        return "temporary certificate %s" % self.path

    def check(self, host: "System") -> Diff:
        found = self.missing(host)
        if found:
            return Diff(found)
        return Diff.none(
            "is made by this run" if host.files.predicted(self.path) else "there is a certificate"
        )

    def apply(self, host: "System", diff: Diff) -> None:
        self.make_key(host)
        certificate = self.made(host, {}, "-x509", "-days", str(TEMPORARY_DAYS))
        host.files.write(self.path, certificate, 0o644, *host.owner(None, None))


@wanted()
class AcmeCertificate(Keyed):
    """A certificate from an ACME authority, which the host has got by a program of its own and renews by a timer.

    server: URL of the authority's directory.  name: what people call the authority.  profile: "" for its default.
    state: the program's file about it.  argv: how the program gets the certificate now.
    kind: of the key, ecdsa or rsa; the program replaces one of another kind with its certificate.
    A certificate that is only old is left to the timer: this step never renews.
    """

    server: str
    name: str
    state: str
    argv: Sequence[str]
    profile: str = ""
    kind: str = ""

    DEADLINE = 900.0

    def label(self) -> str:
        return "certificate for %s from %s" % (self.names[0], self.name)

    def validate(self) -> None:
        super().validate()
        check_path(self.state, "state")
        for word in (self.server, self.name, *self.argv):
            check_text(word, "server, name or argv")

    def check(self, host: "System") -> Diff:
        if self.missing(host) or host.files.predicted(self.path):
            return Diff([Change("certificate", "a temporary one", "from %s" % self.name)])
        state = state_of(host, self.state)
        found = self._faults(host, state)
        if found:
            return Diff(found)
        left = lifetime(read(host, "x509", self.path, self.key))[1]
        renews = time.strftime("%Y-%m-%d", time.gmtime(state.get("renew_at", 0)))
        return Diff.none("%d days left, renews itself on %s" % (left // 86400, renews))

    def apply(self, host: "System", diff: Diff) -> None:
        if host.planned:
            return
        why = failure(host, self.argv, self.state)
        if why:
            raise StepError(
                "could not get a certificate for %s: %s" % (", ".join(self.names), why),
                hint="The host serves the certificate that it had, and tries again automatically; see prov tls status.",
            )
        # so that the ledger knows it, and the next run has nothing to note
        self._faults(host, state_of(host, self.state))

    def _faults(self, host: "System", state: Dict[str, Any]) -> List[Change]:
        values = read(host, "x509", self.path, self.key)
        if state.get("sha256") != host.files.sha256(self.path):
            own = values and values["subject"] == values["issuer"]
            return [Change("certificate", "a temporary one" if own else "another one", "from %s" % self.name)]
        found = self.other_kind(host)[:1] + faults(values, self.names, 0.0)
        if state.get("server") != self.server:
            found.append(Change("authority", str(state.get("server")), self.server))
        if state.get("profile", "") != self.profile:
            found.append(Change("profile", str(state.get("profile", "")), self.profile))
        return found


@wanted()
class AcmeReplacement(Step):
    """A new key, and a certificate for it from an ACME authority, in place of those that a host has and serves.

    path: of the certificate.  names: that it is for.  name: what people call the authority.  state: the program's file
    about it.  argv: how the program replaces it.  revoke: why the authority is to revoke the old one; "" if it is not.
    """

    path: str
    names: Sequence[str]
    name: str
    state: str
    argv: Sequence[str]
    revoke: str = ""

    DEADLINE = 900.0

    def label(self) -> str:
        return "new key and certificate for %s from %s" % (self.names[0], self.name)

    def validate(self) -> None:
        check_path(self.path)
        check_path(self.state, "state")
        check_dns_names(self.names)
        for word in (self.name, self.revoke or "-", *self.argv):
            check_text(word, "name, revoke or argv")

    def check(self, host: "System") -> Diff:
        state, present = state_of(host, self.state), on_disk(host, self.path)
        if not present or state.get("sha256") != host.files.sha256(self.path):
            raise StepError(
                "the host has no certificate for %s from %s yet" % (self.names[0], self.name),
                hint="Deploy it first: prov deploy HOST",
            )
        found = [Change("key", "the present one", "a new one")]
        found.append(Change("certificate", "serial %s" % present["serial"], "a new one"))
        if self.revoke:
            found.append(Change("serial %s" % present["serial"], "valid", "revoked: %s" % self.revoke))
        return Diff(found)

    def apply(self, host: "System", diff: Diff) -> None:
        if host.planned:
            return
        why = failure(host, self.argv, self.state)
        if why:
            then = "The host tries again automatically; see prov tls status." if self.revoke else ""
            raise StepError(
                "could not replace the certificate for %s: %s" % (", ".join(self.names), why),
                hint=then or "The host serves the certificate that it had. Then: prov tls rotate HOST",
            )

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"


def failure(host: "System", argv: Sequence[str], state: str) -> str:
    """Run the host's program; return why it has failed, "" if it has not. state: its file about the certificate."""
    done = host.run(list(argv))
    if not done.status:
        return ""
    return str(state_of(host, state).get("error", "")) or (done.stderr or done.stdout).strip()[-500:]


def state_of(host: "System", path: str) -> Dict[str, Any]:
    """Return what the program has written down; {} if it has not run, or the file is damaged."""
    if host.files.stat(path) is None:
        return {}
    try:
        found = json.loads(host.files.read(path).decode())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


temporary_certificate = step(TemporaryCertificate)
acme_certificate = step(AcmeCertificate)
acme_replacement = step(AcmeReplacement)
