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

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "own1"
#: one after the other on one host: the example as it is, another front, then a server and a front of the project's own
#: that extend built-in ones; what replaces `server: waitress`, what each instance runs, and the front's unit
STAGES = {
    "nginx": (["server: waitress", "workers: 2"], "waitress_on_systemd.py 8", "nginx"),
    "apache": (["server: waitress", "workers: 2", "front: apache"], "waitress_on_systemd.py 8", "apache2"),
    "extended": (["server: ours", "front: edge"], "bin/hypercorn", "nginx"),
}
EXTENDING = '"""{0} under a name of ours."""\n\nfrom provision.builtin import {0}\n\nEXTENDS = {0}\n'


@pytest.fixture(scope="module")
def folder(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example beside the application that it serves, and its host."""
    top = tmp_path_factory.mktemp("examples")
    for example in ("own_server", "flask_hello"):
        ignored = shutil.ignore_patterns("__pycache__", ".prov")
        shutil.copytree(EXAMPLES / example, top / example, ignore=ignored)
    for name, extended in (("ours", "hypercorn"), ("edge", "nginx")):
        role = top / "own_server/roles" / name
        role.mkdir()
        (role / "__init__.py").write_text(EXTENDING.format(extended))
    lab_hosts.one(NAME)
    return top / "own_server"


@pytest.mark.parametrize("stage", ["nginx", pytest.param("apache", marks=pytest.mark.at_length), "extended"])
def test_it_is_planned_deployed_and_served_as_the_built_in_ones_are(
    folder: Path, lab_hosts: Hosts, stage: str
) -> None:
    lines, program, front = STAGES[stage]
    example = (EXAMPLES / "own_server/inventory/hosts.yml").read_text()
    text = example.replace("server: waitress", "\n          ".join(lines))
    (folder / "inventory/hosts.yml").write_text(text)
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
    wanted = 2 if "workers: 2" in lines else 1
    assert list(sockets(NAME).values()) == ["660 root www-data"] * wanted
    assert [score <= 2.0 for score in exposures(NAME, "app-hello@*.service").values()] == [True] * wanted
    started = on(NAME, "sh", "-c", "systemctl cat 'app-hello@*.service' | grep ^ExecStart=")
    assert started.count(program) == wanted == len(started.splitlines())
    states = {unit: on(NAME, "systemctl", "is-active", unit, check=False) for unit in ("nginx", "apache2")}
    assert [unit for unit, state in states.items() if state.strip() == "active"] == [front]
    there = "ls /etc/nginx/sites-enabled/hello.conf /etc/apache2/sites-enabled/app-hello.conf 2>/dev/null"
    served = on(NAME, "sh", "-c", f"{there} || true").split()
    assert served == [f"/etc/{front}/sites-enabled/{'app-' * (front == 'apache2')}hello.conf"]
