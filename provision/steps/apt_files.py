"""A package from a file on the host. Shipped to hosts (Python 3.8, standard library)."""

import os
from typing import TYPE_CHECKING, List, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, wanted
from provision.steps.support.package_holds import refuse_held
from provision.steps.support.package_names import difference

# not for type checkers alone: a step brings the modules that it needs to the host
from provision.system.packages.apt_packages import Apt

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class PackageFile(Step):
    """The package that is in a file on the host, in exactly this version.

        fetch.download(c, "https://example.org/tool_1.2_amd64.deb", "/var/cache/tool.deb", sha256="9f86d0...")
        apt.package_file(c, "/var/cache/tool.deb")

    path: of the .deb file, absolute; in a folder that only root can change, as its scripts run as root.
    What the package needs comes from the host's repositories. A newer installed version is replaced.
    If an earlier step is to bring the file, a plan can't show which package and version it holds.
    Source: apt-get(8), dpkg-deb(1).
    """

    path: str

    DEADLINE = 1800.0

    def label(self) -> str:
        return "package %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if not self.path.endswith(".deb"):
            raise ValueError("apt takes a file for a package only if its name ends in .deb: %r" % self.path)

    def check(self, host: "System") -> Diff:
        if not host.files.exists(self.path):
            raise StepError(
                "there is no file %s" % self.path,
                hint="Bring it with fetch.download or files.copy before this step.",
            )
        host.files.refuse_shared(os.path.dirname(self.path), "apt would install as root what they put there")
        if host.files.predicted(self.path):
            return Diff([Change("package of %s" % self.path, "", "installed")])
        name, version = self._package(host)
        now = host.packages.version(name)
        if now == version:
            return Diff.none("installed: %s %s" % (name, version))
        refuse_held(host.packages, [name] if now else [])
        return Diff([Change("package %s" % name, now, version)])

    def apply(self, host: "System", diff: Diff) -> None:
        if host.files.predicted(self.path):
            return
        apt: Apt = host.packages
        before = apt.installed()
        apt.act("--no-install-recommends", "--allow-downgrades", "install", "--", self.path)
        self.scratch["changes"] = difference(before, apt.installed())
        host.units.forget()

    def fingerprint(self, host: "System") -> str:
        return "" if host.files.predicted(self.path) else " ".join(self._package(host))

    def _package(self, host: "System") -> Tuple[str, str]:
        """Return name and version of the package in the file. Raises StepError if it is not a package."""
        said = host.ask(("dpkg-deb", "--field", self.path, "Package", "Version"), timeout=60)
        said.require("reading the package in %s" % self.path)
        fields = [line.partition(": ")[::2] for line in said.stdout.splitlines()]
        values: List[str] = [value.strip() for _, value in sorted(fields)]
        return values[0], values[1]
