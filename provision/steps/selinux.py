"""SELinux labels and booleans, on hosts with SELinux. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, step, wanted
from provision.steps.support.foresight import foresee, foreseen

if TYPE_CHECKING:
    from provision.system.host import System

#: exists if and only if the kernel runs with SELinux (selinux(8))
ENFORCE = "/sys/fs/selinux/enforce"
#: paths listed in a diff; the rest are counted
SHOWN = 20
#: restorecon(8), -n -v
WOULD = re.compile(r"^Would relabel (.+) from (\S+) to (\S+)$")
NONE = "this host has no SELinux"


@wanted()
class Restored(Step):
    """The labels that the policy has for a path and everything below it (restorecon).

        selinux.restored(c, "/srv/shop")

    path: absolute; a file or a directory.
    A file that a step replaces keeps its label, and a new file gets that of its directory. Use this step for
    files that were moved into place, and after a change of the policy. On a host without SELinux it does
    nothing.
    Source: restorecon(8).
    """

    path: str

    DEADLINE = 1800.0

    def label(self) -> str:
        return "labels of %s" % self.path

    def validate(self) -> None:
        check_path(self.path)

    def check(self, host: "System") -> Diff:
        if not host.files.exists(ENFORCE):
            return Diff.none(NONE)
        if not host.files.exists(self.path):
            raise StepError("%s does not exist" % self.path, hint="Add a step that makes it before this one.")
        if foreseen(host, self.label()) or host.files.predicted(self.path):
            return Diff.none("what a plan makes has no labels yet")
        said = host.ask(("restorecon", "-R", "-n", "-v", self.path))
        said.require(
            "comparing the labels of %s with the policy" % self.path, missing(said.status, "restorecon")
        )
        found = [WOULD.match(line) for line in said.stdout.splitlines()]
        wrong: List[Change] = [Change("label of " + m.group(1), m.group(2), m.group(3)) for m in found if m]
        if len(wrong) > SHOWN:
            wrong[SHOWN:] = [Change("more labels", "", str(len(wrong) - SHOWN))]
        return Diff(wrong) if wrong else Diff.none("are as the policy says")

    def apply(self, host: "System", diff: Diff) -> None:
        host.run(("restorecon", "-R", self.path)).require("restoring the labels of %s" % self.path)
        foresee(host, self.label(), "restored")


@wanted()
class Boolean(Step):
    """A boolean of the policy, now and after the next boot (setsebool -P).

        selinux.boolean(c, "httpd_can_network_connect")

    name: as getsebool(8) lists it.  on: the wanted value.  On a host without SELinux the step does nothing.
    Source: setsebool(8).
    """

    name: str
    on: bool = True

    DEADLINE = 180.0

    def label(self) -> str:
        return "SELinux boolean %s" % self.name

    def validate(self) -> None:
        if not isinstance(self.name, str) or not re.match(r"^[A-Za-z_]\w*\Z", self.name, re.ASCII):
            raise ValueError("%r is not the name of a boolean" % (self.name,))

    def check(self, host: "System") -> Diff:
        if not host.files.exists(ENFORCE):
            return Diff.none(NONE)
        want = "on" if self.on else "off"
        now = foreseen(host, self.label()) or self._now(host)
        return Diff.none("is %s" % want) if now == want else Diff([Change(self.name, now, want)])

    def apply(self, host: "System", diff: Diff) -> None:
        want = "on" if self.on else "off"
        host.run(("setsebool", "-P", self.name, want)).require("setting the boolean %s" % self.name)
        foresee(host, self.label(), want)

    def fingerprint(self, host: "System") -> str:
        return (foreseen(host, self.label()) or self._now(host)) if host.files.exists(ENFORCE) else ""

    def _now(self, host: "System") -> str:
        said = host.ask(("getsebool", self.name))
        said.require("reading the boolean %s" % self.name, missing(said.status, "getsebool"))
        return said.stdout.split("-->")[-1].strip()


restored = step(Restored)
boolean = step(Boolean)


def missing(status: int, program: str) -> str:
    """Return the hint for a program that the host lacks."""
    if status != 127:
        return ""
    package = "policycoreutils" if program == "restorecon" else "libselinux-utils"
    return "%s is missing: install %s before this step." % (program, package)
