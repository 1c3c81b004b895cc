"""The data of a lab host: its public side (LabHost), its record (HostRecord), and the valid choices."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from provision.errors import UsageError
from provision.names import suggestion
from provision.values import dataclass

# image -> its codename in the archive
IMAGES = {"debian-12": "bookworm", "debian-13": "trixie"}

LOGINS = ("root", "sudo", "sudo-password")

DRIVERS = ("nspawn", "vagrant")

# the image of a VM whose Vagrantfile is not prov's and chooses the box
OWN_BOX = "as in Vagrantfile"

# the account of the two sudo logins, named as in Debian's cloud images
ADMIN = "admin"

# RFC 1123, section 2.1, one label, in lower case: DNS ignores case, file names do not
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class LabHost:
    """A lab host for other code: its address, and everything that a verified SSH login needs."""

    name: str
    address: str
    image: str
    state: str  # "running" or "stopped"
    login: str  # one of LOGINS
    user: str
    port: int
    key: Path  # the private key for logins
    known_hosts: Path
    driver: str
    password: str = field(default="", repr=False)  # sudo's, for the login sudo-password; else empty
    python: bool = True


@dataclass(frozen=True)
class HostRecord:
    """The lab's record of a host (host.json), written before anything of the host is made."""

    name: str
    address: str
    image: str
    login: str
    python: bool
    layers: tuple[str, ...] = ()  # folders of the image cache, topmost first; set once it is built
    host_key: str = ""  # "ssh-ed25519 AAAA...", set once the host's disk is made
    driver: str = "nspawn"  # one of DRIVERS
    # for VMs only: the folder of the Vagrantfile, and the output of `vagrant ssh-config`
    folder: str = ""
    account: str = ""
    port: int = 22
    key: str = ""

    @property
    def user(self) -> str:
        """The account that logs in."""
        return self.account or ("root" if self.login == "root" else ADMIN)

    @property
    def wanted(self) -> tuple[str, str, str, bool]:
        """The requested settings: driver, image, login, with python3."""
        return self.driver, self.image, self.login, self.python


class HostExists(UsageError):
    """A new host was requested, and the lab has a host with that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the lab has a host {name} already", hint=f"If it may go:  prov lab down {name}")


def is_label(name: str) -> bool:
    """Return whether a name is valid for a host."""
    return bool(_LABEL.fullmatch(name)) and name != "localhost"


def check_names(names: Iterable[str]) -> list[str]:
    """Return the names without repeats, in order.

    Raises UsageError for a name that is not valid for a host.
    """
    unique = list(dict.fromkeys(names))
    if not unique:
        raise UsageError("no host named", hint="prov lab up web1")
    for name in unique:
        if not is_label(name):
            raise UsageError(
                f"{name!r} cannot be a host's name",
                hint="A name has 1 to 63 of a-z, 0-9 and '-', starts and ends with a letter or digit, and is"
                " not localhost (RFC 1123): web1, app-2.",
            )
    return unique


def check_choice(kind: str, value: str, known: Iterable[str]) -> None:
    """Raise UsageError, with the known values, unless a value is one of them."""
    choices = list(known)
    if value not in choices:
        raise UsageError(
            f"unknown {kind} {value!r}.{suggestion(value, choices)}", hint=f"Known: {', '.join(choices)}."
        )
