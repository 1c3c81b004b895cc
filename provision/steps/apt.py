"""Packages of Debian and Ubuntu. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Sequence, Union

from provision.steps.base import Change, Diff, Step, listed, step, wanted

if TYPE_CHECKING:
    from provision.agent.system import System

#: Debian policy, section 5.6.1
NAME = re.compile(r"^[a-z0-9][a-z0-9+.\-]+(:[a-z0-9]+)?$")
DAY = 24 * 3600.0


@wanted()
class Packages(Step):
    """Installed packages; names is one name or several.

    cache_age: seconds for which fetched package lists are good enough. They are fetched only when something
    has to be installed. Recommended packages are not installed. Waits up to 300 s for dpkg's lock, and
    finishes what an interrupted dpkg has left.
    """

    names: Union[str, Sequence[str]]
    cache_age: float = DAY

    DEADLINE = 1800.0

    @property
    def wanted_names(self) -> Sequence[str]:
        return [self.names] if isinstance(self.names, str) else list(self.names)

    def label(self) -> str:
        return "packages %s" % listed(self.wanted_names)

    def validate(self) -> None:
        check_names(self.wanted_names)
        if self.cache_age < 0:
            raise ValueError("cache_age must be 0 or more seconds")

    def check(self, host: "System") -> Diff:
        missing = [name for name in self.wanted_names if not host.packages.version(bare(name))]
        if not missing:
            return Diff.none("installed: %s" % listed([with_version(host, n) for n in self.wanted_names]))
        if host.packages.lists_age() > self.cache_age:
            host.packages.update()
        # a deploy says afterwards what came; asking apt before would take as long again
        return Diff([Change("package %s" % name, "", "installed") for name in missing])

    def apply(self, host: "System", diff: Diff) -> None:
        missing = [n for n in self.wanted_names if not host.packages.version(bare(n))]
        came = host.packages.install(missing)
        object.__setattr__(self, "_came", [Change("package %s" % p.name, p.before, p.after) for p in came])
        # packages bring units, and start them
        host.units.forget()

    def done(self, diff: Diff) -> Diff:
        changes: Sequence[Change] = getattr(self, "_came", diff.changes)
        return diff._replace(changes=changes)

    def fingerprint(self, host: "System") -> str:
        return " ".join(with_version(host, name) for name in self.wanted_names)


@wanted()
class NoPackages(Step):
    """Packages that are not installed; configuration files that a person may have edited stay.

    names: one name or several.
    """

    names: Union[str, Sequence[str]]

    DEADLINE = 600.0

    @property
    def unwanted_names(self) -> Sequence[str]:
        return [self.names] if isinstance(self.names, str) else list(self.names)

    def label(self) -> str:
        return "no packages %s" % listed(self.unwanted_names)

    def validate(self) -> None:
        check_names(self.unwanted_names)

    def check(self, host: "System") -> Diff:
        there = [n for n in self.unwanted_names if host.packages.version(bare(n))]
        if not there:
            return Diff.none("not installed: %s" % listed(self.unwanted_names))
        return Diff([Change("package %s" % n, host.packages.version(bare(n)), "") for n in there])

    def apply(self, host: "System", diff: Diff) -> None:
        host.packages.remove([n for n in self.unwanted_names if host.packages.version(bare(n))])
        host.units.forget()

    def fingerprint(self, host: "System") -> str:
        return " ".join(with_version(host, name) for name in self.unwanted_names)


packages = step(Packages)
no_packages = step(NoPackages)


def check_names(names: Sequence[str]) -> None:
    """Raise ValueError unless there are names and each is one that a Debian package can have."""
    if not names:
        raise ValueError("no package is named")
    for name in names:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError("%r is not the name of a package" % (name,))


def bare(name: str) -> str:
    """A package's name without the architecture that may follow it."""
    return name.split(":")[0]


def with_version(host: "System", name: str) -> str:
    """ "nginx 1.22.1-9", or the name alone if it is not installed."""
    return ("%s %s" % (name, host.packages.version(bare(name)))).strip()
