"""Start and stop a host's systemd-nspawn, and wait until the host answers on SSH.

It runs with a control group of its own, in one of two ways: if systemd is init, as a transient unit like its
systemd-nspawn@.service; elsewhere as a shell in a session of its own.
Source: systemd-nspawn(1) ("--keep-unit", "--register").
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab import cgroup, disk, openssh, programs_run, store
from provision.lab.lab_host import HostRecord
from provision.lab.store import SSH_PORT, HostDir, Lab

BOOT_SECONDS = 60.0

_POLL_SECONDS = 0.02
_START_SECONDS = 3.0  # until the first of its processes must exist

# Source: systemd's docs/ENVIRONMENT.md, "systemd-nspawn".
_ENVIRONMENT = {
    # the host's init sees the second version of control groups, even if this machine's are hybrid
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    # a host may set its own net.* sysctls, which belong to its namespace
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
    # /tmp is as in the release, not a small tmpfs
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",
}

_SUPERVISE = Path(__file__).with_name("supervise.sh")

_ESCAPES = re.compile(
    r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[A-Z=>])|[\r\x00-\x08]"
)


def _nspawn(lab: Lab, host: HostDir, record: HostRecord) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        "--private-users=no",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--console=read-only",
        f"--network-namespace-path={host.netns}",
        "--capability=CAP_NET_ADMIN",  # for firewalls, net.* sysctls; else only --private-network grants it
        "--system-call-filter=pidfd_getfd",  # as on a machine: nspawn forbids it in spite of CAP_SYS_PTRACE
        f"--machine={_machine(lab, host.name)}",
        f"--hostname={record.name}",
        f"--directory={host.root}",
    ]


def unit(lab: Lab, name: str) -> str:
    """Return the transient unit of a host, which also names its control group."""
    return f"{lab.tag}-{name}"


def _machine(lab: Lab, name: str) -> str:
    """Return systemd-nspawn's name for the host, which names its folders under /run.

    It is unique on this machine, and a host name, so it has at most 64 characters.
    """
    full = unit(lab, name)
    return full if len(full) <= 64 else f"{lab.tag}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def start(lab: Lab, host: HostDir, record: HostRecord) -> None:
    """Start the host. Its disk must be mounted, its network connected, and all of its processes gone."""
    supervisor = ["sh", str(_SUPERVISE), str(lab.cgroup(host.name)), *_nspawn(lab, host, record)]
    host.console.write_bytes(b"")
    host.console.chmod(0o600)
    if cgroup.under_systemd():
        programs_run.run(_transient_unit(lab, host, supervisor))
    else:
        cgroup.make(lab.cgroup(host.name))
        # --fork: the shell becomes init's child, not prov's, so a long-lived caller gets no zombie
        redirected = ["sh", "-c", 'exec "$@" < /dev/null > "$0" 2>&1', str(host.console), *supervisor]
        programs_run.run(["setsid", "--fork", *redirected], environment=_ENVIRONMENT)


def _transient_unit(lab: Lab, host: HostDir, argv: Sequence[str]) -> list[str]:
    properties = {
        "Delegate": "yes",
        "KillMode": "mixed",
        "TasksMax": "16384",
        "StandardOutput": f"append:{host.console}",
        "StandardError": f"append:{host.console}",
    }
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={unit(lab, host.name)}.service",
        f"--description=prov lab host {host.name}",
        *(f"--property={name}={value}" for name, value in properties.items()),
        *(f"--setenv={name}={value}" for name, value in {**programs_run.ENVIRONMENT, **_ENVIRONMENT}.items()),
        *argv,
    ]


def stop(lab: Lab, host: HostDir) -> None:
    """End all of the host's processes at once, and remove what they leave on the machine outside its disk."""
    group = lab.cgroup(host.name)
    cgroup.end(group, remove=not cgroup.under_systemd())
    if cgroup.under_systemd():
        name = f"{unit(lab, host.name)}.service"
        if (
            programs_run.run(["systemctl", "show", "--property=LoadState", "--value", name]).strip()
            == "loaded"
        ):
            programs_run.run(["systemctl", "stop", name])
    disk.forget_runtime(host, _machine(lab, host.name))


def wait_for_login(lab: Lab, record: HostRecord) -> None:
    """Wait until the host lets its user in.

    Raises LabError, with the console's last lines, if the host ends or BOOT_SECONDS pass.
    """
    host = lab.host(record.name)
    begun = time.monotonic()
    seen = False
    while time.monotonic() < begun + BOOT_SECONDS:
        if _greets(record.address) and (record.login == "root" or _lets_in(record.name)):
            return
        running = cgroup.populated(lab.cgroup(record.name))
        seen = seen or running
        if not running and (seen or time.monotonic() > begun + _START_SECONDS):
            raise _boot_failure(host, "ended while it booted")
        time.sleep(_POLL_SECONDS)
    raise _boot_failure(host, f"accepts no login on port {SSH_PORT} after {BOOT_SECONDS:g} s")


def _lets_in(name: str) -> bool:
    """Return whether a login works. sshd sends its banner before pam_nologin(8) lets anyone but root in."""
    found = store.find(name)
    if not found:
        return False
    try:
        programs_run.run(openssh.argv(found, ["true"], batch=True), timeout=2 * openssh.CONNECT_SECONDS)
    except LabError:
        return False
    return True


def _greets(address: str) -> bool:
    """Return whether an SSH server answers."""
    try:
        with socket.create_connection((address, SSH_PORT), timeout=0.5) as connection:
            connection.settimeout(2.0)
            # sshd logs an error about a client that leaves without a version string (RFC 4253, 4.2)
            connection.sendall(b"SSH-2.0-prov_lab\r\n")
            return connection.recv(256).startswith(b"SSH-")
    except OSError:
        return False


def console_tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a console, without colours and cursor movements."""
    text = path.read_bytes()[-16384:].decode(errors="replace") if path.is_file() else ""
    clean = [line.rstrip() for line in _ESCAPES.sub("", text).splitlines()]
    return "\n".join([line for line in clean if line][-lines:])


def _boot_failure(host: HostDir, what: str) -> LabError:
    said = console_tail(host.console) or "(nothing)"
    hint = f"All of it: {host.console}. To start over: prov lab down {host.name}"
    if "Too many open files" in said or _inotify_is_used_up():
        hint = (
            "The kernel has no inotify instances left for root. Take some hosts down, or allow for more:"
            " sysctl fs.inotify.max_user_instances=1024"
        )
    return LabError(f"{host.name} {what}. Its console's last lines:\n{said}", hint=hint)


def _inotify_is_used_up(proc: Path = Path("/proc")) -> bool:
    """Return whether root uses all inotify instances that the kernel allows.

    Each systemd needs some, and one that gets none hangs during boot, often without a message.
    Source: inotify(7), "/proc interfaces".
    """
    used = 0
    for link in proc.glob("[0-9]*/fd/*"):
        with suppress(OSError):  # the process has ended, or the file is gone
            used += os.readlink(link) == "anon_inode:inotify"  # noqa: PTH115 (as it is, also for what is not a path)
    return used >= int((proc / "sys/fs/inotify/max_user_instances").read_text())
