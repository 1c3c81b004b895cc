"""Certificates that are replaced with their key, at once and on demand. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING, List, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, check_text, step, wanted
from provision.steps.certificates import check_days
from provision.steps.files import Watched
from provision.steps.keys import KINDS, kind_of_key
from provision.steps.support.keyed import Keyed
from provision.steps.support.unit_judging import full_name
from provision.steps.support.x509 import faults, read
from provision.system.front_reload import renew
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Content


@wanted()
class RotatedCertificate(Keyed):
    """A new key and a certificate for it, in place of those that a web server has, which reads them at once.

    server: its unit, which has to run.  issuer: makes the certificate, on the controller, from the request that the
    host sends; None for one that its own key signs, for some days.
    The new key is of the kind of the old one, or P-256 if `keys.KINDS` has no such kind. If the certificate can't be
    issued, nothing is replaced.
    """

    server: str
    issuer: Optional[Source] = None
    days: int = 90

    def label(self) -> str:
        return "new key and certificate %s" % self.path

    def validate(self) -> None:
        super().validate()
        check_text(self.server, "server")
        check_days(self.days, 1)

    def check(self, host: "System") -> Diff:
        deploy = "Deploy it first: prov deploy HOST"
        if self.missing(host):
            raise StepError("there is no key and certificate at %s yet" % self.path, hint=deploy)
        if not host.units.state(self.server).running:
            raise StepError("%s does not run" % self.server, hint=deploy)
        values = read(host, "x509", self.path, self.key)
        until = "valid until %s" % values["notAfter"] if values else "damaged"
        kind = kind_of_key(host, self.key)
        return Diff([Change("key", kind, "a new one"), Change("certificate", until, "for the new key")])

    def apply(self, host: "System", diff: Diff) -> None:
        if host.planned:
            return
        kind = kind_of_key(host, self.key)
        self.make_pair(host, kind if kind in KINDS else "P-256", lambda key: self._signed(host, key))
        renew(host.units, self.server, planned=False)
        self._remember(host)

    def _signed(self, host: "System", key: str) -> "Content":
        if self.issuer is None:
            return self.made(host, {}, "-x509", "-days", str(self.days), key=key)
        return host.fetch(self.issuer, self.made(host, {}, key=key))

    def faults_of(self, host: "System") -> List[Change]:
        return faults(read(host, "x509", self.path, self.key), self.names, 0.0)

    def _remember(self, host: "System") -> None:
        """Note that the server has read the certificate, so that the next deploy does not reload it again."""
        unit, certificate = full_name(self.server), Watched(self.path)
        known = host.ledger.unit(unit)
        inputs = {**known.get("inputs", {}), certificate.label(): certificate.fingerprint(host)}
        host.ledger.remember_unit(unit, inputs, renews=known.get("renews", False))


rotated_certificate = step(RotatedCertificate)
