"""No request fails while a run is killed, undone or rolled back, or while another application is removed.

More of it: `make prove`, tests/prove/test_every_moment.py.
"""

from __future__ import annotations

import json
import signal
import time

import pytest
from helpers.cli import Run, finish, prov, start
from helpers.hosts import Hosts, on
from helpers.samples import sample
from helpers.traffic import Busy

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-busy"
FAILS = '''"""Fails."""

from provision.role import Host, task
from provision.steps import command


@task
def install(c: Host) -> None:
    """Fail."""
    command.command(c, ["false"], creates="/none")
'''

#: what falls ill seconds after it has started, and serves its page all the same
SICK = """

import time

BORN = time.monotonic()


@app.before_request
def fall_ill():
    if request.path == "/healthz" and time.monotonic() > BORN + 5:
        return "ill", 500
"""


@pytest.fixture(scope="module")
def busy(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Busy:
    return Busy(lab_hosts, tmp_path_factory.mktemp("busy"), NAME)


@pytest.mark.trust("8", "killed-prov-run-restarts-everything")
def test_a_command_that_is_killed(busy: Busy) -> None:
    assert busy.killed_under_traffic(1.0, "run", NAME, "--", "sleep", "4") == {}


@pytest.mark.trust("8", "killed-under-traffic")
@pytest.mark.parametrize("after", sample([0.6, 2.0], 2))
def test_a_deploy_that_is_killed(busy: Busy, after: float) -> None:
    busy.edit()
    assert busy.killed_under_traffic(after, "deploy", NAME) == {}


@pytest.mark.trust("8", "killed-under-traffic")
@pytest.mark.parametrize("after", sample([1.2, 0.3], 2))
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


def current() -> str:
    return on(NAME, "readlink", "/srv/hello/current").removeprefix("releases/")


def command(busy: Busy, *words: str, status: int | None = 0) -> Run:
    return prov(*words, cwd=busy.project.folder, timeout=100, status=status)


def test_a_rollback_loses_no_request_and_holds_deploys(busy: Busy) -> None:
    for _ in range(2):
        busy.edit()
        busy.deploy()
    told = command(busy, "releases", NAME).events
    releases = next(e for e in told if e["event"] == "releases")["releases"]
    assert [each["live"] for each in releases[:2]] == [True, False]
    left, before = (each["id"] for each in releases[:2])
    assert releases[1]["can_go_back"]
    assert current() == left

    planned = command(busy, "rollback", NAME, "--check", status=3)
    assert current() == left
    with busy.traffic() as traffic:
        gone_back = command(busy, "rollback", NAME)
    assert traffic.lost == {}
    assert current() == before
    assert {s["step"] for s in planned.steps(NAME) if s["state"] == "changed"} == {
        s["step"] for s in gone_back.steps(NAME) if s["state"] == "changed"
    }

    refused = command(busy, "deploy", NAME, status=1)
    assert f"went back from {left} to {before}" in refused.error()["message"]
    assert any("is held" in e.get("text", "") for e in busy.plan().events if e["event"] == "note")
    assert current() == before
    command(busy, "resume", NAME)
    busy.deploy()
    assert current() == left
    assert busy.plan().status == 0
    command(busy, "rollback", NAME)
    command(busy, "undo", NAME)
    assert current() == left
    assert busy.plan().status == 0, "an undo leaves nothing owed"

    unknown = command(busy, "rollback", NAME, "hello", "123456", status=1)
    (error,) = [e["error"] for e in unknown.events if e["event"] == "host" and "error" in e]
    assert before in error["hint"]


def test_a_deploy_that_fails_after_the_switch_goes_back(busy: Busy) -> None:
    role = busy.project.folder / "roles/fails/__init__.py"
    role.parent.mkdir(parents=True)
    role.write_text(FAILS)
    busy.declare("hello", after=["fails"])
    before = current()
    busy.edit()
    try:
        with busy.traffic() as traffic:
            failed = busy.deploy(status=1)
    finally:
        busy.declare("hello")
    assert traffic.lost == {}
    assert current() == before
    assert any(f"is served by release {before}" in e.get("text", "") for e in failed.events)
    busy.deploy()
    assert current() != before


def test_a_release_that_does_not_stay_well_goes_back(busy: Busy) -> None:
    code = busy.project.folder / "flask_hello/hello.py"
    before, well = current(), code.read_text()
    code.write_text(well + SICK)
    try:
        with busy.traffic() as traffic:
            failed = busy.deploy("--bake", "20s", status=1)
    finally:
        code.write_text(well)
    assert traffic.lost == {}
    assert current() == before
    (watched,) = [s for s in failed.steps(NAME) if s["state"] == "failed"]
    assert watched["step"] == "hello stays well for 20 s"
    assert "does not answer its health path: status 500" in watched["error"]["message"]
    assert not [e for e in failed.events if e["event"] == "served"]
    busy.edit()
    with busy.traffic() as traffic:
        (step,) = [s for s in busy.deploy("--bake", "3s").steps(NAME) if "stays well" in s["step"]]
    assert step["state"] == "ok" and " requests answered, 0 of them with 500" in step["why"]
    assert traffic.lost == {}
    assert current() != before
    assert not [s for s in busy.deploy("--bake", "3s").steps(NAME) if "stays well" in s["step"]]


def test_status_and_logs_and_processes(busy: Busy) -> None:
    with busy.traffic():
        time.sleep(0.3)
    (status,) = [e for e in command(busy, "status", NAME).events if e["event"] == "status"]
    assert status["ok"]
    assert status["apps"]["hello"]["release"] == current()
    front = status["apps"]["hello"]["front"]
    assert (front["url"], front["said"]) == ("http://hello.test/healthz", "")
    on(NAME, "systemctl", "stop", "nginx")
    (down,) = [e for e in command(busy, "status", NAME, status=3).events if e["event"] == "status"]
    assert any("Connection refused" in problem for problem in down["apps"]["hello"]["problems"])
    on(NAME, "systemctl", "start", "nginx")
    watched = start("status", NAME, "--watch", cwd=busy.project.folder)
    assert watched.stdout is not None
    looks = [json.loads(watched.stdout.readline())["event"] for _ in range(8)]
    assert looks.count("status") >= 2, looks
    watched.send_signal(signal.SIGINT)
    finish(watched, status=0)
    lines = [e for e in command(busy, "logs", NAME, "--since", "5m").events if e["event"] == "log"]
    assert {"/var/log/nginx/access.log"} < {line["source"] for line in lines}
    command(busy, "stop", NAME, "hello")
    (status,) = [e for e in command(busy, "status", NAME, status=3).events if e["event"] == "status"]
    assert any("app-hello@" in problem for problem in status["apps"]["hello"]["problems"])
    command(busy, "start", NAME, "hello")
    with busy.traffic() as traffic:
        command(busy, "restart", NAME, "hello")
    assert traffic.lost == {}
    assert busy.plan().status == 0


def test_a_lock_keeps_everyone_away(busy: Busy) -> None:
    command(busy, "lock", NAME, "disk is being replaced")
    for words in (["deploy", NAME], ["undo", NAME], ["rollback", NAME], ["restart", NAME]):
        assert "disk is being replaced" in command(busy, *words, status=1).error()["message"]
    command(busy, "unlock", NAME)
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
@pytest.mark.parametrize("after", sample([0.4, 1.0], 2))
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
