"""Packages of a host with rpm and dnf. Shipped with the steps that use them."""

import contextlib
import re
from typing import Any, Callable, ContextManager, Dict, List, NamedTuple, Optional, Sequence, Tuple

from provision.system.command_execution import Result
from provision.system.packages import rpm
from provision.system.packages.dnf_errors import explain

REPOSITORIES = "/etc/yum.repos.d"
KEYS = "/etc/pki/rpm-gpg"
DNF = ("dnf", "-y")
SECTION = re.compile(r"^(Installing|Upgrading|Downgrading|Reinstalling|Removing)\b.*:$")

Run = Callable[..., Result]


class DnfAction(NamedTuple):
    """One action of dnf. name: as in rpm.key."""

    verb: str
    name: str
    version: str


class Dnf:
    """dnf and rpm.

    run: executes a command on the host.  ask: the same for commands that only read (or fill caches).
    progress: takes lines that show the progress of a long command. dnf itself waits for others, and says so.
    """

    def __init__(self, run: Run, ask: Run, progress: Callable[[str], None]) -> None:
        self._run = run
        self._ask = ask
        self._progress = progress
        self._installed: Optional[Dict[str, str]] = None

    # -- queries

    def installed(self) -> Dict[str, str]:
        """Return the version of every installed package by name, from one query until something changes."""
        if self._installed is None:
            self._installed = rpm.installed(self.query)
        return self._installed

    def version(self, name: str) -> str:
        """Return the installed version of a package ("nginx", "glibc.i686"), or ""."""
        found = self.installed().get(name, "")
        if not found and "." in name:
            # a name with the host's own architecture
            found = self.installed().get(rpm.key(*name.rsplit(".", 1)), "")
        return found

    def provider(self, name: str) -> str:
        """Return an installed package that provides another one (curl-minimal for curl), or ""."""
        said = self.query("rpm", "-q", "--whatprovides", "--qf", r"%{NAME}\n", name)
        return said.stdout.split("\n")[0] if said.status == 0 else ""

    def newer(self, names: Sequence[str]) -> Dict[str, str]:
        """Return name -> version for packages of which the repositories have a newer version."""
        form = r"%{name} %{arch} %{epoch}:%{version}-%{release}\n"
        argv = (*DNF, "-q", "repoquery", "--upgrades", "--latest-limit=1", "--qf", form, *names)
        result = self.query(*argv)
        if result.status:
            raise explain(result, self.query)
        rows = (line.split() for line in result.stdout.splitlines())
        return {rpm.key(row[0], row[1]): rpm.shown(row[2]) for row in rows if len(row) == 3}

    def simulate(self, *words: str) -> List[DnfAction]:
        """Return what dnf would do for these arguments, by its own resolution. Raises StepError."""
        result = self.query(*DNF, "--assumeno", *words)
        if result.status and "Operation aborted" not in result.stdout + result.stderr:
            raise explain(result, self.query)
        return parse(result.stdout)

    def query(self, *argv: str, **options: Any) -> Result:
        """Run rpm or dnf for a query."""
        with self.picture() as (environment, settings):
            if argv[0] == "dnf":
                argv = ("dnf", *settings, *argv[1:])
                options.setdefault("on_line", self._progress)
            return self._ask(argv, environment=environment, timeout=options.pop("timeout", 300), **options)

    def picture(self) -> "ContextManager[Tuple[Dict[str, str], Sequence[str]]]":
        """Yield the environment and options with which rpm and dnf see the host as the steps do."""
        return contextlib.nullcontext(({}, ()))

    # -- changes

    def fetch_metadata_of(self, name: str) -> Result:
        """Fetch a repository's metadata into dnf's cache."""
        only = ("--disablerepo=*", "--enablerepo=%s" % name, "--setopt=%s.skip_if_unavailable=0" % name)
        return self.query(*DNF, *only, "--refresh", "makecache")

    def act(self, *words: str) -> None:
        """Run dnf with these arguments, the command first."""
        result = self._run((*DNF, *words))
        self._installed = None
        if result.status:
            raise explain(result, self.query)


def parse(text: str) -> List[DnfAction]:
    """Parse the table of a transaction: name, architecture, version, repository, size.

    A long name has its own line.
    """
    found: List[DnfAction] = []
    words: List[str] = []
    verb = ""
    for line in text.splitlines():
        section = SECTION.match(line)
        if section or not line.startswith(" "):
            verb, words = section.group(1) if section else "", []
            continue
        if not verb or line.split()[:1] == ["replacing"]:
            continue
        words += line.split()
        if len(words) >= 5:
            found.append(DnfAction(verb, rpm.key(words[0], words[1]), rpm.shown(words[2])))
            words = []
    return found


def spec(name: str, version: str) -> str:
    """Return a package and its version as dnf writes them."""
    return "%s-%s" % (name, version) if version else name
