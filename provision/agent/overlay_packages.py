"""Packages as a plan predicts them: resolved by apt itself, with the files and units that they bring. Shipped.

A plan downloads the packages into apt's own cache (/var/cache/apt/archives), as the deploy after it would,
and reads from them what they bring. Nothing else is written.
"""

import io
import re
import subprocess
import tarfile
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from provision.agent.files import Stat
from provision.agent.overlay_files import Node, PlannedFiles
from provision.agent.overlay_units import PlannedUnits
from provision.agent.packages import APT, APT_ENVIRONMENT, Apt, Planned, Run, explain
from provision.errors import StepError

ARCHIVES = "/var/cache/apt/archives"
#: contents that later steps may read and show
READ = ("./etc/", "./lib/systemd/system/", "./usr/lib/systemd/system/")
UNIT = re.compile(r"^\./(usr/)?lib/systemd/system/([^/]+\.(service|socket|timer|path))$")


class PlannedApt(Apt):
    """Packages whose installation changes a picture only."""

    def __init__(
        self, run: Run, ask: Run, told: Callable[[str], None], files: PlannedFiles, units: PlannedUnits
    ) -> None:
        super().__init__(run, ask, told)
        self._files = files
        self._units = units
        self._planned: Dict[str, str] = {}

    def version(self, name: str) -> str:
        if name in self._planned:
            return self._planned[name]
        return super().version(name)

    def install(self, names: Sequence[str]) -> List[Planned]:
        planned = self.simulate(names)
        argv = (*APT, "--no-install-recommends", "--download-only", "install", "--", *names)
        result = self._ask(argv, environment=APT_ENVIRONMENT, timeout=1200, on_line=self._told)
        if result.status:
            raise explain(result)
        # apt does not know of what the plan has installed before
        new = [p for p in planned if self._planned.get(p.name) != p.after]
        debs = {p.name: self._archive(p) for p in new}
        scripts = "".join(control_file(deb, "postinst") for deb in debs.values())
        for p in new:
            self._planned[p.name] = p.after
            self._unpack(debs[p.name], scripts)
        return new

    def remove(self, names: Sequence[str]) -> None:
        self._planned.update(dict.fromkeys(names, ""))

    def repair(self) -> None:
        """A deploy repairs; a plan has nothing to."""

    def _archive(self, package: Planned) -> str:
        """The downloaded file of a package. apt writes ":" in versions as %3a."""
        start = "%s_%s_" % (package.name.split(":")[0], package.after.replace(":", "%3a"))
        found = [name for name in self._files.list(ARCHIVES) if name.startswith(start)]
        if not found:
            raise StepError("apt did not download %s %s" % (package.name, package.after))
        return "%s/%s" % (ARCHIVES, found[0])

    def _unpack(self, deb: str, scripts: str) -> None:
        units = []
        for path, node in contents(deb):
            self._files.bring(path[1:].rstrip("/") or "/", node)
            unit = UNIT.match(path)
            if unit and "@." not in path:
                units.append(unit.group(2))
        for unit_name in units:
            # dh_installsystemd(1) and invoke-rc.d(8): how maintainers' scripts enable and start units
            name = re.escape(unit_name)
            short = re.escape(unit_name.rsplit(".", 1)[0])
            enabled = re.search(r"deb-systemd-helper.*(enable|was-enabled) '?%s'?" % name, scripts)
            started = re.search(r"(deb-systemd-invoke .*%s|invoke-rc\.d .*%s)" % (name, short), scripts)
            self._units.bring(unit_name, bool(enabled), bool(started))


def contents(deb: str) -> "List[Tuple[str, Node]]":
    """Paths ("./etc/nginx/nginx.conf") and what a package puts there."""
    found = []
    for member, data in members(deb, "--fsys-tarfile", lambda name: name.startswith(READ)):
        kind = "dir" if member.isdir() else "link" if member.issym() else "file"
        stat = Stat(
            kind, member.mode, member.uid, member.gid, member.size, member.linkname if kind == "link" else ""
        )
        sha256 = "from %s" % deb
        if data is not None:
            import hashlib

            sha256 = hashlib.sha256(data).hexdigest()
        found.append((member.name, Node(stat, data, sha256, opaque=kind == "dir")))
    return found


def control_file(deb: str, name: str) -> str:
    """A file of a package's control part, or ""."""
    for member, data in members(deb, "--ctrl-tarfile", lambda path: path == "./" + name):
        if member.name == "./" + name and data is not None:
            return data.decode(errors="replace")
    return ""


def members(
    deb: str, part: str, wanted: Callable[[str], bool]
) -> "List[Tuple[tarfile.TarInfo, Optional[bytes]]]":
    """Entries of one of the two archives in a package (deb(5)), with the contents of wanted files."""
    result = subprocess.run(["dpkg-deb", part, deb], stdout=subprocess.PIPE, check=True)
    found = []
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        for member in archive:
            data = None
            if member.isfile() and wanted(member.name):
                opened = archive.extractfile(member)
                data = opened.read() if opened else None
            found.append((member, data))
    return found
