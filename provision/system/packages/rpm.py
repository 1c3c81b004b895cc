"""rpm's package database and package files. Shipped with the steps that use dnf."""

import os
import subprocess
from typing import Callable, Dict, List, NamedTuple, Tuple

from provision.system.command_execution import Result

Query = Callable[..., Result]

INSTALLED = r"%{INSTALLTIME}\t%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n"
CONTENTS = (
    r"[%{FILENAMES}\t%{FILEMODES:octal}\t%{FILEUSERNAME}\t%{FILEGROUPNAME}\t%{FILESIZES}\t%{FILEDIGESTS}"
    r"\t%{FILEFLAGS}\t%{FILELINKTOS}\n]"
)
#: rpm's RPMFILE_CONFIG with RPMFILE_NOREPLACE, and RPMFILE_GHOST (rpmfiles.h)
NOREPLACE = 1 | 16
GHOST = 64


class PackagedPath(NamedTuple):
    """A path in a package. digest: SHA-256 of a file. flags: rpm's."""

    path: str
    mode: int
    user: str
    group: str
    size: int
    digest: str
    flags: int
    target: str


def installed(query: Query) -> Dict[str, str]:
    """Return the versions of all installed packages by name.

    The name of a package of a foreign architecture is "name.architecture".
    """
    listed = query("rpm", "-qa", "--qf", INSTALLED).require(
        "reading rpm's database", "Steps of dnf are for hosts of the Fedora, RHEL and Amazon Linux family."
    )
    rows = sorted(line.split("\t") for line in listed.stdout.splitlines() if line.count("\t") == 3)
    # of several versions of one package (kernels) the latest; keys that dnf trusts are not packages
    return {key(name, arch): shown(version) for _, name, version, arch in rows if name != "gpg-pubkey"}


def key(name: str, architecture: str) -> str:
    """Return "glibc", or "glibc.i686" on a host of another architecture."""
    return name if architecture in ("noarch", os.uname().machine) else "%s.%s" % (name, architecture)


def shown(version: str) -> str:
    """Return a version as dnf shows it: without an epoch of 0."""
    return version[2:] if version.startswith("0:") else version


def entries(query: Query, *words: str) -> List[PackagedPath]:
    """Return the paths in a package; words are rpm's arguments that select it: ("-p", path) or (name,)."""
    found = []
    for line in query("rpm", "-q", "--qf", CONTENTS, *words).stdout.splitlines():
        parts = line.split("\t")
        if len(parts) == 8:
            path, mode, user, group, size, digest, flags, target = parts
            found.append(PackagedPath(path, int(mode, 8), user, group, int(size), digest, int(flags), target))
    return found


def texts(package: str, wanted: Callable[[str], bool]) -> Dict[str, bytes]:
    """Return the contents of a package's wanted files, by path."""
    done = subprocess.run(["rpm2cpio", package], stdout=subprocess.PIPE, check=False)
    return dict(cpio(done.stdout, wanted))


def cpio(archive: bytes, wanted: Callable[[str], bool]) -> List[Tuple[str, bytes]]:
    """Yield the wanted files of an archive in cpio(5)'s "new ASCII format".

    Each entry has 13 fields of 8 hexadecimal digits, the name, and the contents, both padded to 4 bytes.
    """
    found, at = [], 0
    while archive[at : at + 6] in (b"070701", b"070702"):
        sizes = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        begin = at + 110
        name = archive[begin : begin + sizes[11] - 1].decode(errors="replace")
        begin = (begin + sizes[11] + 3) // 4 * 4
        end = begin + sizes[6]
        path = "/" + name.lstrip("./")
        if sizes[6] and wanted(path):
            found.append((path, archive[begin:end]))
        at = (end + 3) // 4 * 4
    return found
