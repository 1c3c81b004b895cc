"""Packages of a Debian-family host: read from dpkg's status file, changed by apt-get. Shipped."""

import contextlib
import glob
import os
import re
import time
from typing import Any, Callable, ContextManager, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from provision.errors import StepError
from provision.system.command_execution import Result
from provision.system.packages import dpkg
from provision.system.packages.apt_errors import explain
from provision.system.packages.dpkg import LOCK_TIMEOUT, Package
from provision.system.starts import forbidden

#: files that list repositories
SOURCES = "/etc/apt/sources.list.d"
LISTS = "/var/lib/apt/lists"
#: lists the packages that were installed as dependencies only
EXTENDED_STATES = "/var/lib/apt/extended_states"
#: Pattern-Only keeps apt-get from taking a name such as "python3.99" for a regular expression (apt-get(8)).
#: dpkg must not ask about a configuration file that was changed on the host: it stays (dpkg(1),
#: --force-things)
APT = (
    "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=%d" % LOCK_TIMEOUT, "-o", "Dpkg::Use-Pty=0",
    "-o", "APT::Cmd::Pattern-Only=1",
    "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
)  # fmt: skip
APT_ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
}
#: lines of `apt-get -s`: Inst nginx [1.0] (1.22.1-9 Debian:12/stable [amd64]) []; Remv nginx [1.0]; Conf ...
SIMULATED = re.compile(r"^(Inst|Conf|Remv|Purg) (\S+)(?: \[(\S+)\])?(?: \((\S+))?")

Run = Callable[..., Result]


class AptAction(NamedTuple):
    """One action of apt-get: verb is Inst, Conf, Remv or Purg."""

    verb: str
    name: str
    before: str
    after: str


