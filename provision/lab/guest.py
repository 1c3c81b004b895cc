"""Per-host files on a host's disk: name, keys, accounts, resolver, the other hosts' names.

Root on a host can put links in the paths that the lab writes. So no link is followed: folders are opened one
by one, and a file is replaced by renaming within its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from provision.lab import programs_run
from provision.lab.lab_host import ADMIN, HostRecord

_BEGIN = "# prov lab: the other hosts"
_END = "# prov lab: end"

# the machine's own resolver first; if it is a stub on the loopback, the servers that it asks
_RESOLVERS = (
    Path("/etc/resolv.conf"),
    Path("/run/systemd/resolve/resolv.conf"),
    Path("/run/NetworkManager/no-stub-resolv.conf"),
)


@contextmanager
def _folder(root: Path, parts: Iterable[str]) -> Iterator[int]:
    """Return a descriptor of a folder below root, opened without following links. Raises OSError."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    descriptor = os.open(root, flags)
    try:
        for part in parts:
            below = os.open(part, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def write(root: Path, path: str, text: str, mode: int = 0o644) -> None:
    """Replace a file of the host atomically. path: relative to its root; its folder exists."""
    *parts, name = path.split("/")
    temporary = f".{name}.prov-lab"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with _folder(root, parts) as folder:
        with os.fdopen(os.open(temporary, flags, mode, dir_fd=folder), "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)


def read(root: Path, path: str) -> str:
    """Return a file of the host. Raises OSError if it does not exist, or is a link."""
    *parts, name = path.split("/")
    with _folder(root, parts) as folder:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    with os.fdopen(descriptor) as file:
        return file.read()


def resolv_conf(files: Iterable[Path] = _RESOLVERS) -> str:
    """Return a resolv.conf(5) with this machine's name servers that a lab host can reach.

    Returns "" if there are none.
    """
    for file in files:
        lines = file.read_text().splitlines() if file.is_file() else []
        usable = [line for line in lines if line.split()[:1] in (["nameserver"], ["search"], ["options"])]
        usable = [line for line in usable if not line.split()[1].startswith(("127.", "::1"))]
        if any(line.startswith("nameserver") for line in usable):
            return "".join(f"{line}\n" for line in usable)
    return ""


def with_names(text: str, records: Iterable[HostRecord], own: str) -> str:
    """Return an /etc/hosts with the lab's block that names every host but own.

    A text without the block stays as it is, because the host's owner has rewritten the file.
    """
    lines = text.splitlines()
    if _BEGIN not in lines or _END not in lines:
        return text
    begin, end = lines.index(_BEGIN), lines.index(_END)
    named = [f"{record.address}\t{record.name}" for record in records if record.name != own]
    return "".join(f"{line}\n" for line in [*lines[: begin + 1], *named, *lines[end:]])


def refresh_names(root: Path, records: Iterable[HostRecord], own: str) -> None:
    """Update the lab's block in a host's /etc/hosts.

    If the host's owner removed the file, there is nothing to do.
    """
    try:
        before = read(root, "etc/hosts")
    except OSError:
        return
    after = with_names(before, records, own)
    if after != before:
        write(root, "etc/hosts", after)


def personalise(root: Path, record: HostRecord, client_key: str, password: str) -> str:
    """Add this host's own files to a new disk. Returns its public host key ("ssh-ed25519 AAAA...").

    client_key: the public key that may log in.  password: of the account of the login sudo-password.
    """
    write(root, "etc/hostname", f"{record.name}\n")
    local = f"127.0.0.1\tlocalhost\n127.0.1.1\t{record.name}\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    write(root, "etc/hosts", f"{local}{_BEGIN}\n{_END}\n")
    write(root, "etc/resolv.conf", resolv_conf())
    home = "root"
    if record.login != "root":
        home = f"home/{ADMIN}"
        _add_admin(root, record.login, password)
    ssh = root / home / ".ssh"
    ssh.mkdir(exist_ok=True)
    ssh.chmod(0o700)
    write(root, f"{home}/.ssh/authorized_keys", client_key, 0o600)
    owner = (root / home).stat()
    for path in (ssh, ssh / "authorized_keys"):
        os.chown(path, owner.st_uid, owner.st_gid)
    key = root / "etc/ssh/ssh_host_ed25519_key"
    programs_run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", record.name, "-f", str(key)])
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def _add_admin(root: Path, login: str, password: str) -> None:
    """Add the account of the sudo logins.

    Root then has no password and no key, so sshd does not let root in.
    """
    inside = ["chroot", str(root)]
    add = ["useradd", "--create-home", "--shell", "/bin/bash", "--uid", "1000"]
    if login == "sudo":
        programs_run.run([*inside, *add, ADMIN])
        write(root, f"etc/sudoers.d/90-{ADMIN}", f"{ADMIN} ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o440)
    else:
        programs_run.run([*inside, *add, "--groups", "sudo", ADMIN])
        programs_run.run([*inside, "chpasswd"], stdin=f"{ADMIN}:{password}\n")
