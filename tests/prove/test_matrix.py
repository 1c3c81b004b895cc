"""Every combination of server, front and example on every release; writes docs/matrix.md.

All combinations of a front share a host of each release, by domains of their own: one plan, one deploy and one boot
for all of them. The order of the tests is that of what happens to a host.
"""

from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
from helpers import tls
from helpers.checks import CHECKS, Served, checks_of
from helpers.cli import Run, prov
from helpers.combinations import COMBINATIONS, Combination, copy_examples
from helpers.exactness import differences
from helpers.hosts import Hosts, Kind, on, reboot
from helpers.matrixpage import Seen, write
from helpers.projects import Project
from helpers.units import SERVICES, exposures, main_processes, of, sockets
from helpers.web import Site

from provision import lab
from provision.apps.app_releases import bare_name
from provision.declared.fronts import front
from provision.declared.role_folders import BUILTIN
from provision.declared.serving_roles import server

pytestmark = pytest.mark.lab

PAGE = Path(__file__).parents[2] / "docs/matrix.md"
#: name of a host: its front and image
HOSTS: Mapping[str, tuple[str, str]] = {
    "t-mx-nginx12": ("nginx", "debian-12"),
    "t-mx-nginx13": ("nginx", "debian-13"),
    "t-mx-apache12": ("apache", "debian-12"),
    "t-mx-apache13": ("apache", "debian-13"),
}
#: package of each front, and what its unit may score (docs/fronts.md says why)
FRONTS: Mapping[str, tuple[str, float]] = {"nginx": ("nginx", 2.6), "apache": ("apache2-bin", 2.2)}
#: of servers that declare no package for an environment
OF_THE_DISTRIBUTION = {"mod_wsgi": "libapache2-mod-wsgi-py3"}
EACH = pytest.mark.parametrize("one", COMBINATIONS, ids=str)
#: seconds in which all of them have to serve again at once, on two processors
BACK = 120


@dataclass(frozen=True)
class Runs:
    """All hosts from bare to served. planned, first, second: the runs that made them so."""

    hosts: dict[str, lab.LabHost]
    project: Project
    planned: Run
    first: Run
    second: Run
    seen: dict[str, Seen]


@dataclass(frozen=True)
class Matrix:
    """A host with all combinations of a front."""

    name: str
    runs: Runs

    @property
    def front(self) -> str:
        return HOSTS[self.name][0]

    @property
    def address(self) -> str:
        return self.runs.hosts[self.name].address

    @property
    def seen(self) -> Seen:
        return self.runs.seen[self.name]

    def served(self, one: Combination) -> Served:
        return Served(one, self.site(one.domain))

    def site(self, domain: str) -> Site:
        return Site(self.address, domain, self.runs.project.ca)


