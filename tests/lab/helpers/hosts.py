"""Lab hosts for tests: each booted once, when it is first wanted, and all of them taken down at the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from helpers.cli import PROV
from provision import lab


@dataclass(frozen=True)
class Kind:
    """What a host is like before prov comes."""

    image: str = "debian-12"
    login: str = "root"
    python: bool = True

    @property
    def options(self) -> list[str]:
        without = [] if self.python else ["--without-python"]
        return ["--image", self.image, "--login", self.login, *without]


@dataclass
class Hosts:
    """known: names of the hosts that these tests have, or may have, booted."""

    known: set[str] = field(default_factory=set)

    def up(self, kinds: dict[str, Kind]) -> dict[str, lab.LabHost]:
        """Boot hosts in parallel, those from earlier tests apart; a host that an earlier run of the tests has
        left behind is made again."""
        new = {name: kind for name, kind in kinds.items() if name not in self.known}
        self.known |= set(new)
        down([name for name in new if lab.find(name)])
        with ThreadPoolExecutor() as pool:
            for kind in set(new.values()):
                pool.submit(_lab, "up", *kind.options, *(n for n in new if new[n] == kind))
        found = {name: lab.find(name) for name in kinds}
        missing = [name for name, host in found.items() if host is None or host.state != "running"]
        if missing:
            # once more, to say why
            _lab("up", *kinds[missing[0]].options, missing[0])
        return {name: host for name, host in found.items() if host}

    def one(self, name: str, kind: Kind | None = None) -> lab.LabHost:
        """Boot one host."""
        return self.up({name: kind or Kind()})[name]

    def down(self, names: Iterable[str] | None = None) -> None:
        """Remove some of them, or all."""
        gone = self.known.intersection(self.known if names is None else names)
        down([name for name in gone if lab.find(name)])
        self.known -= gone


def down(names: list[str]) -> None:
    if names:
        _lab("down", *names)


def _lab(*argv: str) -> None:
    # many hosts go at once, on a machine that other tests keep busy
    seconds = 180 + 20 * len(argv)
    done = subprocess.run([PROV, "lab", *argv], capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, (argv, done.stderr)


def on(name: str, *argv: str, check: bool = True, timeout: float = 60) -> str:
    """What a command prints on a host, run as root; its words arrive as they are."""
    host = lab.find(name)
    assert host is not None
    sudo = {"root": [], "sudo": ["sudo", "-n"], "sudo-password": ["sudo", "-S", "-p", ""]}[host.login]
    done = subprocess.run(
        [PROV, "lab", "ssh", name, "--", *sudo, *argv],
        input=f"{host.password}\n" if host.password else "",
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert not check or done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout.strip()


def reboot(*names: str, seconds: float = 60) -> None:
    """Boot hosts again, all at once, until each lets root in."""
    boot_id = "/proc/sys/kernel/random/boot_id"
    before = {name: on(name, "cat", boot_id) for name in names}
    for name in names:
        on(name, "systemctl", "reboot", check=False)
    end = time.monotonic() + seconds
    for name, boot in before.items():
        while _now(name, boot_id) in ("", boot):
            assert time.monotonic() < end, f"{name} does not come back"
            time.sleep(0.2)


def _now(name: str, path: str) -> str:
    """What a file on a host says; "" if it can't be asked."""
    try:
        return on(name, "cat", path, check=False)
    except subprocess.TimeoutExpired:
        # a host that goes down during ssh's authentication: ssh looks for a dead link before it and after it only
        return ""


def settle(name: str, seconds: float = 30) -> None:
    """Wait until systemd has nothing under way on a host: no jobs, no unit between two states. Services that are
    being restarted are, and what a plan says of them is over before the deploy."""
    between = "--state=activating,deactivating,reloading"
    end = time.monotonic() + seconds
    while busy := on(
        name,
        "sh",
        "-c",
        f"systemctl list-jobs -q --plain --no-legend; systemctl list-units {between} -q --plain --no-legend",
    ):
        assert time.monotonic() < end, f"{name} does not come to rest: {busy}"
        time.sleep(0.3)


def snapshot(name: str) -> dict[str, str]:
    """Every path on a host's disk with what it is, but for what the system and the lab keep busy."""
    busy = (
        "/etc/hosts",
        "/var/log",
        "/var/lib/systemd",
        "/var/cache/ldconfig",
        "/var/lib/apt/daily_lock",
        "/var/lib/dpkg/lock*",
    )
    skipped = [word for path in busy for word in ("-path", path, "-prune", "-o")]
    # folders without their times: a temporary file that comes and goes is not a change
    found = on(name, "find", "/", "-xdev", *skipped, "-type", "d", "-printf", "%p\t%m %u\n")
    found += "\n" + on(
        name, "find", "/", "-xdev", *skipped, "-not", "-type", "d", "-printf", "%p\t%m %u %s %T@\n"
    )
    return dict(line.split("\t") for line in found.splitlines())
