"""The programs that the tests and the benchmark call on this machine, and the Debian packages that have them.

This is the only list. `make` installs what is missing, and pytest refuses to begin without it:

    python3 tests/needs.py agent bench      print the missing packages of these folders (default: all)

Standard library only: it runs before there is a virtual environment. What `prov lab` needs is not here;
`prov lab up --install` installs that (provision/lab/programs_run.py).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable

_SSH = {"ssh": "openssh-client", "ssh-keygen": "openssh-client"}
_UNIT = {**_SSH, "git": "git", "openssl": "openssl"}
_HOST = {
    "ip": "iproute2",
    "logrotate": "logrotate",
    "nft": "nftables",
    "systemctl": "systemd",
    "systemd-sysusers": "systemd",
    "systemd-tmpfiles": "systemd",
}

_FIREWALL = {"iptables-restore": "iptables", "ufw": "ufw"}
_PAST = {**_UNIT, **_HOST, **_FIREWALL, "chattr": "e2fsprogs", "locale-gen": "locales", "zstd": "zstd"}

#: folder of the tests -> program -> Debian package. Programs of essential packages are left out.
NEEDS = {
    "unit": _UNIT,
    "agent": {**_UNIT, **_HOST},
    "steps_more": {**_UNIT, **_HOST, **_FIREWALL},
    "steps_past": _PAST,
    "lab": _UNIT,
    "prove": {**_PAST, "rsync": "rsync"},
    "vagrant": _UNIT,
    "fresh": _UNIT,
    "bench": {**_SSH, "git": "git", "rsync": "rsync"},
}

#: folders whose tests mount file systems, change owners or boot hosts
AS_ROOT = frozenset(NEEDS) - {"unit"}

# a user's PATH leaves out the last two on Debian
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def missing(folders: Iterable[str]) -> dict[str, str]:
    """Programs that the tests of these folders call and this machine lacks -> their packages."""
    wanted = {program: package for folder in folders for program, package in NEEDS[folder].items()}
    return {program: wanted[program] for program in sorted(wanted) if not shutil.which(program, path=_PATH)}


def complaint(folders: Iterable[str], user: int) -> str:
    """What keeps the tests of these folders from running on this machine; "" if nothing does.

    user: the numeric id of the user who runs them.
    """
    wanted = sorted(folders)
    lacking = missing(wanted)
    privileged = [folder for folder in wanted if folder in AS_ROOT]
    if lacking:
        packages = " ".join(sorted(set(lacking.values())))
        return f"the tests call {', '.join(lacking)}, not installed here: apt-get install {packages}"
    if privileged and user != 0:
        return f"tests/{privileged[0]} needs root: `make agent-test` and `make lab-test` run it through sudo"
    return ""


if __name__ == "__main__":
    print(*sorted(set(missing(sys.argv[1:] or NEEDS).values())))  # noqa: T201
