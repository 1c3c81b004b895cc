"""Packages, repositories and modules of Fedora, RHEL and Amazon Linux. Shipped to hosts (Python 3.8)."""

import re
from typing import TYPE_CHECKING, Dict, List, Sequence, Union, cast

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, listed, step, wanted
from provision.steps.support.package_names import check_exclusive, check_names, difference, fits, many, split
from provision.system.packages.dnf_packages import Dnf, spec

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.planned.planned_files import PlannedFiles
    from provision.system.planned.planned_units import PlannedUnits

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
MODULES = "/etc/dnf/modules.d"


def manager(host: "System") -> Dnf:
    """The host's dnf: one for a run, so that rpm is asked once, and a plan remembers what it has planned."""
    known = vars(host)
    if "dnf" not in known:
        given = (host.run, host.ask, host.controller.progress)
        if host.planned:
            from provision.system.planned.planned_dnf import PlannedDnf  # shipped

            files, units = cast("PlannedFiles", host.files), cast("PlannedUnits", host.units)
            known["dnf"] = PlannedDnf(*given, files, units)
        else:
            known["dnf"] = Dnf(*given)
    return cast(Dnf, known["dnf"])


@wanted()
class Packages(Step):
    """Installed packages, in some version, in the newest, or in exactly this one.

        dnf.packages(c, ["nginx", "valkey=8.0.*"])

    names: one name or several; "name=version" wants exactly that version (with or without its release), or
    one that matches a pattern, and downgrades if necessary.  latest: the newest in the host's repositories.
    recommends: also install weak dependencies.

    A package that provides another counts as it: curl-minimal is curl. Configuration files that were changed
    on the host stay; the package's own lands beside them, with ".rpmnew". Waits for other programs that work
    with rpm.
    """

    names: Union[str, Sequence[str]]
    latest: bool = False
    recommends: bool = False

    DEADLINE = 1800.0

    @property
    def wanted_versions(self) -> Dict[str, str]:
        """Name -> version, or ""."""
        return dict(split(name) for name in many(self.names))

    def label(self) -> str:
        return "packages %s" % listed(many(self.names))

    def validate(self) -> None:
        check_names(self.names, NAME)
        check_exclusive(self.names, self.latest)

    def check(self, host: "System") -> Diff:
        dnf = manager(host)
        lacking = {**self._lacking(dnf), **self._outdated(dnf)}
        if not lacking:
            there = listed([with_version(dnf, n) for n in self.wanted_versions])
            return Diff.none("%s: %s" % ("newest" if self.latest else "installed", there))
        # a deploy says afterwards what came; asking dnf before would take as long again
        return Diff([Change("package %s" % n, dnf.version(n), v or "installed") for n, v in lacking.items()])

    def apply(self, host: "System", diff: Diff) -> None:
        dnf = manager(host)
        before = dict(dnf.installed())
        weak = "--setopt=install_weak_deps=%d" % self.recommends
        outdated = self._outdated(dnf)
        lacking = self._lacking(dnf)
        if lacking:
            dnf.act("install", weak, *(spec(n, v) for n, v in lacking.items()))
        if outdated:
            dnf.act("upgrade", weak, *outdated)
        self.scratch["changes"] = difference(before, dnf.installed())
        host.units.forget()

    def fingerprint(self, host: "System") -> str:
        return " ".join(with_version(manager(host), name) for name in self.wanted_versions)

    def _lacking(self, dnf: Dnf) -> Dict[str, str]:
        """Name -> wanted version ("" for any) of what is not there as it should be."""
        found = {}
        for name, version in self.wanted_versions.items():
            now = dnf.version(name)
            if not (right(now, version) if version else now or dnf.provider(name)):
                found[name] = version
        return found

    def _outdated(self, dnf: Dnf) -> Dict[str, str]:
        """Name -> version of what the repositories have newer."""
        there = [n for n in self.wanted_versions if self.latest and dnf.version(n)]
        return dnf.newer(there) if there else {}


@wanted()
class NoPackages(Step):
    """Packages that are not installed.

        dnf.no_packages(c, "httpd")

    names: one name or several.

    What can't work without them is removed with them, and so is what only they needed; the plan shows all of
    it.
    """

    names: Union[str, Sequence[str]]

    DEADLINE = 600.0

    def label(self) -> str:
        return "no packages %s" % listed(many(self.names))

    def validate(self) -> None:
        check_names(self.names, NAME, versions=False)

    def check(self, host: "System") -> Diff:
        dnf = manager(host)
        there = [n for n in many(self.names) if dnf.version(n)]
        if not there:
            return Diff.none("not installed: %s" % listed(many(self.names)))
        return Diff([Change("package %s" % n, dnf.version(n), "") for n in there])

    def apply(self, host: "System", diff: Diff) -> None:
        act(self, host, ["remove", *(n for n in many(self.names) if manager(host).version(n))])

    def fingerprint(self, host: "System") -> str:
        return " ".join(with_version(manager(host), name) for name in many(self.names))


