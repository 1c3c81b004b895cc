"""Read package files, deb(5). Shipped with plans."""

import hashlib
import io
import re
import subprocess
import tarfile
from typing import Callable, List, Optional, Tuple

from provision.system.host_files import Stat
from provision.system.planned.planned_files import Node

#: folders with contents that later steps may read and show
READ = ("./etc/", "./lib/systemd/system/", "./usr/lib/systemd/system/")


def contents(deb: str) -> "List[Tuple[str, Node]]":
    """Yield paths ("./etc/nginx/nginx.conf") and what a package puts there."""
    found = []
    for member, data in members(deb, "--fsys-tarfile", lambda name: name.startswith(READ)):
        kind = "dir" if member.isdir() else "link" if member.issym() else "file"
        stat = Stat(
            kind, member.mode, member.uid, member.gid, member.size, member.linkname if kind == "link" else ""
        )
        sha256 = "from %s %s" % (deb, member.name) if data is None else hashlib.sha256(data).hexdigest()
        found.append((member.name, Node(stat, data, sha256, opaque=kind == "dir")))
    return found


def file(deb: str, name: str) -> bytes:
    """Return the contents of a file in a package, such as "./usr/bin/openssl"."""
    found = members(deb, "--fsys-tarfile", lambda path: path == name)
    return next(data for _, data in found if data is not None)


def control_file(deb: str, name: str) -> str:
    """Return a file of a package's control part, or ""."""
    for member, data in members(deb, "--ctrl-tarfile", lambda path: path == "./" + name):
        if member.name == "./" + name and data is not None:
            return data.decode(errors="replace")
    return ""


def links(script: str) -> "List[Tuple[str, Node]]":
    """Return the links that a maintainer script makes, such as nginx's sites-enabled/default.

    Only links with both ends named are found.
    """
    return [
        (path, Node(Stat("link", 0o777, 0, 0, len(target), target)))
        for target, path in re.findall(r"(?m)^\s*ln -sf? (/[\w./-]+) (/[\w./-]+)\s*(?:\|\||$)", script)
    ]


def control_fields(deb: str) -> str:
    """Return the package's own entry, as dpkg's status file will have it except for the status."""
    return control_file(deb, "control").strip("\n")


def name(deb: str) -> str:
    """Return the name of a package."""
    found = re.search(r"(?m)^Package: (\S+)", control_fields(deb))
    return found.group(1) if found else ""


def members(
    deb: str, part: str, wanted: Callable[[str], bool]
) -> "List[Tuple[tarfile.TarInfo, Optional[bytes]]]":
    """Yield the entries of one of a package's two archives, with the contents of wanted files."""
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
