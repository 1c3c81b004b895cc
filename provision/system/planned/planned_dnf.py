"""Packages of dnf as a plan predicts them: resolved by dnf itself, with their files and units. Shipped.

As with apt (planned_packages.py), dnf sees a copy of the host in a temporary folder: rpm's database, in which
the plan's packages are noted without being installed, and the repositories that the plan has added. Packages
are downloaded into dnf's own cache, as in a deploy. Nothing else is written.
"""

import contextlib
import fnmatch
import glob
import grp
import os
import pwd
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.system.host_files import Stat
from provision.system.packages import rpm
from provision.system.packages.dnf_errors import explain
from provision.system.packages.dnf_packages import DNF, KEYS, REPOSITORIES, Dnf, DnfAction, Run, parse
from provision.system.paths import kind_of
from provision.system.planned.picture import draw

if TYPE_CHECKING:
    from provision.system.planned.planned_files import Node, PlannedFiles
    from provision.system.planned.planned_units import PlannedUnits

#: caches of dnf 4 and dnf 5 for downloaded packages
CACHES = ("/var/cache/dnf/*/packages/", "/var/cache/libdnf5/*/packages/")
PRESETS = ("/etc/systemd/system-preset", "/usr/lib/systemd/system-preset")
JUST_NOTE = ("--justdb", "--nodeps", "--noscripts", "--notriggers")
UNIT = re.compile(r"^(/usr)?/lib/systemd/system/([^/@]+\.(service|socket|timer|path))$")


