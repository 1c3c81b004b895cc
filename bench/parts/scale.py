"""Very many hosts without their cost: addresses of a network of tests, all on one lab host, each login a light sshd.

The network 198.18.0.0/16 (RFC 2544: for benchmarks) is routed to the lab host, which takes all of it for its own.
A second sshd there, without PAM, starts each agent with a /var/lib/prov of its own, as prov lets one run at a time
work on a host.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from bench.hosts import Endpoint, ssh
from bench.lab import Bench
from bench.log import say
from bench.measure import Failed, run
from bench.tools import TOOLS
from bench.tools.prov import deploy

PART = "scale"
NETWORK = "198.18.0.0/16"
PORT = 2222
FORKS = 32
RUNS = 3

ENTER = """#!/bin/sh
exec unshare --mount sh -c 'mount -t tmpfs -o mode=700 light /var/lib/prov && exec sh -c "$SSH_ORIGINAL_COMMAND"'
"""

SSHD = f"""Port {PORT}
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
PrintMotd no
MaxStartups 2000
PidFile /run/light/pid
ForceCommand /run/light/enter
"""

START = f"""
set -e
ip route replace local {NETWORK} dev lo
[ ! -e /run/light/pid ] || exit 0
/usr/sbin/sshd -f /run/light/sshd_config
"""


def measure(bench: Bench, counts: Sequence[int]) -> None:
    """prov with a role of one step: seconds, CPU, memory, threads. counts: numbers of hosts."""
    points = bench.points[:1] or bench.fresh(1)
    bench.record.begin(PART)
    with light(points[0]):
        for count in sorted(counts):
            for _ in range(min(RUNS, bench.rounds)):
                once(bench, points[0], count)


def once(bench: Bench, point: Endpoint, count: int) -> None:
    """One run. count: number of addresses."""
    case = f"{count} hosts"
    many = [
        replace(point, name=f"light{n}", address=f"198.18.{n // 250}.{n % 250 + 1}", port=PORT)
        for n in range(count)
    ]
    command = deploy(many, bench.folder(), {"roles": ["noop"]}, "--forks", str(FORKS))
    try:
        done = run(command, timeout=60 + count / 2, sample=True)
        if done.output.count(" done, ") < count or TOOLS["prov"].unchanged(done.output, count) is False:
            raise Failed(f"not all hosts are done and unchanged:\n{done.output[-2000:]}")
    except Failed as error:
        say(f"{case}: FAILED: {error}")
        bench.record.add(PART, case=case, failed=str(error)[-2000:])
        return
    say(f"{case}: {done.seconds:.1f} s, {done.cpu:.1f} s CPU, {done.memory:.0f} MB, {done.threads} threads")
    also = {"memory, MB": round(done.memory), "threads": done.threads, "forks": FORKS}
    bench.record.add(PART, case=case, seconds=done.seconds, cpu=done.cpu, memory=done.memory, also=also)


@contextmanager
def light(point: Endpoint) -> Iterator[None]:
    """The light hosts, while entered."""
    put(point, "/run/light/enter", ENTER)
    put(point, "/run/light/sshd_config", SSHD)
    ssh(point, START, timeout=30)
    route = ["ip", "route", "replace", NETWORK, "via", point.address]
    subprocess.run(route, check=True, capture_output=True, timeout=10)
    try:
        yield
    finally:
        subprocess.run(["ip", "route", "del", NETWORK], capture_output=True, timeout=10)
        ssh(point, f"kill $(cat /run/light/pid); ip route del local {NETWORK} dev lo", timeout=30)


def put(point: Endpoint, path: str, text: str) -> None:
    """A file that root may run, on the host."""
    script = f"mkdir -p /run/light /var/lib/prov; cat >{path}; chmod 755 {path}"
    ssh(point, script, timeout=30, stdin=text.encode())
