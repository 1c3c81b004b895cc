"""Run other programs for the lab, and name the packages that they come from."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from provision.errors import LabError

# program or file -> its Debian package
NEEDS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "mount": "mount",
    "umount": "mount",
    "chroot": "coreutils",
}

# `su` without "-" leaves out /usr/sbin, which has half of these programs
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# the whole environment of programs, as a host's init would pass it on; nothing else comes from the caller's
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> str:
    """Run a program to its end and return its standard output.

    stdin: its input.  environment: added to ENVIRONMENT.  timeout: seconds.
    Raises LabError with the program's own message if it fails.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            env={**ENVIRONMENT, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise LabError(
            f"{argv[0]} is not installed", hint=f"apt-get install -y {NEEDS.get(argv[0], argv[0])}"
        ) from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{argv[0]} did not end within {timeout:g} s", where=" ".join(argv)) from None
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise LabError(
            f"{argv[0]} failed with status {done.returncode}: {' / '.join(words)}", where=" ".join(argv)
        )
    return done.stdout


def missing_packages(needs: Mapping[str, str] | None = None) -> list[str]:
    """Return the Debian packages that the lab needs and this machine lacks.

    needs: program or file -> its package; by default for hosts in namespaces.
    """
    absent = [
        package
        for need, package in (NEEDS if needs is None else needs).items()
        if not (Path(need).exists() if need.startswith("/") else shutil.which(need, path=PATH))
    ]
    return list(dict.fromkeys(absent))


def check_root() -> None:
    """Raise LabError unless this process runs as root."""
    if os.geteuid() != 0:
        # sudo's own PATH does not include the virtual environment
        raise LabError("the lab needs root", hint='sudo "$(command -v prov)" lab ...')


def check() -> None:
    """Raise LabError, naming all missing packages at once, if the lab cannot work on this machine."""
    check_root()
    refuse_missing(missing_packages(), "prov lab up --install ...")


def refuse_missing(packages: Sequence[str], installs: str) -> None:
    """Raise LabError if packages are missing. installs: the prov command that would install them."""
    if packages:
        raise LabError(
            f"the lab needs {', '.join(packages)}",
            hint=f"apt-get install -y {' '.join(packages)}   (or: {installs})",
        )


def has_apt() -> bool:
    """Return whether this machine uses apt."""
    return shutil.which("apt-get", path=PATH) is not None


def install(packages: Sequence[str]) -> None:
    """Install Debian packages with apt. Raises LabError if that fails."""
    if packages:
        if not has_apt():
            raise LabError(
                f"the lab needs {', '.join(packages)}, and there is no apt-get to install them with"
            )
        # these are this machine's own packages, so a proxy in the caller's environment applies
        own = {**os.environ, "PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update"], environment=own, timeout=300)
        run(["apt-get", "install", "-y", "--no-install-recommends", *packages], environment=own, timeout=900)
