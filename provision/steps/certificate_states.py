"""How the certificates of applications are doing. Shipped to hosts (Python 3.8, standard library)."""

import json
from typing import TYPE_CHECKING, Any, Dict, Mapping, Sequence

from provision.steps.base import Diff, Step, check_path, check_text, listed, step, wanted
from provision.steps.support.served_certificates import faults, on_disk, renewals, served_serial

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class CertificateStates(Step):
    """How certificates are doing, as JSON in the outcome's stdout. Changes nothing.

    certificates: by application, the path of its certificate, a name that it is served for, and the path of what the
    host remembers of renewing it, or "". For each application: names, issuer, days, begin and end (epoch seconds),
    serial (hex) in the file, "served" (serial at port 443), renews, tries, window, error, and under "problems" what is
    wrong.
    """

    certificates: Mapping[str, Sequence[str]]

    def label(self) -> str:
        return "certificates of %s" % listed(list(dict(self.certificates)))

    def validate(self) -> None:
        for app, (path, name, state) in dict(self.certificates).items():
            check_text(app, "application")
            check_path(path, "certificates")
            check_text(name, "name")
            if state:
                check_path(state, "state")

    def check(self, host: "System") -> Diff:
        answer = {app: self._one(host, *parts) for app, parts in dict(self.certificates).items()}
        self.scratch["stdout"] = json.dumps(answer)
        return Diff.none("read")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("reading changes nothing")

    def _one(self, host: "System", path: str, name: str, state: str) -> Dict[str, Any]:
        found, renewed = on_disk(host, path), renewals(host, state)
        served = served_serial(host, name)
        problems = faults(found, renewed)
        if not served:
            problems.append("port 443 shows no certificate for %s" % name)
        elif found and served != found["serial"]:
            problems.append("port 443 shows another certificate for %s" % name)
        return {"path": path, **found, **renewed, "served": served, "problems": problems}


certificate_states = step(CertificateStates)