@wanted()
class Upgrade(Step):
    """All packages of the host in the newest versions that its repositories have.

        dnf.upgrade(c)

    security: only updates that the repositories' advisories list as security fixes.

    A new kernel waits for a reboot.  Source: dnf(8), "upgrade".
    """

    security: bool = False

    DEADLINE = 3600.0

    def label(self) -> str:
        return "security upgrade" if self.security else "upgrade"

    def check(self, host: "System") -> Diff:
        return would(host, self._words(), "all packages are the newest available")

    def apply(self, host: "System", diff: Diff) -> None:
        act(self, host, self._words())

    def _words(self) -> Sequence[str]:
        return ("upgrade", "--security") if self.security else ("upgrade",)


@wanted()
class Autoremove(Step):
    """No packages that came as dependencies of others and that nothing needs any more."""

    DEADLINE = 600.0

    def label(self) -> str:
        return "autoremove"

    def check(self, host: "System") -> Diff:
        return would(host, ["autoremove"], "every installed package is needed")

    def apply(self, host: "System", diff: Diff) -> None:
        act(self, host, ["autoremove"])


@wanted()
class Module(Step):
    """A module whose packages come from this stream.

        dnf.module(c, "nodejs", "20")

    name: of the module.  stream: whose packages are offered; another enabled stream is replaced, and packages
    from it stay until they are changed.  enabled: False disables the whole module (then without a stream).

    For RHEL and similar systems up to version 9: Fedora and Amazon Linux 2023 have no modules. A plan that
    enables a stream resolves later packages without it.  Source: dnf(8), "module".
    """

    name: str
    stream: str = ""
    enabled: bool = True

    DEADLINE = 300.0

    def label(self) -> str:
        return "module %s" % ":".join(filter(None, (self.name, self.stream)))

    def validate(self) -> None:
        check_names(self.name, NAME, versions=False)
        if bool(self.stream) != self.enabled:
            raise ValueError("an enabled module needs a stream, a disabled one must not have one")
        if self.stream:
            check_text(self.stream, "stream")
            check_names(self.stream, NAME, versions=False)

    def check(self, host: "System") -> Diff:
        now = self._now(host)
        if now == self._then():
            return Diff.none(now)
        offered = self._offered(host)
        if self.stream and self.stream not in offered:
            has = "It has %s." % ", ".join(offered) if offered else "No repository has this module."
            raise StepError(
                "this host's repositories have no stream %s of %s" % (self.stream, self.name), hint=has
            )
        return Diff([Change("module %s" % self.name, now, self._then())])

    def apply(self, host: "System", diff: Diff) -> None:
        state = "enabled" if self.enabled else "disabled"
        if host.planned:
            text = "[%s]\nname=%s\nstream=%s\nprofiles=\nstate=%s\n" % (
                self.name,
                self.name,
                self.stream,
                state,
            )
            host.files.write(self._path(), text.encode(), 0o644, 0, 0)
            return
        dnf = manager(host)
        if self._now(host).startswith("stream"):
            dnf.act("module", "reset", self.name)
        dnf.act("module", state[:-1], ":".join(filter(None, (self.name, self.stream))))

    def fingerprint(self, host: "System") -> str:
        return self._now(host)

    def _path(self) -> str:
        return "%s/%s.module" % (MODULES, self.name)

    def _then(self) -> str:
        return "stream %s" % self.stream if self.enabled else "disabled"

    def _now(self, host: "System") -> str:
        """What dnf has noted: "stream 20", "disabled", or "" for nothing."""
        if not host.files.exists(self._path()):
            return ""
        text = host.files.read(self._path()).decode(errors="replace")
        noted = dict(re.findall(r"(?m)^(\w+)[ \t]*=[ \t]*(.*?)[ \t]*$", text))
        if noted.get("state") == "enabled":
            return "stream %s" % noted.get("stream", "")
        return "disabled" if noted.get("state") == "disabled" else ""

    def _offered(self, host: "System") -> List[str]:
        """The module's streams, in the order in which dnf lists them."""
        listed_all = manager(host).query("dnf", "-y", "-q", "module", "list", self.name).stdout
        return re.findall(r"(?m)^%s\s+(\S+)" % re.escape(self.name), listed_all)


packages = step(Packages)
no_packages = step(NoPackages)
upgrade = step(Upgrade)
autoremove = step(Autoremove)
module = step(Module)


def right(version: str, pattern: str) -> bool:
    """Whether an installed version is the one that is asked for, which may leave out the release."""
    return fits(version, pattern) or fits(version.rsplit("-", 1)[0], pattern)


def would(host: "System", words: Sequence[str], otherwise: str) -> Diff:
    """What dnf with these words would change."""
    dnf = manager(host)
    found = []
    for s in dnf.simulate(*words):
        found.append(
            Change("package %s" % s.name, dnf.version(s.name), "" if s.verb == "Removing" else s.version)
        )
    return Diff(found) if found else Diff.none(otherwise)


def act(wanted_state: Step, host: "System", words: Sequence[str]) -> None:
    """Have dnf do it; what came of it is kept for the step's `done`."""
    dnf = manager(host)
    before = dict(dnf.installed())
    dnf.act(*words)
    wanted_state.scratch["changes"] = difference(before, dnf.installed())
    host.units.forget()


def with_version(dnf: Dnf, name: str) -> str:
    """ "nginx 1.26.2-1.fc41"; "curl (curl-minimal 8.5.0-1)" if that stands for it; the name alone if there is
    none."""
    version = dnf.version(name)
    other = "" if version else dnf.provider(name)
    if other:
        return "%s (%s %s)" % (name, other, dnf.version(other))
    return ("%s %s" % (name, version)).strip()
