"""Packages of Debian and Ubuntu. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, List, Sequence, Union

from provision.errors import StepError
from provision.steps.apt_files import PackageFile as PackageFile
from provision.steps.apt_pins import NoPin as NoPin
from provision.steps.apt_pins import Pin as Pin
from provision.steps.base import Change, Diff, Step, listed, step, wanted
from provision.steps.support.package_holds import is_held, refuse_held
from provision.steps.support.package_names import (
    check_age,
    check_exclusive,
    check_names,
    difference,
    fits,
    many,
    split,
)
from provision.steps.support.release_versions import check_release, in_release
from provision.system.packages.apt_packages import Apt

if TYPE_CHECKING:
    from provision.system.host import System

#: Debian policy, section 5.6.1; but apt-get reads "nginx-" as "remove nginx"
NAME = re.compile(r"[a-z0-9][a-z0-9+.\-]*[a-z0-9+.](:[a-z0-9]+)?")
DAY = 24 * 3600.0
REPAIRED = Change("dpkg", "interrupted", "finished")


@wanted()
class Packages(Step):
    """Installed packages, in some version, in the newest, or in exactly this one.

        apt.packages(c, ["nginx", "redis-server=5:7.0.15-1~deb12u3"])
        apt.packages(c, "golang", release="bookworm-backports")

    names: one name or several; "name=version" wants exactly that version, or one that matches, as in
    "nginx=1.22.*", and downgrades if necessary.  latest: the newest version in the host's repositories.
    release: the newest versions of one release, by its suite or codename, such as backports. What they need
    also comes from there if no other release has it. The step fails for a package that the release lacks.
    recommends: also install what packages recommend.
    cache_age: seconds for which fetched package lists are fresh enough. They are fetched only if something
    must be installed, or with `latest` or `release`.
    start: False keeps new packages from starting their units, so that a later step can start them once they
    are configured. If the host has its own /usr/sbin/policy-rc.d, that decides.

    Configuration files that were changed on the host stay; the package's version goes beside them, as
    ".dpkg-dist". A package that was installed as a dependency is marked, so that autoremove keeps it.
    Packages on hold (see `hold`) are not changed: the step fails. The step waits up to 300 s for other
    programs that use dpkg, and finishes an interrupted dpkg run.
    """

    names: Union[str, Sequence[str]]
    latest: bool = False
    recommends: bool = False
    cache_age: float = DAY
    start: bool = True
    release: str = ""

    DEADLINE = 1800.0

    @property
    def wanted_versions(self) -> Dict[str, str]:
        """Name -> version, or ""."""
        return dict(split(name) for name in many(self.names))

    def label(self) -> str:
        return "packages %s" % listed(many(self.names))

    def validate(self) -> None:
        check_names(self.names, NAME)
        check_exclusive(self.names, self.latest or bool(self.release))
        check_release(self.release)
        check_age(self.cache_age)

    def check(self, host: "System") -> Diff:
        apt = host.packages
        if apt.lists_age() == float("inf") and not all(map(apt.version, self.wanted_versions)):
            # only the lists tell a virtual package, which others stand for, from one that is to be installed
            apt.update()
        lacking = self._lacking(apt)
        if (lacking or self.latest or self.release) and apt.lists_age() > self.cache_age:
            apt.update()
        lacking.update(self._outdated(apt))
        refuse_held(apt, [name for name in lacking if apt.version(name)])
        # a deploy says afterwards what came; asking apt before would take as long again
        found = [
            Change("package %s" % n, apt.version(n), after or "installed") for n, after in lacking.items()
        ]
        found += [Change("package %s" % n, "automatic", "manual") for n in self._unmarked(apt, lacking)]
        found = ([REPAIRED] if apt.interrupted() else []) + found
        if found:
            return Diff(found)
        there = listed([with_version(host, n) for n in self.wanted_versions])
        return Diff.none("%s: %s" % ("newest" if self.latest or self.release else "installed", there))

    def apply(self, host: "System", diff: Diff) -> None:
        with host.packages.starting(self.start):
            self._install(host, diff)
        # packages bring units, and start them
        host.units.forget()

    def _install(self, host: "System", diff: Diff) -> None:
        apt = host.packages
        before = apt.installed()
        apt.repair()
        lacking = self._lacking(apt)
        lacking.update(self._outdated(apt))
        marks = self._unmarked(apt, lacking)
        if lacking:
            exact = self.wanted_versions
            words = ["%s=%s" % (n, exact[n]) if exact[n] else n for n in lacking]
            release = ["-t", self.release] if self.release else []
            flags = ["--install-recommends" if self.recommends else "--no-install-recommends"]
            # an older version only where it is asked for, here or by a pin
            flags += (
                ["--allow-downgrades"] if self.latest or release or any(exact[n] for n in lacking) else []
            )
            apt.act(*release, *flags, "install", "--", *words)
            require_all(self._lacking(apt))
        if marks:
            apt.mark("manual", marks)
        came = [c for c in diff.changes if c == REPAIRED] + difference(before, apt.installed())
        came += [Change("package %s" % n, "automatic", "manual") for n in marks]
        self.scratch["changes"] = came

    def fingerprint(self, host: "System") -> str:
        return " ".join(with_version(host, name) for name in self.wanted_versions)

    def _lacking(self, apt: Apt) -> Dict[str, str]:
        """Return name -> wanted version ("" for any) of what is not as it should be."""
        found = {}
        for name, version in self.wanted_versions.items():
            now = apt.version(name)
            if not (fits(now, version) if version else now or apt.provider(name)):
                found[name] = version
        return found

    def _outdated(self, apt: Apt) -> Dict[str, str]:
        """Return name -> version of what the repositories have newer, or the release has instead."""
        if self.release:
            wanted_versions = in_release(apt, self.release, list(self.wanted_versions))
            return {n: v for n, v in wanted_versions.items() if v != apt.version(n)}
        if not self.latest:
            return {}
        there = [name for name in self.wanted_versions if apt.version(name)]
        newest = apt.candidates(there) if there else {}
        return {n: v for n, v in newest.items() if v and v != apt.version(n)}

    def _unmarked(self, apt: Apt, lacking: Dict[str, str]) -> List[str]:
        """Return packages that are marked as dependencies. apt marks those that it installs."""
        automatic = apt.automatic()
        return sorted(n for n in self.wanted_versions if n not in lacking and apt.key(n) in automatic)


@wanted()
class NoPackages(Step):
    """Packages that are not installed.

        apt.no_packages(c, "apache2", purge=True)

    names: one name or several.  purge: also remove their configuration files, including those of packages
    removed earlier; otherwise they stay, because someone may have edited them.

    Packages that depend on them are removed with them, and the plan shows it. Packages that only they needed
    stay until `autoremove`.
    """

    names: Union[str, Sequence[str]]
    purge: bool = False

    DEADLINE = 600.0

    def label(self) -> str:
        return "no packages %s" % listed(many(self.names))

    def validate(self) -> None:
        check_names(self.names, NAME, versions=False)

    def check(self, host: "System") -> Diff:
        apt = host.packages
        there = [n for n in many(self.names) if apt.version(n)]
        refuse_held(apt, there)
        found = [Change("package %s" % n, apt.version(n), "") for n in there]
        found += [Change("configuration of %s" % n, "there", "") for n in self._left(apt)]
        if found:
            return Diff([REPAIRED, *found] if apt.interrupted() else found)
        return Diff.none("not installed: %s" % listed(many(self.names)))

    def apply(self, host: "System", diff: Diff) -> None:
        apt = host.packages
        before = apt.installed()
        left = self._left(apt)
        verb = "purge" if self.purge else "remove"
        apt.act(verb, "--", *(n for n in many(self.names) if apt.version(n) or n in left))
        gone = [c for c in diff.changes if c == REPAIRED] + difference(before, apt.installed())
        gone += [Change("configuration of %s" % n, "there", "") for n in left]
        self.scratch["changes"] = gone
        host.units.forget()

    def fingerprint(self, host: "System") -> str:
        return " ".join(with_version(host, name) for name in many(self.names))

    def _left(self, apt: Apt) -> List[str]:
        """Return packages that have left only configuration files, if these are to be removed."""
        each = [(n, apt.find(n)) for n in many(self.names)]
        return [
            n for n, package in each if self.purge and package is not None and package.state == "config-files"
        ]


@wanted()
class Hold(Step):
    """Packages that keep their version until they are released.

        apt.hold(c, ["postgresql-15", "postgresql-client-15"])

    names: one name or several, installed.  held: False releases them.

    Neither `upgrade` nor unattended upgrades touch them; `packages` and `no_packages` fail rather than change
    them.  Source: apt-mark(8).
    """

    names: Union[str, Sequence[str]]
    held: bool = True

    def label(self) -> str:
        return "%s %s" % ("hold" if self.held else "no hold", listed(many(self.names)))

    def validate(self) -> None:
        check_names(self.names, NAME, versions=False)

    def check(self, host: "System") -> Diff:
        missing = [n for n in many(self.names) if not host.packages.version(n)]
        if missing and self.held:
            raise StepError(
                "%s can't be held: not installed" % listed(missing),
                hint="Add apt.packages before this step.",
            )
        there = [n for n in many(self.names) if n not in missing and is_held(host.packages, n) != self.held]
        if not there:
            return Diff.none("held" if self.held else "not held")
        return Diff([Change("package %s" % n, *self._words()) for n in there])

    def apply(self, host: "System", diff: Diff) -> None:
        names = [c.what.split()[1] for c in diff.changes]
        host.packages.mark("hold" if self.held else "unhold", names)

    def fingerprint(self, host: "System") -> str:
        return " ".join(n for n in many(self.names) if is_held(host.packages, n))

    def _words(self) -> Sequence[str]:
        return ("free", "held") if self.held else ("held", "free")


@wanted()
class Upgrade(Step):
    """All packages of the host in the newest versions that its repositories have.

        apt.upgrade(c)

    full: also if other packages must be removed, as `apt full-upgrade` does; otherwise those are kept back.
    cache_age: seconds for which fetched package lists are good enough.

    Packages on hold stay. Services are restarted only by the packages' own scripts; a new kernel waits
    for a reboot (/run/reboot-required).
    """

    full: bool = False
    cache_age: float = 3600.0

    DEADLINE = 3600.0

    def label(self) -> str:
        return "full upgrade" if self.full else "upgrade"

    def validate(self) -> None:
        check_age(self.cache_age)

    def check(self, host: "System") -> Diff:
        if host.packages.lists_age() > self.cache_age:
            host.packages.update()
        return would(host, self._words(), "all packages are the newest available")

    def apply(self, host: "System", diff: Diff) -> None:
        act(self, host, self._words())

    def _words(self) -> Sequence[str]:
        # apt goes back to an older version only for a pin of 1000 or more, and then wants to hear this
        words = ("dist-upgrade",) if self.full else ("--with-new-pkgs", "upgrade")
        return ("--allow-downgrades", *words)


@wanted()
class Autoremove(Step):
    """No packages that were installed as dependencies and that nothing needs any more.

        apt.autoremove(c)

    purge: also remove their configuration files.
    """

    purge: bool = False

    DEADLINE = 600.0

    def label(self) -> str:
        return "autoremove"

    def check(self, host: "System") -> Diff:
        return would(host, self._words(), "every installed package is needed")

    def apply(self, host: "System", diff: Diff) -> None:
        act(self, host, self._words())

    def _words(self) -> Sequence[str]:
        return ("--purge", "autoremove") if self.purge else ("autoremove",)


packages = step(Packages)
package_file = step(PackageFile)
pin = step(Pin)
no_pin = step(NoPin)
no_packages = step(NoPackages)
hold = step(Hold)
upgrade = step(Upgrade)
autoremove = step(Autoremove)


def would(host: "System", words: Sequence[str], otherwise: str) -> Diff:
    """Return what apt-get with these words would change."""
    found = [Change("package %s" % s.name, s.before, s.after) for s in host.packages.simulate(*words)]
    if host.packages.interrupted():
        found.insert(0, REPAIRED)
    return Diff(found) if found else Diff.none(otherwise)


def act(wanted_state: Step, host: "System", words: Sequence[str]) -> None:
    """Run apt-get with these words, and keep what it changed for the step's `done`."""
    repaired = [REPAIRED] if host.packages.interrupted() else []
    before = host.packages.installed()
    host.packages.act(*words)
    wanted_state.scratch["changes"] = repaired + difference(before, host.packages.installed())
    host.units.forget()


def require_all(lacking: Dict[str, str]) -> None:
    """Raise StepError if apt-get has ended well, but packages are not there as they should be."""
    if lacking:
        raise StepError(
            "apt-get succeeded but did not install %s" % listed(list(lacking)),
            hint="Check the package's name: `apt-cache policy NAME` lists its versions.",
        )


def with_version(host: "System", name: str) -> str:
    """ "nginx 1.22.1-9"; "awk (mawk 1.3.4)" if that stands for it; the name alone if nothing is installed."""
    version = host.packages.version(name)
    other = "" if version else host.packages.provider(name)
    if other:
        return "%s (%s %s)" % (name, other, host.packages.version(other))
    return ("%s %s" % (name, version)).strip()
