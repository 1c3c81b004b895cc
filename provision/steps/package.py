"""Packages by their Debian names, on hosts of all families. Shipped to hosts (Python 3.8, standard
library)."""

from typing import TYPE_CHECKING, List, Sequence, Union, cast

from provision.errors import StepError
from provision.steps import apt
from provision.steps.base import Diff, Step, listed, step, wanted
from provision.steps.support.package_names import REDHAT, check_names, many

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class Either(Step):
    """What the steps of this module have in common: apt's step does it on one family, dnf's on the other."""

    def apt_step(self) -> Step:
        """The step for hosts of the Debian family."""
        raise NotImplementedError

    def dnf_step(self) -> Step:
        """The step for hosts of the Fedora, RHEL and Amazon Linux family."""
        raise NotImplementedError

    def check(self, host: "System") -> Diff:
        return self._own(host).check(host)

    def apply(self, host: "System", diff: Diff) -> None:
        self._own(host).apply(host, diff)

    def done(self, diff: Diff) -> Diff:
        return cast(Step, self.scratch["step"]).done(diff)

    def fingerprint(self, host: "System") -> str:
        return self._own(host).fingerprint(host)

    def _own(self, host: "System") -> Step:
        if "step" not in self.scratch:
            family = host.facts["family"]
            if family not in ("debian", "redhat"):
                raise StepError(
                    "prov supports no package manager of %s" % host.facts["distribution"],
                    hint="Packages are installed with apt (Debian, Ubuntu) and dnf (Fedora, RHEL, Amazon Linux).",
                )
            self.scratch["step"] = self.apt_step() if family == "debian" else self.dnf_step()
        return cast(Step, self.scratch["step"])


@wanted()
class Packages(Either):
    """Installed packages, by apt or dnf, whichever the host has.

        package.packages(c, ["apache2", "libapache2-mod-wsgi-py3"])      # httpd and python3-mod_wsgi on
        Fedora

    names: one name or several, as Debian calls them; a table translates names that differ elsewhere, and
    others are used unchanged. Versions depend on the family: for those, see `apt.packages` and
    `dnf.packages`.
    latest: the newest version that the host's repositories have.
    """

    names: Union[str, Sequence[str]]
    latest: bool = False

    DEADLINE = 1800.0

    def label(self) -> str:
        return "packages %s" % listed(many(self.names))

    def validate(self) -> None:
        check_names(self.names, apt.NAME, versions=False)

    def apt_step(self) -> Step:
        return apt.Packages(self.names, latest=self.latest)

    def dnf_step(self) -> Step:
        from provision.steps import dnf  # shipped

        return dnf.Packages(redhat(self.names), latest=self.latest)


@wanted()
class NoPackages(Either):
    """Packages that are not installed, by apt or dnf, whichever the host has.

        package.no_packages(c, "apache2")

    names: one name or several, as Debian calls them (see `packages`).
    """

    names: Union[str, Sequence[str]]

    DEADLINE = 600.0

    def label(self) -> str:
        return "no packages %s" % listed(many(self.names))

    def validate(self) -> None:
        check_names(self.names, apt.NAME, versions=False)

    def apt_step(self) -> Step:
        return apt.NoPackages(self.names)

    def dnf_step(self) -> Step:
        from provision.steps import dnf  # shipped

        return dnf.NoPackages(redhat(self.names))


@wanted()
class Upgrade(Either):
    """All packages of the host in the newest versions that its repositories have, by apt or dnf."""

    DEADLINE = 3600.0

    def label(self) -> str:
        return "upgrade"

    def apt_step(self) -> Step:
        return apt.Upgrade()

    def dnf_step(self) -> Step:
        from provision.steps import dnf  # shipped

        return dnf.Upgrade()


packages = step(Packages)
no_packages = step(NoPackages)
upgrade = step(Upgrade)


def redhat(names: Union[str, Sequence[str]]) -> List[str]:
    """Debian's names of packages as the names of Fedora, RHEL and Amazon Linux, each once."""
    found = [word for name in many(names) for word in REDHAT.get(name, name).split()]
    return list(dict.fromkeys(found))
