"""Packages of a Debian-family host: what dpkg's status file says, and apt-get for the rest. Shipped."""

import contextlib
import glob
import os
import re
import time
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from provision.agent.commands import Result, failure
from provision.errors import StepError

STATUS = "/var/lib/dpkg/status"
LISTS = "/var/lib/apt/lists"
#: cloud-init and unattended upgrades hold dpkg's lock on fresh instances for minutes
LOCK_TIMEOUT = 300
APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=%d" % LOCK_TIMEOUT, "-o", "Dpkg::Use-Pty=0")
APT_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
}
#: one line of `apt-get -s install`: Inst nginx [1.0] (1.22.1-9 Debian:12/stable [amd64]) []
INST = re.compile(r"^Inst (\S+) (?:\[(\S+)\] )?\((\S+)")

Run = Callable[..., Result]


class Planned(NamedTuple):
    """One package that apt would install: its version now ("" if none) and then."""

    name: str
    before: str
    after: str


class Apt:
    """run: executes a command on the host; ask: the same for commands that only read (or fill caches).

    told: takes lines that say how far a long command has come.
    """

    def __init__(self, run: Run, ask: Run, told: Callable[[str], None]) -> None:
        self._run = run
        self._ask = ask
        self._told = told
        self._read: Optional[Tuple[int, int]] = None
        self._installed: Dict[str, str] = {}

    def installed(self) -> Dict[str, str]:
        """Version of every installed package by name, read from dpkg's status file once while it is unchanged."""
        try:
            st = os.stat(STATUS)
        except FileNotFoundError:
            raise StepError(
                "this host has no dpkg: packages are only supported on Debian and Ubuntu"
            ) from None
        stamp = (st.st_mtime_ns, st.st_ino)
        if stamp != self._read:
            with open(STATUS, encoding="utf-8", errors="replace") as f:
                self._installed = parse_status(f.read())
            self._read = stamp
        return self._installed

    def version(self, name: str) -> str:
        """The installed version of a package, or ""."""
        return self.installed().get(name, "")

    def lists_age(self) -> float:
        """Seconds since the package lists were last fetched; infinity if never."""
        newest = 0.0
        for stamp in ("/var/lib/apt/periodic/update-success-stamp", LISTS + "/partial"):
            with contextlib.suppress(FileNotFoundError):
                newest = max(newest, os.stat(stamp).st_mtime)
        if not glob.glob(LISTS + "/*Packages*"):
            return float("inf")
        return max(0.0, time.time() - newest)

    def update(self) -> None:
        """Fetch the package lists. Writes package caches only, which is why a plan may do it as well."""
        end = time.monotonic() + LOCK_TIMEOUT
        while True:
            result = self._ask(
                (*APT, "update"), environment=APT_ENVIRONMENT, timeout=LOCK_TIMEOUT, on_line=self._told
            )
            # DPkg::Lock::Timeout does not cover the lists' own lock (apt.conf(5))
            held = "Could not get lock %s/lock" % LISTS in result.stderr
            if not held or time.monotonic() > end:
                break
            time.sleep(1)
        result.require("fetching the package lists", "Can this host reach its package mirror?")

    def simulate(self, names: Sequence[str]) -> List[Planned]:
        """What installing names would install or upgrade, in apt's own opinion. Raises StepError."""
        argv = (*APT, "-s", "--no-install-recommends", "install", "--", *names)
        result = self._ask(argv, environment=APT_ENVIRONMENT, timeout=120)
        if result.status:
            raise explain(result)
        found = (INST.match(line) for line in result.stdout.splitlines())
        return sorted(Planned(m.group(1), m.group(2) or "", m.group(3)) for m in found if m)

    def install(self, names: Sequence[str]) -> List[Planned]:
        """Install packages, after repairing an interrupted dpkg run; returns all that came or changed."""
        before = self.installed()
        self.repair()
        argv = (*APT, "--no-install-recommends", "install", "--", *names)
        result = self._run(argv, environment=APT_ENVIRONMENT, timeout=1800)
        if result.status:
            raise explain(result)
        after = self.installed()
        return [Planned(n, before.get(n, ""), v) for n, v in sorted(after.items()) if before.get(n) != v]

    def remove(self, names: Sequence[str]) -> None:
        """Remove packages, keeping their configuration files."""
        self.repair()
        result = self._run((*APT, "remove", "--", *names), environment=APT_ENVIRONMENT, timeout=600)
        if result.status:
            raise explain(result)

    def repair(self) -> None:
        """Finish what an interrupted dpkg left undone: it refuses to work until then."""
        if glob.glob("/var/lib/dpkg/updates/[0-9]*"):
            self._run(("dpkg", "--configure", "-a"), environment=APT_ENVIRONMENT, timeout=900).require(
                "repairing an interrupted package installation"
            )


def parse_status(text: str) -> Dict[str, str]:
    """Installed packages in the text of dpkg's status file: name -> version (deb822, dpkg(1))."""
    installed = {}
    for block in text.split("\n\n"):
        name = version = status = ""
        for line in block.split("\n"):
            if line.startswith("Package: "):
                name = line[9:]
            elif line.startswith("Status: "):
                status = line[8:]
            elif line.startswith("Version: "):
                version = line[9:]
                break
        if status.endswith(" installed"):
            installed[name] = version
    return installed


def explain(result: Result) -> StepError:
    """apt's failure in words."""
    missing = re.findall(
        r"Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate", result.stderr
    )
    if missing:
        names = sorted({a or b for a, b in missing})
        return failure(
            "this host's repositories have no package %s" % ", ".join(repr(n) for n in names),
            result,
            "Check the spelling, or add the repository that has it.",
        )
    if "Could not get lock" in result.stderr or "Unable to acquire the dpkg frontend lock" in result.stderr:
        return failure(
            "another program held dpkg's lock for %d s" % LOCK_TIMEOUT,
            result,
            "Look who it is with `fuser -v /var/lib/dpkg/lock-frontend`, or try again later.",
        )
    if "No space left on device" in result.stderr + result.stdout:
        return failure(
            "the disk of this host is full", result, "Free some space; `df -h` and `apt-get clean` help."
        )
    return failure("apt-get failed", result)
