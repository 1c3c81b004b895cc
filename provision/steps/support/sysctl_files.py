"""Which file of sysctl.d(5) decides on a setting. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING, Dict, Tuple

if TYPE_CHECKING:
    from provision.system.host import System

#: a file hides files of the same name in later folders
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")


def later(host: "System", path: str) -> Dict[str, Tuple[str, str]]:
    """Return key (dots and slashes swapped, as in /proc/sys) -> its value and the file that sets it, for
    files that are read at boot after the one at path."""
    own = path.rsplit("/", 1)[1]
    files: Dict[str, str] = {}
    for folder in FOLDERS:
        for name in host.files.list(folder) if host.files.exists(folder) else ():
            if name.endswith(".conf") and name > own:
                files.setdefault(name, "%s/%s" % (folder, name))
    found: Dict[str, Tuple[str, str]] = {}
    for _, at in sorted(files.items()):
        end = host.files.end(at)
        if end is None or end.kind != "file":
            continue
        for line in host.files.read(at).decode(errors="replace").split("\n"):
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                found[key.strip().lstrip("-").strip()] = (" ".join(value.split()), at)
    return found
