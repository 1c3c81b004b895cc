"""The lab's state on disk: where everything is, and the hosts' records.

    <lab>/images/<layer>/           base images and what lies on them; 0700, as setuid files are inside
    <lab>/hosts/<name>/host.json    the record
                       disk/        upper, work, root: the overlay; 0700
                       netns        the host's network namespace is mounted here
                       console.log  password  snapshots/
    <lab>/vagrant/<tag>/            the Vagrantfile of VMs that have none of their own, and Vagrant's own state
    <lab>/network.json  known_hosts  client_key  client_key.pub

Locks are on the folders themselves (provision.locks).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from provision.errors import LabError
from provision.lab import cgroup
from provision.lab.lab_host import HostRecord, LabHost, is_label
from provision.values import dataclass

# root's lab; other users have their own, with VMs only, in their home folder
DEFAULT_DIR = Path("/var/lib/prov-lab")
_OWN_DIR = ".local/state/prov-lab"

SSH_PORT = 22

_REACH_SECONDS = 0.5


@dataclass(frozen=True)
class HostDir:
    """The files of one host."""

    path: Path

    @property
    def name(self) -> str:
        """The host's name."""
        return self.path.name

    @property
    def record(self) -> Path:
        """host.json."""
        return self.path / "host.json"

    @property
    def disk(self) -> Path:
        """The folder of the three overlay folders."""
        return self.path / "disk"

    @property
    def root(self) -> Path:
        """Where the host's file system is mounted."""
        return self.disk / "root"

    @property
    def netns(self) -> Path:
        """The file on which the host's network namespace is mounted."""
        return self.path / "netns"

    @property
    def console(self) -> Path:
        """The host's console output."""
        return self.path / "console.log"

    @property
    def snapshots(self) -> Path:
        """A folder for each snapshot."""
        return self.path / "snapshots"

    @property
    def password(self) -> Path:
        """sudo's password, for the login sudo-password."""
        return self.path / "password"


@dataclass(frozen=True)
class Lab:
    """A lab: a folder, and the tag in the names of its bridge, tables and control groups."""

    path: Path

    @property
    def tag(self) -> str:
        """The tag: at most 11 characters, because with "-254" it must fit the 15 of an interface name."""
        if self.path == DEFAULT_DIR:
            return "prov-lab"
        return f"prov-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:6]}"

    @property
    def images(self) -> Path:
        """The cache of base images."""
        return self.path / "images"

    @property
    def hosts(self) -> Path:
        """A folder for each host."""
        return self.path / "hosts"

    @property
    def vagrant(self) -> Path:
        """The folder for VMs' own Vagrantfile; libvirt's names for them start with its last part."""
        return self.path / "vagrant" / self.tag

    @property
    def network(self) -> Path:
        """network.json: the subnet, and the changes made for it."""
        return self.path / "network.json"

    @property
    def key(self) -> Path:
        """The private key that every host accepts; the public key is beside it."""
        return self.path / "client_key"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, in OpenSSH's format."""
        return self.path / "known_hosts"

    def host(self, name: str) -> HostDir:
        """Return the files of a host, whether it exists or not."""
        return HostDir(self.hosts / name)

    def cgroup(self, name: str) -> Path:
        """Return the control group that holds exactly the host's processes."""
        return cgroup.path(f"{self.tag}-{name}")

    def names(self) -> list[str]:
        """Return the names of all hosts with a folder, sorted."""
        try:
            return sorted(entry.name for entry in self.hosts.iterdir() if is_label(entry.name))
        except (FileNotFoundError, NotADirectoryError):
            return []


def current() -> Lab:
    """Return the lab of the environment's PROV_LAB_DIR, else root's or the user's own.

    Raises LabError if the path has characters that an overlay's mount options cannot contain.
    """
    return readable()[0]


def readable() -> list[Lab]:
    """Return the current lab, and root's, because its hosts are also for the user who called sudo."""
    named = os.environ.get("PROV_LAB_DIR")
    if not named:
        own = [] if os.geteuid() == 0 else [Lab(Path.home() / _OWN_DIR)]
        return [*own, Lab(DEFAULT_DIR)]
    path = Path(named).absolute()
    if set(str(path)) & set(",:\\\"'\n\t "):
        raise LabError(
            f"PROV_LAB_DIR is {str(path)!r}, which cannot be written in a mount's options",
            hint="Use a path without blanks, quotes, commas, colons and backslashes.",
        )
    return [Lab(path)]


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object in a state file; None if it is missing or invalid."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file atomically.

    Even after a crash of this process, a reader sees the old or the new contents.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    temporary.replace(path)


def read_record(lab: Lab, name: str) -> HostRecord | None:
    """Return the record of a host; None if it is missing or damaged."""
    value = read_json(lab.host(name).record)
    try:
        return HostRecord(**{**value, "layers": tuple(value["layers"])}) if value else None
    except (KeyError, TypeError):
        return None


def write_record(lab: Lab, record: HostRecord) -> None:
    """Write the record; the host's folder exists."""
    write_atomic(lab.host(record.name).record, json.dumps(asdict(record), indent=1) + "\n")


def _labhost(lab: Lab, record: HostRecord) -> LabHost:
    password = ""
    if record.login == "sudo-password":
        # it exists once the disk is made, and is readable for the user who made the host
        with suppress(FileNotFoundError, PermissionError):
            password = lab.host(record.name).password.read_text().strip()
    return LabHost(
        name=record.name,
        address=record.address,
        image=record.image,
        state="running" if _runs(lab, record) else "stopped",
        login=record.login,
        user=record.user,
        port=record.port,
        key=Path(record.key) if record.key else lab.key,
        known_hosts=lab.known_hosts,
        driver=record.driver,
        password=password,
        python=record.python,
    )


def _runs(lab: Lab, record: HostRecord) -> bool:
    """Return whether the host runs. A VM runs if something answers there: its driver would take seconds."""
    if record.driver == "nspawn":
        return cgroup.populated(lab.cgroup(record.name))
    if not record.address:
        return False
    import socket  # imported here: hosts of the other driver do not need it

    try:
        socket.create_connection((record.address, record.port), timeout=_REACH_SECONDS).close()
    except OSError:
        return False
    return True


def find(name: str) -> LabHost | None:
    """Return the lab's host with a name, or None. Reads three small files and starts no process."""
    if not is_label(name):
        return None
    for lab in readable():
        record = read_record(lab, name)
        if record:
            return _labhost(lab, record)
    return None


def hosts() -> list[LabHost]:
    """Return every host of the lab, by name."""
    found = {}
    for lab in reversed(readable()):
        for name in lab.names():
            record = read_record(lab, name)
            if record:
                found[name] = _labhost(lab, record)
    return [found[name] for name in sorted(found)]


@contextmanager
def foreseen() -> Iterator[None]:
    """Raise system errors (a full or read-only disk, a folder that cannot be made) as a LabError."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the progress is gone, which the command line handles
    except OSError as error:
        raise LabError(str(error), hint=f"The lab's folder is {current().path} (PROV_LAB_DIR).") from error