@pytest.fixture(scope="module")
def runs(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """All hosts at once; when all tests are over, what they saw becomes the page."""
    project = Project(tmp_path_factory.mktemp("matrix"))
    copy_examples(project.folder)
    # twenty-five environments a host: by uv, which takes packages from its cache; other tests go by pip
    head = "from provision.steps import python\nAFTER = ('python',)"
    project.role("uv", "python.uv(c)", head=head)
    served = {
        name: {"apps": {str(one): one.settings(front) for one in COMBINATIONS}}
        for name, (front, _) in HOSTS.items()
    }
    project.inventory(served, ansible_connection="lab", roles=["python", "uv", "app"])
    hosts = lab_hosts.up({name: Kind(image) for name, (_, image) in HOSTS.items()})
    planned = prov("plan", "tests", cwd=project.folder, timeout=600)
    first = prov("deploy", "tests", cwd=project.folder, timeout=2 * 3600)
    second = prov("deploy", "tests", cwd=project.folder, timeout=1200)
    seen = {name: Seen(*words) for name, words in HOSTS.items()}
    yield Runs(hosts, project, planned, first, second, seen)
    write(list(seen.values()), PAGE, datetime.datetime.now(datetime.UTC).date().isoformat())


@pytest.fixture(scope="module", params=HOSTS)
def matrix(request: pytest.FixtureRequest, runs: Runs) -> Matrix:
    """One host after the other."""
    return Matrix(request.param, runs)


def test_the_plan_was_exact(matrix: Matrix) -> None:
    name = matrix.name
    with matrix.seen.noting("plan") as facts:
        facts["steps"] = str(len(matrix.runs.first.steps(name)))
        assert matrix.runs.first.not_in(name, "ok", "changed") == []
        assert differences(matrix.runs.planned, matrix.runs.first, name) == []
        facts["plan"] = "yes"


def test_a_second_deploy_changes_nothing(matrix: Matrix) -> None:
    with matrix.seen.noting("again") as facts:
        assert matrix.runs.second.not_in(matrix.name, "ok") == []
        facts["again"] = "changes nothing"


def test_a_name_that_nobody_has_is_refused(matrix: Matrix) -> None:
    with matrix.seen.noting("unknown") as facts:
        stranger = matrix.site("stranger.test")
        with pytest.raises((RemoteDisconnected, ssl.SSLError)):
            stranger.get()
        try:
            status = stranger.get(tls=False).status
            assert status == 421
            facts["unknown"] = f"no handshake, {status}"
        except RemoteDisconnected:
            facts["unknown"] = "no handshake, no answer"


def test_the_fronts_unit_is_hardened(matrix: Matrix) -> None:
    package, limit = FRONTS[matrix.front]
    declared = front(matrix.front, [BUILTIN])
    assert declared is not None
    unit, name = f"{declared.unit}.service", matrix.name
    matrix.seen.versions[matrix.front] = version(on(name, "dpkg-query", "-W", "-f", "${Version}", package))
    matrix.seen.versions["Python"] = on(name, "python3", "-V").split()[1]
    matrix.seen.versions["systemd"] = on(name, "systemctl", "--version").split()[1]
    with matrix.seen.noting("score") as facts:
        (score,) = exposures(name, unit).values()
        assert score <= limit
        facts["score"] = str(score)


@pytest.fixture(scope="module")
def packages(matrix: Matrix) -> dict[str, dict[str, str]]:
    """Versions of what is installed, by application and name."""
    listed = on(matrix.name, "sh", "-c", "ls -d /srv/*/current/.venv/lib/python3*/site-packages/*.dist-info")
    found: dict[str, dict[str, str]] = {}
    for path in map(Path, listed.splitlines()):
        name, _, number = path.stem.rpartition("-")
        found.setdefault(path.parts[2], {})[name] = number
    return found


@EACH
def test_versions(matrix: Matrix, packages: dict[str, dict[str, str]], one: Combination) -> None:
    with matrix.seen.noting("version", one) as row:
        declared = server(one.server, [BUILTIN])
        assert declared is not None
        if declared.package is None:
            package = OF_THE_DISTRIBUTION[one.server]
            row["version"] = version(on(matrix.name, "dpkg-query", "-W", "-f", "${Version}", package))
        else:
            row["version"] = packages[str(one)][bare_name(declared.package)]


def version(debian: str) -> str:
    """Upstream's version, of a Debian one (deb-version(7))."""
    return debian.partition(":")[2].rpartition("-")[0] if ":" in debian else debian.rpartition("-")[0]


@pytest.mark.parametrize(
    ("one", "check"), [(one, check) for one in COMBINATIONS for check in checks_of(one)], ids=str
)
def test_it_is_served(matrix: Matrix, one: Combination, check: str) -> None:
    with matrix.seen.noting(check, one) as row:
        row[check] = CHECKS[check](matrix.served(one))


@pytest.fixture(scope="module")
def judged(matrix: Matrix, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tls.Judgement]:
    """What sslyze says, by domain."""
    sites = [(one.domain, matrix.address) for one in COMBINATIONS]
    return tls.judge(sites, matrix.runs.project.ca, tmp_path_factory.mktemp("tls"))


@EACH
def test_tls_is_as_mozilla_advises(
    matrix: Matrix, judged: dict[str, tls.Judgement], one: Combination
) -> None:
    with matrix.seen.noting("tls", one) as row:
        found = judged[one.domain]
        assert (found.protocols, found.problems) == (("TLS 1.2", "TLS 1.3"), "")
        row["tls"] = "yes"
        matrix.seen.facts["protocols"] = ", ".join(found.protocols)
        matrix.seen.ciphers = found.ciphers


@pytest.fixture(scope="module")
def units(matrix: Matrix) -> tuple[dict[str, float], dict[str, str]]:
    """Scores of the applications' services, and what their sockets are like."""
    return exposures(matrix.name, SERVICES), sockets(matrix.name)


@EACH
def test_units_are_hardened_and_their_sockets_private(
    matrix: Matrix, units: tuple[dict[str, float], dict[str, str]], one: Combination
) -> None:
    with matrix.seen.noting("score", one) as row:
        (score,) = of(one, units[0]).values()
        assert score <= 2.0
        assert list(of(one, units[1]).values()) == ["660 root www-data"]
        row["score"] = str(score)


@pytest.fixture(scope="module")
def crashed(matrix: Matrix) -> tuple[dict[str, str], dict[str, str]]:
    """Main processes of all units, which are killed at once, and those of BACK seconds later at most."""
    before = main_processes(matrix.name)
    on(matrix.name, "kill", "-9", *before.values())
    end = time.monotonic() + BACK
    while True:
        after = main_processes(matrix.name)
        if all(after.get(unit) not in (None, "0", pid) for unit, pid in before.items()):
            break
        if time.monotonic() > end:
            break
        time.sleep(1)
    return before, after


@EACH
def test_a_crash_is_mended(
    matrix: Matrix, crashed: tuple[dict[str, str], dict[str, str]], one: Combination
) -> None:
    with matrix.seen.noting("crash", one) as row:
        before, after = (of(one, processes) for processes in crashed)
        assert before.keys() == after.keys()
        assert all(after[unit] not in ("0", pid) for unit, pid in before.items())
        assert matrix.served(one).site.up_within(BACK)
        row["crash"] = "mended"


@pytest.fixture(scope="module")
def rebooted(matrix: Matrix) -> None:
    """The host, after another boot."""
    reboot(matrix.name, seconds=BACK)


@EACH
def test_a_reboot_brings_it_back(matrix: Matrix, rebooted: None, one: Combination) -> None:
    with matrix.seen.noting("reboot", one) as row:
        served = matrix.served(one)
        assert served.site.up_within(BACK)
        assert served.site.get("/").title == one.example.title
        row["reboot"] = "back"


def test_a_deploy_after_the_reboot_changes_nothing(matrix: Matrix, rebooted: None) -> None:
    with matrix.seen.noting("after") as facts:
        again = prov("deploy", matrix.name, cwd=matrix.runs.project.folder, timeout=600)
        assert again.not_in(matrix.name, "ok") == []
        facts["after"] = "changes nothing"