class PlannedDnf(Dnf):
    """Packages whose installation only changes the prediction."""

    def __init__(
        self,
        run: Run,
        ask: Run,
        progress: Callable[[str], None],
        files: "PlannedFiles",
        units: "PlannedUnits",
    ) -> None:
        super().__init__(run, ask, progress)
        self._files = files
        self._units = units
        #: arguments for rpm, in order, that turn the host's database into the plan's
        self._noted: List[Sequence[str]] = []

    def act(self, *words: str) -> None:
        if words[0] in ("remove", "autoremove"):
            steps = self.simulate(*words)
        else:
            # nothing is installed, so no key needs to be trusted
            result = self.query(*DNF, "--nogpgcheck", "--downloadonly", *words, timeout=1200)
            if result.status:
                raise explain(result, self.query)
            steps = parse(result.stdout)
        gone = [s.name for s in steps if s.verb == "Removing"]
        for name in gone:
            self._remove(name)
        if gone:
            self._noted.append(("-e", *JUST_NOTE, *gone))
        came = [s for s in steps if s.verb != "Removing"]
        if came:
            self._install(came)
        self._installed = None

    @contextlib.contextmanager
    def picture(self) -> "Iterator[Tuple[Dict[str, str], Sequence[str]]]":
        with tempfile.TemporaryDirectory(prefix="prov-plan-") as folder:
            draw(self._files, KEYS, folder + "/keys")
            replaced = ("file://" + KEYS, "file://%s/keys" % folder)
            draw(self._files, REPOSITORIES, folder + "/repositories", replaced)
            settings = ["--setopt=reposdir=%s/repositories" % folder]
            if not self._noted:
                yield {}, settings
                return
            real = self._ask(("rpm", "--eval", "%_dbpath"), timeout=30).stdout.strip()
            shutil.copytree(real, folder + "/rpm", ignore=shutil.ignore_patterns("*.lock"))
            with open(folder + "/.rpmmacros", "w", encoding="utf-8") as f:
                f.write("%%_dbpath %s/rpm\n" % folder)
            for words in self._noted:
                note = self._ask(("rpm", *words), environment={"HOME": folder}, timeout=120)
                note.require("noting planned packages")
            yield {"HOME": folder}, settings

    def _install(self, new: List[DnfAction]) -> None:
        paths = [self._archive(s) for s in new]
        for path, s in zip(paths, new):
            self._unpack(path, s.name)
        self._noted.append(("-U", "--oldpackage", "--nosignature", "--nodigest", *JUST_NOTE, *paths))

    def _archive(self, package: DnfAction) -> str:
        """Return the file of a package in dnf's cache, or in a repository on the host's disk."""
        name = "%s-%s.*.rpm" % (package.name.split(".")[0], package.version.split(":")[-1])
        for folder in CACHES:
            found = glob.glob(folder + name)
            if found:
                return found[0]
        local = [path for path in self._on_disk() if fnmatch.fnmatch(os.path.basename(path), name)]
        if not local:
            raise StepError("dnf did not download %s %s" % (package.name, package.version))
        return local[0]

    def _on_disk(self) -> Iterator[str]:
        """Yield packages of repositories that dnf reads in place (baseurl=file:...)."""
        for name in self._files.list(REPOSITORIES):
            text = self._files.read("%s/%s" % (REPOSITORIES, name)).decode(errors="replace")
            for folder in re.findall(r"(?m)^baseurl\s*=\s*file://(\S+)", text):
                yield from glob.glob(folder + "/**/*.rpm", recursive=True)

    def _unpack(self, archive: str, name: str) -> None:
        brought = rpm.entries(self.query, "-p", "--nosignature", archive)
        before = {e.path: e.digest for e in rpm.entries(self.query, name)} if self.version(name) else {}
        contents = rpm.texts(archive, lambda path: path.startswith("/etc/") or bool(UNIT.match(path)))
        scripts = self.query("rpm", "-qp", "--nosignature", "--scripts", archive).stdout
        asks = bool(re.search(r"\bpreset\b|install-system-units", scripts))
        for entry in brought:
            if entry.flags & rpm.GHOST or self._stays(entry, before):
                continue
            self._files.bring(entry.path, node(entry, contents.get(entry.path), archive))
            unit = UNIT.match(entry.path)
            if unit:
                # packages start no units, and enable them by presets only (systemd.preset(5))
                self._units.bring(unit.group(2), asks and self._preset(unit.group(2)), False)

    def _stays(self, entry: rpm.PackagedPath, before: Dict[str, str]) -> bool:
        """Return whether a changed configuration file stays.

        The package's own version then goes to .rpmnew.
        """
        if entry.flags & rpm.NOREPLACE != rpm.NOREPLACE or not self._files.exists(entry.path):
            return False
        return self._files.sha256(entry.path) != before.get(entry.path)

    def _preset(self, unit: str) -> bool:
        """Return the result of the first matching preset line.

        For files of one name, the one in /etc counts.
        """
        files: Dict[str, str] = {}
        for folder in reversed(PRESETS):
            files.update(
                {n: "%s/%s" % (folder, n) for n in self._files.list(folder) if n.endswith(".preset")}
            )
        for name in sorted(files):
            for line in self._files.read(files[name]).decode(errors="replace").splitlines():
                words = line.split()
                if (
                    len(words) >= 2
                    and words[0] in ("enable", "disable")
                    and fnmatch.fnmatchcase(unit, words[1])
                ):
                    return words[0] == "enable"
        return True

    def _remove(self, name: str) -> None:
        for entry in rpm.entries(self.query, name):
            unit = UNIT.match(entry.path)
            if unit:
                self._units.lose(unit.group(2))
            changed = entry.flags & 1 and self._files.exists(entry.path)
            if changed and self._files.sha256(entry.path) != entry.digest:
                self._files.copy(entry.path, entry.path + ".rpmsave", 0o644, 0, 0)
            found = self._files.stat(entry.path)
            if found is not None and found.kind != "dir":
                self._files.remove(entry.path)


def node(entry: rpm.PackagedPath, content: Optional[bytes], archive: str) -> "Node":
    """Return the predicted content of a package at a path."""
    # imported here: only plans call this, and have the module
    from provision.system.planned.planned_files import Node

    kind = kind_of(entry.mode)
    try:
        uid, gid = pwd.getpwnam(entry.user).pw_uid, grp.getgrnam(entry.group).gr_gid
    except KeyError:
        uid = gid = 0
    stat = Stat(kind, entry.mode & 0o7777, uid, gid, entry.size, entry.target if kind == "link" else "")
    empty = b"" if kind == "file" and not entry.size else None
    return Node(stat, content or empty, entry.digest or "from %s" % archive, opaque=kind == "dir")
