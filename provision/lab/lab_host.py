"""What a lab host is: its public face (LabHost), what is kept of it (Record), and what may be asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import field
from pathlib import Path

from provision.errors import UsageError
from provision.names import suggestion
from provision.values import dataclass

# image -> the codename that the archive files it under
IMAGES = {"debian-12": "bookworm", "debian-13": "trixie"}

LOGINS = ("root", "sudo", "sudo-password")

DRIVERS = ("nspawn", "vagrant")

# the image of a VM whose Vagrantfile, someone's own, chooses the box
OWN_BOX = "as in Vagrantfile"

# the account of the two sudo logins; Debian's cloud images name theirs so too
ADMIN = "admin"

# RFC 1123, section 2.1, one label, in lower case: DNS does not tell the cases apart, files do
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class LabHost:
    """A lab host as others see it: where it is, and all that a verified SSH login to it takes."""

    name: str
    address: str
    image: str
    state: str  # "running" or "stopped"
    login: str  # one of LOGINS
    user: str
    port: int
    key: Path  # the private key that the host lets in
    known_hosts: Path
    driver: str
    password: str = field(default="", repr=False)  # sudo's, for the login sudo-password; else empty
    python: bool = True


@dataclass(frozen=True)
class HostRecord:
    """What the lab keeps of a host (host.json), written before anything of the host is made."""

    name: str
    address: str
    image: str
    login: str
    python: bool
    layers: tuple[str, ...] = ()  # folders of the image cache, topmost first; known once it is built
    host_key: str = ""  # "ssh-ed25519 AAAA...", once the host's disk is made
    driver: str = "nspawn"  # one of DRIVERS
    # of VMs alone: the folder of the Vagrantfile, and what `vagrant ssh-config` said
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
        """What was asked for: driver, image, login, with python3."""
        return self.driver, self.image, self.login, self.python


class HostExists(UsageError):
    """A new host was asked for, and the lab has one of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the lab has a host {name} already", hint=f"If it may go:  prov lab down {name}")


def is_label(name: str) -> bool:
    """Whether name can be a host's name."""
    return bool(_LABEL.fullmatch(name)) and name != "localhost"


def check_names(names: Iterable[str]) -> list[str]:
    """The names without repeats, in order. Raises UsageError if one cannot be a host's name."""
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
    """Raise UsageError, naming what is known, unless value is one of known."""
    choices = list(known)
    if value not in choices:
        raise UsageError(
            f"unknown {kind} {value!r}.{suggestion(value, choices)}", hint=f"Known: {', '.join(choices)}."
        )
