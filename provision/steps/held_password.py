"""A password that an application of this host logs in with elsewhere. Shipped to hosts (Python 3.8)."""

import re
from typing import TYPE_CHECKING

from provision.errors import StepError
from provision.steps.base import Diff, Step, check_path, check_text, wanted

if TYPE_CHECKING:
    from provision.system.host import System

#: as secrets.token_urlsafe(32) makes it: anything else in the file is not from a host of prov's
FORM = r"[A-Za-z0-9_-]{43}"
#: words before the number of a held password, and before a new one, in the output of a step that makes them
HELD, MADE = "held ", "made "


@wanted()
class HeldPassword(Step):
    """Read a password that prov has made from an application's environment file. Changes nothing.

    path: of the file.  variable: that holds it.
    hint: what to do if it is missing, which then fails; "" to accept that.
    outcome.stdout is the password, or "": only the controller's memory gets it.
    """

    path: str
    variable: str
    hint: str = ""

    def label(self) -> str:
        return "password %s in %s" % (self.variable, self.path)

    def validate(self) -> None:
        check_path(self.path)
        check_text(self.variable, "variable")

    def check(self, host: "System") -> Diff:
        text = host.files.read(self.path).decode(errors="replace") if host.files.exists(self.path) else ""
        found = re.search(r'(?m)^%s="(%s)"$' % (re.escape(self.variable), FORM), text)
        if found is None and self.hint:
            raise StepError("%s has no %s that prov has made" % (self.path, self.variable), hint=self.hint)
        self.scratch["stdout"] = found.group(1) if found else ""
        return Diff.none("is there" if found else "is not there")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("the check changes nothing")
