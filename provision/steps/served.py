"""What servers present to their clients. Never a change. Shipped to hosts (Python 3.8, standard library)."""

import ssl
import time
from typing import TYPE_CHECKING

from provision.errors import StepError
from provision.steps.base import Diff, Step, check_path, check_seconds, check_text, step, wanted
from provision.steps.support import unverified_tls

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class ServedCertificate(Step):
    """A server that presents the certificate that is in a file, checked from the host itself.

    A reload returns before the server's new processes have taken over. If the reload failed, the old
    certificate stays in use, which goes unnoticed until it expires.

    path: of the certificate, PEM.  name: to ask for (SNI).  address, port: of the server.
    within: seconds to keep trying.
    """

    path: str
    name: str
    address: str = "127.0.0.1"
    port: int = 443
    within: float = 10

    DEADLINE = 120.0

    def label(self) -> str:
        return "certificate served for %s" % self.name

    def validate(self) -> None:
        check_path(self.path)
        check_text(self.name, "name")
        check_text(self.address, "address")
        if not isinstance(self.port, int) or not 0 < self.port < 65536:
            raise ValueError("port must be a number from 1 to 65535, not %r" % (self.port,))
        check_seconds(self.within, "within")

    def check(self, host: "System") -> Diff:
        if host.planned:
            return Diff.none("asked only in a deploy")
        wanted_one = ssl.PEM_cert_to_DER_cert(first_certificate(host.files.read(self.path).decode()))
        end = time.monotonic() + self.within
        while True:
            problem = self._ask(wanted_one)
            if not problem:
                return Diff.none("is the one in %s" % self.path)
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        raise StepError(
            "port %d does not serve %s for %s after %g s: %s"
            % (self.port, self.path, self.name, self.within, problem),
            hint="Has the server been reloaded, and does it read this file?",
        )

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("asking changes nothing")

    def _ask(self, wanted_one: bytes) -> str:
        """Return "" if the server presents the certificate, else what it does instead."""
        # whether clients trust it is another question
        try:
            with unverified_tls.connect(self.address, self.port, self.name, 5) as shown:
                found = shown.getpeercert(binary_form=True)
        except (OSError, ValueError) as error:
            return str(error) or type(error).__name__
        return "" if found == wanted_one else "it shows another certificate"


def first_certificate(text: str) -> str:
    """Return the first certificate in a PEM file: the server's own, which comes before its issuers'."""
    begin, end = text.find("-----BEGIN CERTIFICATE-----"), text.find("-----END CERTIFICATE-----")
    if begin < 0 or end < begin:
        raise StepError("there is no certificate in the file")
    return text[begin : end + len("-----END CERTIFICATE-----")]


served_certificate = step(ServedCertificate)
