"""A project that brings its own server: examples/own_server as it is, behind each front, on a real host."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers.exactness import judge
from helpers.hosts import Hosts, on
from helpers.projects import EXAMPLES
from helpers.units import exposures, sockets
from helpers.web import Site

pytestmark = pytest.mark.lab

NAME = "own1"
#: one after the other on one host: the example as it is, another front, and one of prov's own servers instead
STAGES = {
    "nginx": ("server: waitress", "server: waitress\n          workers: 2"),
    "apache": ("server: waitress", "server: waitress\n          front: apache"),
    "granian": ("server: waitress", "server: granian\n          front: apache"),
}


@pytest.fixture(scope="module")
def folder(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example beside the application that it serves, and its host."""
    top = tmp_path_factory.mktemp("examples")
    for example in ("own_server", "flask_hello"):
        ignored = shutil.ignore_patterns("__pycache__", ".prov")
        shutil.copytree(EXAMPLES / example, top / example, ignore=ignored)
    lab_hosts.one(NAME)
    return top / "own_server"


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_planned_deployed_and_served_as_the_built_in_ones_are(
    folder: Path, lab_hosts: Hosts, stage: str
) -> None:
    inventory = folder / "inventory/hosts.yml"
    inventory.write_text((EXAMPLES / "own_server/inventory/hosts.yml").read_text().replace(*STAGES[stage]))
    verdict = judge(folder, NAME, stage)
    assert (verdict.exact, verdict.failed) == (True, ""), verdict
    assert verdict.changed > 0
    site = Site(lab_hosts.one(NAME).address, "hello.test", folder / ".prov/ca/ca.crt")
    assert (site.get().status, site.get().title) == (200, "Hello from Flask")
    with site.connected(10) as connection:
        own = connection.getsockname()[0]
    told = site.get("/whoami", headers={"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "gopher"})
    assert told.json() == {"client": own, "scheme": "https", "host": "hello.test"}
    # what it listens on is private, its unit hardened, and nothing is left of what was before
    wanted = 2 if stage in ("nginx", "apache") else 1
    assert list(sockets(NAME).values()) == ["660 root www-data"] * wanted
    assert [score <= 2.0 for score in exposures(NAME, "app-hello@*.service").values()] == [True] * wanted
    program = on(NAME, "sh", "-c", "systemctl cat 'app-hello@*.service' | grep ^ExecStart=")
    assert (
        program.count("granian_on_systemd.py" if stage == "granian" else "waitress_on_systemd.py 8") == wanted
    )
    assert {
        front: on(NAME, "systemctl", "is-active", unit, check=False).strip()
        for front, unit in (("nginx", "nginx.service"), ("apache", "apache2.service"))
        if stage != "nginx" or front == "nginx"
    } == ({"nginx": "active"} if stage == "nginx" else {"nginx": "inactive", "apache": "active"})
