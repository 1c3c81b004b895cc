"""Nobody who asks an application notices a run that is killed, an undo, or an application that goes: a sample.

More of it: `make prove`, tests/prove/test_traffic.py.
"""

from __future__ import annotations

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, on
from helpers.traffic import Busy

pytestmark = pytest.mark.lab

NAME = "t-busy"


@pytest.fixture(scope="module")
def busy(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Busy:
    return Busy(lab_hosts, tmp_path_factory.mktemp("busy"), NAME)


@pytest.mark.trust("8", "killed-prov-run-restarts-everything")
def test_a_command_that_is_killed(busy: Busy) -> None:
    assert busy.killed_under_traffic(1.0, "run", NAME, "--", "sleep", "4") == {}


@pytest.mark.trust("8", "killed-under-traffic")
@pytest.mark.parametrize("after", [0.6, 2.0])
def test_a_deploy_that_is_killed(busy: Busy, after: float) -> None:
    busy.edit()
    assert busy.killed_under_traffic(after, "deploy", NAME) == {}


@pytest.mark.trust("8", "killed-under-traffic")
@pytest.mark.parametrize("after", [0.3, 1.2])
def test_an_undo_that_is_killed(busy: Busy, after: float) -> None:
    busy.edit()
    busy.deploy()
    assert busy.killed_under_traffic(after, "undo", NAME) == {}


@pytest.mark.trust("9", "undo-under-traffic")
def test_an_undo(busy: Busy) -> None:
    busy.edit()
    busy.deploy()
    with busy.traffic() as traffic:
        prov("undo", NAME, cwd=busy.project.folder, status=0)
    assert traffic.lost == {}
    busy.deploy()


@pytest.mark.trust("9", "removed-app")
def test_an_application_that_goes_is_refused_by_the_front(busy: Busy) -> None:
    busy.declare("hello", "old")
    busy.deploy()
    busy.declare("hello")
    with busy.traffic() as traffic, busy.traffic("old") as old:
        busy.deploy("--prune")
    assert traffic.lost == {}
    # 444: the front closes the connection
    assert set(old.answers) <= {200, "RemoteDisconnected"}
    assert "RemoteDisconnected" in old.answers
    assert on(NAME, "systemctl", "list-units", "--all", "--no-legend", "app-old*") == ""
    assert on(NAME, "getent", "passwd", "app-old", check=False) == ""
    assert busy.plan().status == 0


@pytest.mark.trust("9", "remove-app-shared-domain")
def test_an_application_below_another_that_goes(busy: Busy) -> None:
    """It shares the domain, and so the file of the front, with one that stays."""
    busy.declare("hello", below={"api": "hello"})
    busy.deploy()
    busy.declare("hello")
    with busy.traffic() as traffic:
        busy.deploy()
        busy.deploy("--prune")
    assert traffic.lost == {}
    assert "/api/" not in on(NAME, "cat", "/etc/nginx/sites-enabled/hello.conf")
    assert on(NAME, "systemctl", "list-units", "--all", "--no-legend", "app-api*") == ""
    assert busy.plan().status == 0


@pytest.mark.trust("8", "killed-under-traffic")
@pytest.mark.parametrize("after", [0.4, 1.0])
def test_a_prune_that_is_killed(busy: Busy, after: float) -> None:
    busy.declare("hello", "old")
    busy.deploy()
    busy.declare("hello")
    assert busy.killed_under_traffic(after, "deploy", "--prune", NAME) == {}
    busy.deploy("--prune")
    assert on(NAME, "getent", "passwd", "app-old", check=False) == ""


@pytest.mark.trust("9", "renamed-app")
def test_an_application_that_is_renamed(busy: Busy) -> None:
    busy.declare("hello", "shop")
    busy.deploy()
    inventory = busy.project.folder / "inventory/hosts.yml"
    inventory.write_text(inventory.read_text().replace("        shop:", "        store:"))
    with busy.traffic("shop") as traffic:
        busy.deploy("--prune")
    assert traffic.lost == {}
    assert on(NAME, "ls", "/etc/nginx/sites-enabled").split() == ["hello.conf", "store.conf"]
    busy.declare("hello")
    busy.deploy("--prune")
