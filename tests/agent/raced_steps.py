"""Every kind of step: raced in a folder of a user, refused there, or why it never acts in one."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

from helpers import archives
from racing import CANARY, USER

import provision.steps
from provision.steps.acl import Acl
from provision.steps.acme import AcmeCertificate, TemporaryCertificate
from provision.steps.authorized_keys import AuthorizedKeys, NoAuthorizedKeys
from provision.steps.base import Step
from provision.steps.certificates import Certificate, CertificateRequest, SelfSigned, ValidCertificate
from provision.steps.command import Command
from provision.steps.conditions import CommandCondition, FileCondition, ProcessCondition
from provision.steps.configuration import Configuration
from provision.steps.failed_releases import FailedRelease
from provision.steps.fetch import Unpack
from provision.steps.file_reading import FilesListed, PartRead
from provision.steps.files import Absent, Directory, File, Link, Watched
from provision.steps.git import Checkout
from provision.steps.held_password import HeldPassword
from provision.steps.keys import PrivateKey
from provision.steps.known_hosts import KnownHost
from provision.steps.mounts import Mount
from provision.steps.passwords import PasswordFile
from provision.steps.permissions import Permissions
from provision.steps.prune import Emptied
from provision.steps.python import Venv
from provision.steps.redis_passwords import RedisPassword
from provision.steps.releases import Current, OldReleases, ReleasesBefore
from provision.steps.script import Script
from provision.steps.service_environment import EnvironmentFile
from provision.steps.sqlite import Backup
from provision.steps.ssh_keys import KeyPair
from provision.steps.swap import SwapFile
from provision.steps.text import Block, IniValue, Line, Replace
from provision.steps.tree import Tree
from provision.steps.user_units import UserUnit
from provision.system.source import Source

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPCGWsr5FyIEFvQTZ0YJhJtW2n0t3sS0tQxCTO6r0T1E admin"
UNIT = "[Service]\nExecStart=/bin/true\n"
#: makes steps for a folder `way` of the user's and a folder of the test's own
Make = Callable[[str, Path], list[Step]]


def unpack(way: str, own: Path) -> list[Step]:
    """An archive, and a newer one that lacks a file: it is removed."""
    one = archive(own, {"conf": b"one", "sub/conf": b"one", "old": b""})
    two = archive(own, {"conf": b"two", "sub/conf": b"two"})
    return [Unpack(path, f"{way}/sub", digest, owner=USER) for path, digest in (one, two)]


def archive(folder: Path, members: dict[str, bytes]) -> tuple[str, str]:
    """A tar archive with these members: its path and hash."""
    packed = archives.archive(members)
    digest = hashlib.sha256(packed).hexdigest()
    at = folder / f"{digest[:12]}.tar"
    at.write_bytes(packed)
    return str(at), digest


def tree(way: str, own: Path) -> list[Step]:
    entries = [("conf", 0o644, Source.of(b"[a]\nb = 1\n"), ""), ("x/y", 0o644, Source.of(b"new"), "")]
    return [Tree(f"{way}/sub", entries, owner=USER, like=way, folder_mode=0o755)]


#: kinds that act in folders of users
RACED: dict[type[Step], Make] = {
    Acl: lambda way, own: [Acl(way, ["u:nobody:rX"], recursive=True)],
    AuthorizedKeys: lambda way, own: [
        AuthorizedKeys(USER, [KEY]),
        AuthorizedKeys(USER, [KEY], path=f"{way}/conf"),
    ],
    NoAuthorizedKeys: lambda way, own: [
        NoAuthorizedKeys(USER, [KEY]),
        NoAuthorizedKeys(USER, [KEY], f"{way}/conf"),
    ],
    HeldPassword: lambda way, own: [HeldPassword(f"{way}/conf", "A")],
    RedisPassword: lambda way, own: [RedisPassword(f"{way}/conf", "root", [], True)],
    FileCondition: lambda way, own: [FileCondition(f"{way}/conf", contains="nowhere", within=0)],
    CommandCondition: lambda way, own: [CommandCondition(["cat", "only"], cwd=way, within=0)],
    ProcessCondition: lambda way, own: [ProcessCondition(pid_file=f"{way}/conf", within=0)],
    Backup: lambda way, own: [Backup(f"{way}/db", f"{way}/kept", owner=USER)],
    Block: lambda way, own: [
        Block(f"{way}/conf", "text", owner=USER),
        Block(f"{way}/sub/conf", "text", mode=0o644),
        Block(f"{way}/conf", "", backup=True, validate_with=["grep", "x", "%s"]),
    ],
    Command: lambda way, own: [
        Command(["cat", "only"], cwd=way, reason="a test"),
        Command(["cat", "only"], cwd=way, user=USER, reason="a test"),
        Command(["true"], stamp=(f"{way}/conf", "done")),
    ],
    Directory: lambda way, own: [
        Directory(f"{way}/sub", owner=USER, mode=0o750),
        Directory(f"{way}/new/er", owner=USER, parents=True),
    ],
    Emptied: lambda way, own: [Emptied(f"{way}/sub", [f"{way}/sub/conf", f"{way}/sub"], stays=False)],
    File: lambda way, own: [
        File(f"{way}/conf", "new", owner=USER),
        File(f"{way}/sub/conf", "new", mode=0o644, backup=True),
        File(f"{way}/conf", "new", owner="root", mode=0o644),
        File(f"{way}/new", "new", validate_with=["grep", "-c", "nothing", "%s"]),
    ],
    Absent: lambda way, own: [Absent(f"{way}/sub"), Absent(f"{way}/conf")],
    IniValue: lambda way, own: [
        IniValue(f"{way}/conf", "a", "b", "2", owner=USER),
        IniValue(f"{way}/sub/conf", "a", "c", "2", mode=0o644),
    ],
    KeyPair: lambda way, own: [KeyPair(USER)],
    KnownHost: lambda way, own: [KnownHost("git.example.org", [KEY], user=USER)],
    Line: lambda way, own: [Line(f"{way}/conf", "line"), Line(f"{way}/sub/conf", "line", mode=0o644)],
    Link: lambda way, own: [Link(f"{way}/conf", "elsewhere"), Link(f"{way}/sub/new", "elsewhere")],
    Current: lambda way, own: [
        Current(f"{way}/conf", "sub", commit="9c01f3e"),
        Current(f"{way}/sub/new", "x", commit="1"),
    ],
    EnvironmentFile: lambda way, own: [EnvironmentFile(f"{way}/conf", 'A="new"\n', owner=USER)],
    FailedRelease: lambda way, own: [FailedRelease(way, "sub")],
    FilesListed: lambda way, own: [FilesListed(way, USER, inside=True)],
    OldReleases: lambda way, own: [OldReleases(way, "none", keep=1)],
    ReleasesBefore: lambda way, own: [ReleasesBefore(way, "none", count=1)],
    PasswordFile: lambda way, own: [PasswordFile(f"{way}/conf", {}, Source.of(b"{}"), owner=USER)],
    PartRead: lambda way, own: [PartRead(f"{way}/conf", 0, 1)],
    Permissions: lambda way, own: [
        Permissions(way, owner=USER, folders=0o755, files=0o644),
        Permissions(f"{way}/sub", owner="root", group="root"),
    ],
    PrivateKey: lambda way, own: [PrivateKey(f"{way}/.ssh/id_ed25519", "Ed25519", owner=USER)],
    Replace: lambda way, own: [
        Replace(f"{way}/conf", "a", "b", owner=USER),
        Replace(f"{way}/sub/conf", "a", "b", mode=0o644),
    ],
    Script: lambda way, own: [Script("#!/bin/cat\n", ["only"], cwd=way, reason="a test")],
    Tree: tree,
    Unpack: unpack,
    UserUnit: lambda way, own: [UserUnit(USER, "x.service", UNIT)],
    ValidCertificate: lambda way, own: [ValidCertificate(f"{way}/conf")],
    Watched: lambda way, own: [Watched(f"{way}/conf")],
}
#: kinds that run programs which follow names: as root they refuse such a folder
REFUSED: dict[type[Step], Make] = {
    AcmeCertificate: lambda way, own: [
        AcmeCertificate(f"{way}/crt", f"{way}/key", ["a.example"], "https://x", "x", f"{way}/s", ["true"])
    ],
    Certificate: lambda way, own: [
        Certificate(f"{way}/crt", f"{way}/key", ["a.example"], Source.of(b"x"), "")
    ],
    CertificateRequest: lambda way, own: [CertificateRequest(f"{way}/csr", f"{way}/key", ["a.example"])],
    Checkout: lambda way, own: [Checkout(str(own), f"{way}/src")],
    Configuration: lambda way, own: [Configuration(f"{way}/sub", {"conf": "new"}, ["true"])],
    Mount: lambda way, own: [Mount(f"{way}/sub", "tmpfs", "tmpfs")],
    TemporaryCertificate: lambda way, own: [TemporaryCertificate(f"{way}/crt", f"{way}/key", ["a.example"])],
    SelfSigned: lambda way, own: [SelfSigned(f"{way}/crt", f"{way}/key", ["a.example"])],
    # below a file: a prov that did not refuse it still could not put it in use on this machine
    SwapFile: lambda way, own: [SwapFile(1, f"{way}/conf/swap")],
    Venv: lambda way, own: [Venv(f"{way}/venv")],
}
#: kinds that never act in a folder that a step names, and why
ELSEWHERE = {
    "they write fixed places of root's, below /etc and /usr": [
        "ClientDropIn", "DefaultTarget", "DropIn", "HostsEntry", "Hostname", "Job", "JournalSettings", "Limits",
        "Locale", "Masked", "NoJob", "NoMount", "NoPin", "NoRepository", "NoRotation", "NoSudoers", "NoUnit",
        "Pin", "Repository", "Rotation", "SshdDropIn", "Sudoers", "Sysctl", "Sysusers", "Timezone", "Unit",
    ],
    "programs of the system do it, which hold locks of their own": [
        "Access", "Ageing", "Answers", "Autoremove", "Boolean", "Database", "DatabaseCopy", "DefaultPrivileges",
        "Either", "Extension", "Firewall", "Grant", "Group",
        "Hold", "Linger", "Module", "OwnTable", "Owner", "NoGroup", "NoPackages", "NoUser", "Packages",
        "DatabaseRole", "MadePassword", "Route", "Setting", "Ufw", "Upgrade", "ServiceUser", "User",
    ],
    "it refuses a folder that others can change, before it reads anything": ["Credential", "PackageFile"],
    "they act in releases, folders of root's alone": [
        "ApplicationCommand", "Built", "BuiltRelease", "EnvironmentBefore", "ReleaseServed", "ReleasesKnown",
        "PendingMigrations", "SchemaKnown",
    ],
    "systemd-tmpfiles(8) and restorecon(8) look for links themselves": ["Tmpfiles", "Restored"],
    "they ask systemd, the net or the kernel": [
        "AcmeReplacement", "ApplicationStates", "AtFront", "BalancerMember", "CertificateStates", "ConnectionsEnded",
        "LogLines", "ProcessesControlled", "StaysWell", "UnitCondition", "OnlyInstances", "Port", "Reboot",
        "RotatedCertificate", "Service", "ServedCertificate", "Url", "UserService",
    ],
    "its server would have to be there; its file is put in place as Unpack's are": ["Download"],
    "they go by records of root's alone, and have races of their own here": [
        "ChangesAllowed", "History", "FreeOfLocks", "OperatorLock", "Preview", "PreviewForgotten", "PreviewGone",
        "PreviewsKnown", "Prune", "Resumed", "Undo",
    ],
    "their folder is root's alone to change": ["ContainerImage", "Maintenance", "OldImages", "Switches"],
    "they are not steps, but what steps are made of": [
        "Step", "Execution", "Keyed", "LoadedTable", "NamedRelease", "RepositoryGone", "UserProcess",
    ],
}  # fmt: skip


def kinds() -> set[type[Step]]:
    """All kinds of steps there are."""
    found = set()
    for module in pkgutil.walk_packages(provision.steps.__path__, "provision.steps."):
        loaded = importlib.import_module(module.name)
        classes = [value for value in vars(loaded).values() if inspect.isclass(value)]
        found |= {cls for cls in classes if issubclass(cls, Step) and cls.__module__ == loaded.__name__}
    return found


def contents(own: Path) -> dict[str, tuple[bytes, bytes]]:
    """For each name in a folder: what the user has there, and what root has under the same name in the vault."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{own}/key", "-C", "theirs"], check=True
    )
    private, public = (own / "key").read_bytes(), (own / "key.pub").read_bytes()
    plain = (b"[a]\nb = 1\n", f"{CANARY}\n[a]\nb = 1\n".encode())
    return {
        "conf": plain,
        "sub/conf": plain,
        "releases/one/conf": plain,
        "releases/two/conf": plain,
        ".ssh/authorized_keys": (b"", f"{CANARY}\n".encode()),
        ".ssh/known_hosts": (b"", f"{CANARY}\n".encode()),
        ".ssh/id_ed25519": (private, CANARY.encode()),
        ".ssh/id_ed25519.pub": (public, CANARY.encode()),
        ".config/systemd/user/x.service": (b"", f"# {CANARY}\n".encode()),
        "db": (database(own / "theirs.db", "theirs"), database(own / "roots.db", CANARY)),
    }


def database(at: Path, text: str) -> bytes:
    """An SQLite database with one word in it."""
    with sqlite3.connect(at) as connection:
        connection.execute("CREATE TABLE t (word TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", [text])
    connection.close()
    return at.read_bytes()
