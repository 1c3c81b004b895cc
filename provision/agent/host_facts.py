"""Facts about a host, sent in the agent's first message; read from files and a few ioctls only. Shipped."""

import array
import contextlib
import fcntl
import os
import pwd
import socket
import struct
import sys
from typing import Any, Dict, List, Tuple

SIOCGIFCONF = 0x8912


def gather() -> Dict[str, Any]:
    """Return the facts as JSON values; the controller's `Facts` documents them."""
    release = os_release()
    memory = meminfo()
    return {
        "distribution": release.get("ID", "unknown"),
        "version": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "family": family(release),
        "architecture": os.uname().machine,
        "kernel": os.uname().release,
        "hostname": os.uname().nodename,
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": memory.get("MemTotal", 0) // 1024,
        "addresses": addresses(),
        "python": "%d.%d.%d" % sys.version_info[:3],
        "python_path": sys.executable,
        "init": init(),
        "user": pwd.getpwuid(os.geteuid()).pw_name,
        "login_user": os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name,
    }


def boot_id() -> str:
    """Return the id of this boot (random(4)); each boot has a new one."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
        return f.read().strip()


def os_release() -> Dict[str, str]:
    """Return /etc/os-release as a mapping (os-release(5))."""
    found = {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as f:
            for line in f:
                name, sep, value = line.strip().partition("=")
                if sep:
                    found[name] = value.strip("\"'")
            break
    return found


def family(release: Dict[str, str]) -> str:
    """Return "debian", "redhat" or the distribution's own ID, from ID and ID_LIKE."""
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    if "debian" in names:
        return "debian"
    return "redhat" if {"rhel", "fedora", "amzn"} & set(names) else names[0]


def meminfo() -> Dict[str, int]:
    """Return /proc/meminfo, in kB."""
    with open("/proc/meminfo", encoding="ascii") as f:
        lines = (line.split() for line in f)
        return {parts[0].rstrip(":"): int(parts[1]) for parts in lines}


def addresses() -> List[str]:
    """Return the host's addresses except loopback and link-local ones, IPv4 first."""
    return [a for _, a in ipv4() if not a.startswith("127.")] + ipv6()


def ipv4() -> List[Tuple[str, str]]:
    """Return pairs (interface, address), by ioctl SIOCGIFCONF (netdevice(7))."""
    size = struct.calcsize("16s16s8x") if struct.calcsize("P") == 8 else 32
    buffer = array.array("B", bytes(size * 128))
    address, length = buffer.buffer_info()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        answer = fcntl.ioctl(s.fileno(), SIOCGIFCONF, struct.pack("iP", length, address))
    used = struct.unpack("iP", answer)[0]
    raw = buffer.tobytes()[:used]
    entries = [raw[at : at + size] for at in range(0, used, size)]
    return [(e[:16].split(b"\0", 1)[0].decode(), socket.inet_ntoa(e[20:24])) for e in entries]


def ipv6() -> List[str]:
    """Return the global IPv6 addresses in /proc/net/if_inet6 (scope 00)."""
    found = []
    with contextlib.suppress(FileNotFoundError), open("/proc/net/if_inet6", encoding="ascii") as f:
        for line in f:
            packed, _, _, scope, *_ = line.split()
            if scope == "00":
                found.append(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(packed)))
    return found


def init() -> str:
    """Return "systemd" if it is the running init (sd_booted(3)), else the name of process 1."""
    if os.path.isdir("/run/systemd/system"):
        return "systemd"
    with open("/proc/1/comm", encoding="utf-8") as f:
        return f.read().strip()