class Apt:
    """apt and dpkg.

    run: executes a command on the host.  ask: the same for commands that only read (or fill caches).
    progress: takes lines that show the progress of a long command.
    """

    def __init__(self, run: Run, ask: Run, progress: Callable[[str], None]) -> None:
        self._run = run
        self._ask = ask
        self._progress = progress
        self._stamp: Optional[Tuple[object, ...]] = None
        self._packages: Dict[str, Package] = {}

    # -- queries

    def all(self) -> Dict[str, Package]:
        """Return all entries of dpkg by name, cached while its files are unchanged."""
        stamp = dpkg.stamp()
        if stamp != self._stamp:
            self._packages = dpkg.read()
            self._stamp = stamp
        return self._packages

    def installed(self) -> Dict[str, str]:
        """Return the version of every installed package by name."""
        return {name: p.version for name, p in self.all().items() if p.works}

    def key(self, name: str) -> str:
        """Return the key of a package in `all` ("nginx", "libc6:i386", "bash:amd64"), or the name itself."""
        alone, _, architecture = name.partition(":")
        found = self.all().get(alone)
        own = found is not None and found.architecture == architecture
        return alone if own and name not in self.all() else name

    def find(self, name: str) -> Optional[Package]:
        """Return dpkg's entry of a package, or None."""
        return self.all().get(self.key(name))

    def version(self, name: str) -> str:
        """Return the installed version of a package ("nginx", "libc6:i386"), or ""."""
        found = self.find(name)
        return found.version if found is not None and found.works else ""

    def provider(self, name: str) -> str:
        """Return an installed package that provides a virtual one, or "" (Debian policy, 7.5).

        If a package of that name exists, apt-get installs it; `provider` then returns "".
        """
        word = re.compile(r"(^|[\s,])%s($|[\s,(])" % re.escape(name))
        given = (n for n, p in self.all().items() if p.works and word.search(p.field("Provides")))
        found = next(given, "")
        return "" if found and self.candidates([name]).get(name) else found

    def automatic(self) -> Set[str]:
        """Return the names of packages that were installed as dependencies only: autoremove removes them."""
        try:
            with open(EXTENDED_STATES, encoding="utf-8") as f:
                blocks = f.read().split("\n\n")
        except FileNotFoundError:
            return set()
        marked = [block.strip().split("\n") for block in blocks if "Auto-Installed: 1" in block]
        fields = [dict(line.partition(": ")[::2] for line in block) for block in marked]
        # apt uses the host's own architecture for packages of architecture "all"
        native = [p.architecture for p in self.all().values() if p.name == "dpkg"]
        return {
            name if architecture in ("", *native) else "%s:%s" % (name, architecture)
            for name, architecture in ((f.get("Package", ""), f.get("Architecture", "")) for f in fields)
        }

    def interrupted(self) -> bool:
        """Return whether a killed dpkg left work to finish before anything else."""
        return dpkg.interrupted()

    def lists_age(self) -> float:
        """Return the seconds since the package lists were last fetched; infinity if never."""
        newest = 0.0
        for stamp in ("/var/lib/apt/periodic/update-success-stamp", LISTS + "/partial"):
            with contextlib.suppress(FileNotFoundError):
                newest = max(newest, os.stat(stamp).st_mtime)
        if not glob.glob(LISTS + "/*Packages*"):
            return float("inf")
        return max(0.0, time.time() - newest)

    def candidates(self, names: Sequence[str]) -> Dict[str, str]:
        """Return the version that apt would install of each package, with pins; "" if it has none."""
        said = self.query("apt-cache", "policy", "--", *names).require("asking apt for versions").stdout
        found = re.findall(r"(?m)^(\S+):\n(?:  .*\n)*?  Candidate: (\S+)", said)
        return {name: "" if version == "(none)" else version for name, version in found}

    def simulate(self, *words: str) -> List[AptAction]:
        """Return what apt-get would do for these arguments, by its own simulation. Raises StepError."""
        result = self.query(*APT, "-s", *words)
        if result.status:
            raise self.explain(result)
        found = (SIMULATED.match(line) for line in result.stdout.splitlines())
        return [AptAction(m[1], m[2], m[3] or "", m[4] or "") for m in found if m]

    def query(self, *argv: str, **options: Any) -> Result:
        """Run one of apt's programs for a query."""
        with self.picture() as environment:
            options = {"timeout": LOCK_TIMEOUT, "on_line": self._progress, **options}
            return self._ask(argv, environment={**APT_ENVIRONMENT, **environment}, **options)

    def picture(self) -> "ContextManager[Dict[str, str]]":
        """Yield the environment in which apt's programs see the host as the steps do."""
        return contextlib.nullcontext({})

    # -- changes

    def update(self) -> None:
        """Fetch the package lists. This only writes package caches, so a plan may do it too."""
        self._update().require(
            "fetching the package lists", "Check that this host can reach its package mirror."
        )

    def fetch_lists_of(self, name: str) -> Result:
        """Fetch the lists of one repository, the file of that name in /etc/apt/sources.list.d."""
        if self.lists_age() == float("inf"):
            # otherwise the lists of this repository would make those of all others look fresh
            return self._update("-o", "APT::Update::Error-Mode=any")
        options = (
            "Dir::Etc::SourceList=sources.list.d/%s" % name,
            "Dir::Etc::SourceParts=-",
            "APT::Get::List-Cleanup=0",
            "APT::Update::Error-Mode=any",
        )
        when = os.stat(LISTS + "/partial").st_mtime
        try:
            return self._update(*(word for option in options for word in ("-o", option)))
        finally:
            os.utime(LISTS + "/partial", (when, when))

    def _update(self, *options: str) -> Result:
        end = time.monotonic() + LOCK_TIMEOUT
        while True:
            result = self.query(*APT, *options, "update")
            # DPkg::Lock::Timeout does not cover the lock of the lists (apt.conf(5))
            held = "Could not get lock %s/lock" % LISTS in result.stderr
            if not held or time.monotonic() > end:
                return result
            self._progress("waiting for another program, which fetches the package lists")
            time.sleep(1)

    def act(self, *words: str) -> None:
        """Run apt-get with these arguments.

        First wait for other users of dpkg, and finish interrupted work.
        """
        self.repair()
        result = self._run((*APT, *words), environment=APT_ENVIRONMENT)
        if gone_from_mirror(result):
            self.update()
            result = self._run((*APT, *words), environment=APT_ENVIRONMENT)
        if result.status:
            raise self.explain(result)

    def starting(self, allowed: bool) -> "ContextManager[None]":
        """Allow or forbid, during the block, that new packages start their units."""
        return forbidden(not allowed)

    def mark(self, how: str, names: Sequence[str]) -> None:
        """Run apt-mark(8): how is manual, hold or unhold."""
        dpkg.wait(self._progress)
        self._run(("apt-mark", how, "--", *names)).require("marking packages")

    def repair(self) -> None:
        """Finish an interrupted dpkg, which refuses to work until then."""
        dpkg.wait(self._progress)
        if dpkg.interrupted():
            argv = ("dpkg", "--force-confdef", "--force-confold", "--configure", "-a")
            self._run(argv, environment=APT_ENVIRONMENT).require(
                "finishing an interrupted package installation",
                "Once `dpkg --configure -a` ends well on this host, run again.",
            )

    def explain(self, result: Result) -> StepError:
        """Describe a failure of apt-get."""
        return explain(result, self.query)


def gone_from_mirror(result: Result) -> bool:
    """Return whether the lists are older than the mirror, which no longer has a file that they name."""
    return result.status != 0 and bool(re.search(r"Failed to fetch .* 404 ", result.stderr))
