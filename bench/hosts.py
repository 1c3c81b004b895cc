"""Lab hosts for the benchmark, and how each tool is told to reach them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.log import say
from provision import lab

PREFIX = "b-"

# Ansible's apt and pip modules need these on the host. They are put there before the clock starts, so that
# no one pays for them, and package lists are made old, so that everyone fetches them.
BASELINE = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install python3-apt python3-packaging rsync >/dev/null
rm -f /var/lib/apt/periodic/update-success-stamp
touch -d '3 days ago' /var/lib/apt/lists
"""


@dataclass(frozen=True)
class Endpoint:
    """Where a host is reached, and what verifies and opens the login."""

    name: str
    address: str
    port: int
    user: str
    key: Path
    host_key: str  # "ssh-ed25519 AAAA..."


def names(count: int) -> list[str]:
    """b-1, b-2, ..."""
    return [f"{PREFIX}{n}" for n in range(1, count + 1)]


def fresh(count: int) -> list[Endpoint]:
    """As many hosts as new, with the baseline. Hosts of the same names are removed first."""
    wanted = names(count)
    remove(wanted)
    lab.up(wanted)
    points = endpoints(wanted)
    on_all(points, BASELINE, timeout=600)
    return points


def endpoints(wanted: Sequence[str]) -> list[Endpoint]:
    """The lab's hosts of these names, reached directly."""
    found = []
    for name in wanted:
        host = lab.find(name)
        if host is None:
            raise RuntimeError(f"the lab has no host {name}")
        keys = (line.split(None, 1) for line in host.known_hosts.read_text().splitlines() if line)
        host_key = next(key for known, key in keys if host.address in known.split(","))
        found.append(Endpoint(name, host.address, host.port, host.user, host.key, host_key.strip()))
    return found


def running(count: int) -> list[Endpoint] | None:
    """The hosts of these names if all of them run already; else None."""
    found = [lab.find(name) for name in names(count)]
    if any(host is None or host.state != "running" for host in found):
        return None
    return endpoints(names(count))


def remove(wanted: Sequence[str]) -> None:
    """Remove these hosts, those that are there."""
    there = [name for name in wanted if lab.find(name) is not None]
    if there:
        lab.down(there)


def via(points: Sequence[Endpoint], ports: Sequence[int]) -> list[Endpoint]:
    """The same hosts through proxies on this machine."""
    return [replace(p, address="127.0.0.1", port=port) for p, port in zip(points, ports)]


def write_ssh(points: Sequence[Endpoint], folder: Path) -> Path:
    """An ssh_config with all that ssh has to know of the hosts, beside a known_hosts; returns its path."""
    known = folder / "known_hosts"
    write_changed(known, "".join(f"{known_name(p)} {p.host_key}\n" for p in points))
    config = folder / "ssh_config"
    write_changed(
        config,
        "".join(
            f"Host {p.name}\n  HostName {p.address}\n  Port {p.port}\n  User {p.user}\n  IdentityFile {p.key}\n"
            for p in points
        )
        + f"Host *\n  UserKnownHostsFile {known}\n  StrictHostKeyChecking yes\n  IdentitiesOnly yes\n"
        "  BatchMode yes\n  ConnectTimeout 20\n  HostKeyAlgorithms ssh-ed25519\n",
    )
    return config


def write_changed(path: Path, text: str) -> None:
    """Write a file, unless it says that already: no one writes their configuration again for each run."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def known_name(point: Endpoint) -> str:
    """How known_hosts names it."""
    return point.address if point.port == 22 else f"[{point.address}]:{point.port}"


def ssh(point: Endpoint, script: str, *, timeout: float, stdin: bytes = b"") -> bytes:
    """What a sh script prints on the host. Raises RuntimeError with its errors."""
    argv = [
        "ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
        "-o", "StrictHostKeyChecking=yes", "-o", f"KnownHostsCommand=/bin/echo {known_name(point)} {point.host_key}",
        "-i", str(point.key), "-p", str(point.port), f"{point.user}@{point.address}",
        f"sh -c {shlex.quote(script)}",
    ]  # fmt: skip
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{point.name}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def on_all(points: Sequence[Endpoint], script: str, *, timeout: float) -> list[bytes]:
    """The script on every host, some at a time; what each printed."""
    from concurrent.futures import ThreadPoolExecutor

    if len(points) > 1:
        say(f"on {len(points)} hosts: {script.strip().splitlines()[0]} ...")
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda p: ssh(p, script, timeout=timeout), points))
