"""Packages as a plan predicts them: resolved by apt itself, with their files and units. Shipped.

apt sees a copy of the host in a temporary folder that only exists during a query: dpkg's status file, with
what the plan has installed and removed so far, and /etc/apt with the repositories that it has added. So apt
resolves each step from the state after the previous one, as in a deploy. Packages are downloaded into apt's
own cache (/var/cache/apt/archives), as in a deploy, and their contents are read. Nothing else is written.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from typing import Callable, Dict, Iterator, List, Match, Optional, Sequence, Set, Tuple

from provision.errors import StepError
from provision.system.packages import deb, dpkg
from provision.system.packages.apt_packages import APT, Apt, AptAction, Run, gone_from_mirror
from provision.system.planned.maintainer_scripts import Scripts, cluster_of
from provision.system.planned.picture import draw, write
from provision.system.planned.planned_files import PlannedFiles
from provision.system.planned.planned_units import PlannedUnits
from provision.system.planned.relocation import move
from provision.system.starts import own_policy

ARCHIVES = "/var/cache/apt/archives"
INFO = "/var/lib/dpkg/info"
#: replaces the MD5 of a configuration file that is not configured yet
NEW = "newconffile"
SYSUSERS = re.compile(r"^\.?/(usr/)?lib/sysusers\.d/[^/]+\.conf$")
UNIT = re.compile(r"^\.?/(usr/)?lib/systemd/system/([^/]+\.(service|socket|timer|path))$")


class PlannedApt(Apt):
    """Packages whose installation only changes the prediction."""

    def __init__(
        self, run: Run, ask: Run, progress: Callable[[str], None], files: PlannedFiles, units: PlannedUnits
    ) -> None:
        super().__init__(run, ask, progress)
        self._files = files
        self._units = units
        #: dpkg's entries after the plan's steps so far, once one has changed
        self._planned: Optional[Dict[str, dpkg.Package]] = None
        self._automatic: Optional[Set[str]] = None
        self._repaired = False
        self._starting = True
        #: what the packages that this plan installs do to accounts
        self._scripts: List[str] = []

    def adds(self, kind: str, name: str) -> bool:
        """Return whether a package that this plan installs adds a "user" or "group"."""
        return bool(self._scripts) and Scripts("\n".join(self._scripts)).adds(kind, name)

    def all(self) -> Dict[str, dpkg.Package]:
        return super().all() if self._planned is None else self._planned

    def automatic(self) -> Set[str]:
        return super().automatic() if self._automatic is None else self._automatic

    def interrupted(self) -> bool:
        return super().interrupted() and not self._repaired

    def act(self, *words: str) -> None:
        self.repair()
        steps = self.simulate(*words)
        if any(s.verb == "Inst" for s in steps):
            result = self.query(*APT, "--download-only", *words, timeout=1200)
            if gone_from_mirror(result):
                self.update()
                steps = self.simulate(*words)
                result = self.query(*APT, "--download-only", *words, timeout=1200)
            if result.status:
                raise self.explain(result)
        purged = {s.name for s in steps if s.verb == "Purg"}
        for s in steps:
            if s.verb in ("Remv", "Purg"):
                self._remove(s.name, s.name in purged)
        new = [s for s in steps if s.verb == "Inst"]
        self._install(new, words)
        self._configure([s.name for s in steps if s.verb == "Conf" and s.name not in {n.name for n in new}])

    @contextlib.contextmanager
    def starting(self, allowed: bool) -> Iterator[None]:
        self._starting = allowed or own_policy()
        yield
        self._starting = True

    def mark(self, how: str, names: Sequence[str]) -> None:
        if how == "manual":
            self._automatic = self.automatic() - {self.key(name) for name in names}
            return
        for name in names:
            self._set_state(self.key(name), "hold" if how == "hold" else "install", "installed")

    def repair(self) -> None:
        """Report that a deploy repairs dpkg, and assume that it has."""
        if self.interrupted():
            self._repaired = True
            half = ("unpacked", "half-configured")
            self._configure([name for name, package in self.all().items() if package.state in half])

    @contextlib.contextmanager
    def picture(self) -> "Iterator[Dict[str, str]]":
        with tempfile.TemporaryDirectory(prefix="prov-plan-") as folder:
            # the user _apt verifies apt's downloads and signatures
            os.chmod(folder, 0o755)
            draw(self._files, "/etc/apt", folder + "/etc", ("/etc/apt/", folder + "/etc/"))
            lines = ['Dir::Etc "%s/etc";' % folder, 'APT::Get::List-Cleanup "0";']
            if self._planned is not None:
                entry = "Package: %s\nArchitecture: %s\nAuto-Installed: 1\n\n"
                known = [p for n, p in self._planned.items() if n in self.automatic()]
                states = "".join(entry % (p.name, p.architecture) for p in known)
                write(folder + "/status", "".join(p.block + "\n\n" for p in self._planned.values()).encode())
                write(folder + "/extended_states", states.encode())
                lines += ['Dir::State::%s "%s/%s";' % (n, folder, n) for n in ("status", "extended_states")]
                # the real cache must stay that of the real status file
                lines.append('Dir::Cache::pkgcache "";')
            write(folder + "/conf", "\n".join(lines).encode())
            yield {"APT_CONFIG": folder + "/conf"}

    def _install(self, new: List[AptAction], words: Sequence[str]) -> None:
        before = self.all()
        asked = {self.key(deb.name(word) if word.startswith("/") else word.split("=")[0]) for word in words}
        came = {s.name for s in new if not s.before}
        self._automatic = (self.automatic() | came) - asked
        archives = self._archives(new, words)
        each = {name: deb.control_file(path, "postinst") for name, path in archives.items()}
        scripts = Scripts("".join(each.values()))
        self._scripts.append(scripts.text)
        for s in new:
            self._unpack(archives[s.name], scripts, before.get(s.name))
        for name in came:
            if name not in before:
                self._link(each[name])
        self._tell_units(scripts)
        for version in filter(None, map(cluster_of, came)):
            if self._starting and self._files.stat("/etc/postgresql/%s/main" % version) is None:
                self._units.try_start("postgresql@%s-main.service" % version)
        entries = [deb.control_fields(path) for path in archives.values()]
        arrived = dpkg.parse("\n\n".join("Status: install ok installed\n%s" % entry for entry in entries))
        old = before.get("dpkg")
        native = [old.architecture] if old is not None else []
        self._planned = {**before, **{dpkg.key(p, [*native, "all"]): p for p in arrived}}

    def _configure(self, names: Sequence[str]) -> None:
        """Finish unpacked packages: their scripts run."""
        packages = [self.all()[name] for name in names]
        scripts = Scripts("".join(self._info(package, "postinst") for package in packages))
        for name, package in zip(names, packages):
            want = package.want if package.held else "install"
            self._set_state(name, want, "installed")
            self._place(package)
            # dpkg(1): the version that was configured last; without one, first-time actions are still due
            first = not package.field("Config-Version")
            if first:
                self._link(self._info(package, "postinst"))
            units = [UNIT.match(path) for path in self._info(package, "list").splitlines()]
            self._bring(units, scripts, first=first)
        self._tell_units(scripts)

    def _place(self, package: dpkg.Package) -> None:
        """Move new configuration files into place.

        A changed file stays, and one that was removed is not restored (deb-conffiles(5); dpkg(1),
        --force-confmiss).
        """
        known = set(conffiles(package))
        removed = {path for path, digest in known if digest != NEW and not self._files.exists(path)}
        for path in self._info(package, "conffiles").splitlines():
            waiting = path + ".dpkg-new"
            if self._files.stat(waiting) is None:
                continue
            if path in removed or self._is_ours(path, known):
                self._files.remove(waiting)
            else:
                move(self._files, waiting, path)

    def _tell_units(self, scripts: Scripts) -> None:
        """Apply the scripts' commands to existing units."""
        # update-rc.d(8) also does that, for services of System V
        if re.search(r"daemon-reload|update-rc\.d", scripts.text):
            self._units.reload_manager()
        for unit in scripts.start() if self._starting else ():
            state = self._units.state(unit)
            if state.load == "loaded" and state.enabled == "enabled" and not state.running:
                self._units.try_start(unit)

    def _bring(
        self, found: "Sequence[Optional[Match[str]]]", scripts: Scripts, *, first: bool = False
    ) -> None:
        """Add a package's units. found: their paths in the package, as UNIT has matched them.
        first: whether its script runs for the first time and finds them there already."""
        started = scripts.start() if self._starting else []
        for name in (unit.group(2) for unit in found if unit and "@." not in unit.group(2)):
            self._units.bring(name, scripts.enable(name), name in started, first=first)

    def _set_state(self, name: str, want: str, state: str) -> None:
        package = self.all()[name]
        line = "Status: %s ok %s" % (want, state)
        block = re.sub(r"(?m)^Status: .*$", line, package.block, count=1)
        self._planned = {**self.all(), name: package._replace(want=want, state=state, block=block)}

    def _remove(self, name: str, purge: bool) -> None:
        package = self.all()[name]
        conffiles_left = set() if purge else {path for path, _ in conffiles(package)}
        for path in self._info(package, "list").splitlines():
            found = self._files.stat(path)
            if found is not None and found.kind != "dir" and path not in conffiles_left:
                self._files.remove(path)
            unit = UNIT.match(path)
            if unit:
                self._units.lose(unit.group(2))
        if conffiles_left:
            self._set_state(name, "deinstall", "config-files")
        else:
            self._planned = {n: p for n, p in self.all().items() if n != name}

    def _info(self, package: dpkg.Package, what: str) -> str:
        """Return one of dpkg's files about a package, or "".

        Its name has the architecture if several can be installed.
        """
        for name in (package.name, "%s:%s" % (package.name, package.architecture)):
            path = "%s/%s.%s" % (INFO, name, what)
            with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as f:
                return f.read()
        return ""

    def _archives(self, new: List[AptAction], words: Sequence[str]) -> Dict[str, str]:
        """Return the downloaded files of packages, by name. apt writes ":" in versions as %3a."""
        there = {name: "%s/%s" % (ARCHIVES, name) for name in os.listdir(ARCHIVES)}
        given = {deb.name(word): word for word in words if word.startswith("/")}
        found = {}
        for s in new:
            if s.name in given:
                found[s.name] = given[s.name]
                continue
            start = "%s_%s_" % (s.name.split(":")[0], s.after.replace(":", "%3a"))
            if not any(name.startswith(start) for name in there):
                # repositories on the host's disk are read in place
                uris = self.query(*APT, "--print-uris", *words).stdout
                there.update({name: path for path, name in re.findall(r"(?m)^'file:(\S+)' (\S+)", uris)})
            paths = [path for name, path in there.items() if name.startswith(start)]
            if not paths:
                raise StepError("apt did not download %s %s" % (s.name, s.after))
            found[s.name] = paths[0]
        return found

    def _unpack(self, archive: str, scripts: Scripts, old: Optional[dpkg.Package]) -> None:
        units = []
        settings = set(deb.control_file(archive, "conffiles").split())
        known = set(conffiles(old)) if old is not None else set()
        for path, node in deb.contents(archive):
            real = path[1:].rstrip("/") or "/"
            if real in settings and self._is_ours(real, known):
                continue
            self._files.bring(real, node)
            if SYSUSERS.match(path) and self._files.exists(real):
                self._scripts.append(self._files.read(real).decode(errors="replace"))
            units.append(UNIT.match(path))
        self._bring(units, scripts)

    def _link(self, script: str) -> None:
        """Make the links of a package's script on its first installation, where nothing exists yet."""
        for path, node in deb.links(script):
            if self._files.stat(path) is None and self._files.exists(path.rsplit("/", 1)[0]):
                self._files.bring(path, node)

    def _is_ours(self, path: str, known: "Set[Tuple[str, str]]") -> bool:
        """Return whether a configuration file was changed after its package installed it: then it stays."""
        if not self._files.exists(path):
            return False
        try:
            return (path, hashlib.md5(self._files.read(path)).hexdigest()) not in known
        except StepError:
            # a plan only knows the hash of a large file
            return True


def conffiles(package: dpkg.Package) -> List[Tuple[str, str]]:
    """Return a package's configuration files as it shipped them: path and MD5, from dpkg's records."""
    lines = (line.split() for line in package.field("Conffiles").splitlines())
    return [(words[0], words[1]) for words in lines if len(words) >= 2]
