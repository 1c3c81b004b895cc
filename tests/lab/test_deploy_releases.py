"""Releases of two applications on one host: beside each other, switched without a lost request."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.cli import PROV, Run, prov
from helpers.hosts import on
from helpers.journeys import TWO, Journey
from helpers.web import Visitors

pytestmark = pytest.mark.lab


def deploy(journey: Journey) -> Run:
    run = prov("deploy", TWO, cwd=journey.project.folder, status=0)
    assert run.not_in(TWO, "ok", "changed") == []
    return run


def current(app: str) -> str:
    return on(TWO, "readlink", f"/srv/{app}/current").removeprefix("releases/")


def instances(app: str) -> list[str]:
    """Instances of an application that run."""
    listed = on(
        TWO, "systemctl", "list-units", "--plain", "--no-legend", "--state=active", f"app-{app}@*.service"
    )
    return [line.split()[0] for line in listed.splitlines()]


def changed_steps(run: Run) -> list[str]:
    return [s["step"] for s in run.steps(TWO) if s["state"] == "changed"]


@pytest.fixture
def page(two: Journey) -> Iterator[Path]:
    """The template of hello's page."""
    yield two.project.folder / "flask_hello/templates/index.html"


def test_a_change_goes_live_without_a_lost_request(two: Journey, page: Path) -> None:
    site = two.site(TWO, "hello")
    before, served = current("hello"), instances("hello")
    others = current("polls"), instances("polls")
    page.write_text(page.read_text().replace("<title>Hello from Flask", "<title>The second release"))
    with Visitors(site) as hello, Visitors(two.site(TWO, "polls"), "/", count=1) as polls:
        run = deploy(two)
    assert site.get().title == "The second release"
    assert len(hello.answers) > 50
    assert [a for a in hello.answers if a != 200] == []
    assert [a for a in polls.answers if a != 200] == []

    # a release beside the other, and only one of them in service
    after = current("hello")
    assert after != before
    assert set(on(TWO, "ls", "/srv/hello/releases").split()) >= {before, after}
    assert len(instances("hello")) == 1
    assert instances("hello") != served
    sockets = on(TWO, "systemctl", "list-units", "--plain", "--no-legend", "app-hello@*.socket")
    assert len(sockets.splitlines()) == 1
    assert on(TWO, "ls", "/run/app-hello").split() == [
        f"{instances('hello')[0].split('@')[1].split('.')[0]}.sock"
    ]
    # nothing of the other application was touched
    assert (current("polls"), instances("polls")) == others
    assert [step for step in changed_steps(run) if "polls" in step] == []

    assert deploy(two).tally(TWO)["changed"] == 0


def test_a_release_is_built_first_and_put_into_service_later(two: Journey, page: Path) -> None:
    site, before, served = two.site(TWO, "hello"), current("hello"), instances("hello")
    page.write_text(page.read_text().replace("<title>", "<title>Built ahead: "))
    settings = on(TWO, "sha256sum", "/etc/prov/hello.env")
    plan = prov("deploy", TWO, "--dry-build", "--check", cwd=two.project.folder, status=3)
    run = prov("deploy", TWO, "--dry-build", cwd=two.project.folder, status=0)
    assert changed_steps(plan) == changed_steps(run)
    (built,) = (event for event in run.events if event["event"] == "built" and event["app"] == "hello")
    assert not built["live"]
    assert (current("hello"), instances("hello")) == (before, served)
    assert on(TWO, "sha256sum", "/etc/prov/hello.env") == settings
    assert "Built ahead" not in site.get().text
    again = prov("deploy", TWO, "--dry-build", cwd=two.project.folder, status=0)
    assert again.tally(TWO)["changed"] == 0
    listed = prov("releases", TWO, "hello", cwd=two.project.folder, status=0)
    (known,) = (event["releases"] for event in listed.events if event["event"] == "releases")
    assert [each["why_not"] for each in known if each["id"] == built["release"]] == [
        "built, not in service yet"
    ]

    deployed = deploy(two)
    assert [step for step in changed_steps(deployed) if step.startswith(("tree", "venv"))] == []
    assert current("hello") == built["release"]
    assert "Built ahead" in site.get().text


def test_people_read_the_line_that_has_changed_and_what_is_served(two: Journey, page: Path) -> None:
    page.write_text(page.read_text().replace("<title>", "<title>Changed: "))
    found = {}
    for command in ("plan", "deploy"):
        run = subprocess.run(
            [PROV, command, TWO],
            cwd=two.project.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found[command] = run.stdout.splitlines()
        assert len(found[command]) <= 25, run.stdout
        assert any(line.startswith("    +") and "Changed: " in line for line in found[command]), run.stdout
    (line,) = (line for line in found["deploy"] if line.startswith("hello "))
    assert two.site(TWO, "hello").address in line and two.site(TWO, "hello").domain in line
    assert current("hello")[:7] in line
    history = subprocess.run(
        [PROV, "history", TWO], cwd=two.project.folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert f"-> {current('hello')[:7]}" in history.stdout.splitlines()[-1]


def test_of_a_release_only_what_changed_is_sent(two: Journey, page: Path) -> None:
    (two.project.folder / "flask_hello/static/film").write_bytes(os.urandom(8 << 20))
    first = received(lambda: deploy(two))
    page.write_text(page.read_text().replace("<body>", "<body><!-- one file -->"))
    second = received(lambda: deploy(two))
    assert first > 8 << 20
    assert second < 1 << 20
    assert "<!-- one file -->" in two.site(TWO, "hello").get().text
    (two.project.folder / "flask_hello/static/film").unlink()


def received(action: Callable[[], object]) -> int:
    """Bytes that the host received in the meantime."""
    counter = ["cat", "/sys/class/net/eth0/statistics/rx_bytes"]
    before = int(on(TWO, *counter))
    action()
    return int(on(TWO, *counter)) - before


def test_no_more_releases_than_wanted_are_kept(two: Journey, page: Path) -> None:
    text = page.read_text()
    for number in range(3):
        page.write_text(text + f"<!-- {number} -->\n")
        deploy(two)
    kept = on(TWO, "ls", "/srv/hello/releases").split()
    assert len(kept) == 3
    assert current("hello") in kept


def test_back_to_an_earlier_state_is_back_to_its_release(two: Journey, page: Path) -> None:
    text, before = page.read_text(), current("hello")
    page.write_text(text + "<!-- a mistake -->\n")
    deploy(two)
    page.write_text(text)
    run = deploy(two)
    assert current("hello") == before
    assert [
        s["step"] for s in run.steps(TWO) if s["step"].startswith("tree") and s["state"] == "changed"
    ] == []
    assert "a mistake" not in two.site(TWO, "hello").get().text


def test_a_release_that_does_not_start_stays_out_of_service(two: Journey) -> None:
    module = two.project.folder / "flask_hello/hello.py"
    good, before = module.read_text(), current("hello")
    site = two.site(TWO, "hello")
    module.write_text("raise RuntimeError('this release is broken')\n")
    try:
        with Visitors(site) as visitors:
            run = prov("deploy", TWO, cwd=two.project.folder, status=1)
        assert "this release is broken" in run.error()["stderr"]
        assert any("behind_front.py" in word for word in run.error()["argv"])
        assert max(s["ms"] for s in run.steps(TWO)) < 15_000, "nobody waits for what has failed"
        assert [a for a in visitors.answers if a != 200] == []
        assert current("hello") == before
    finally:
        module.write_text(good)
    deploy(two)
    assert len(instances("hello")) == 1
    failed = on(TWO, "systemctl", "list-units", "--plain", "--no-legend", "--state=failed", "app-*")
    assert failed == ""
    assert deploy(two).tally(TWO)["changed"] == 0


def test_a_release_that_is_not_healthy_stays_out_of_service(two: Journey) -> None:
    module = two.project.folder / "flask_hello/hello.py"
    good, before = module.read_text(), current("hello")
    releases = set(on(TWO, "ls", "/srv/hello/releases").split())
    files = set(on(TWO, "sh", "-c", "ls -d /etc/systemd/system/app-hello@*").split())
    module.write_text(good.replace('return "ok", {', 'return "ill", 503, {'))
    try:
        run = prov("deploy", TWO, cwd=two.project.folder, status=1)
        error = run.error()
        assert "status 503" in error["message"]
        assert current("hello") == before
        assert two.site(TWO, "hello").get("/healthz").text == "ok"
        # what has failed is nothing to go back to
        assert set(on(TWO, "ls", "/srv/hello/releases").split()) == releases
        assert set(on(TWO, "sh", "-c", "ls -d /etc/systemd/system/app-hello@*").split()) == files
    finally:
        module.write_text(good)
    deploy(two)
    assert len(instances("hello")) == 1


def test_settings_of_an_application_reach_it_in_a_new_instance(two: Journey) -> None:
    inventory = two.project.folder / "inventory/hosts.yml"
    text = inventory.read_text()
    secret = "a-password-that-nobody-may-see"
    inventory.write_text(
        text.replace(
            "target: hello:app\n", f"target: hello:app\n          environment: {{API_TOKEN: {secret}}}\n"
        )
    )
    assert secret in inventory.read_text()
    run = deploy(two)
    assert secret not in run.stdout + run.stderr
    assert on(TWO, "stat", "-c", "%a %U", "/etc/prov/hello.env") == "600 root"
    assert secret in on(TWO, "cat", "/etc/prov/hello.env")
    assert secret not in on(TWO, "cat", "/var/lib/prov/ledger.json")
    (instance,) = instances("hello")
    pid = on(TWO, "systemctl", "show", "-P", "MainPID", instance)
    assert f"API_TOKEN={secret}" in on(TWO, "cat", f"/proc/{pid}/environ").split("\0")
    inventory.write_text(text)
    deploy(two)
    assert len(instances("hello")) == 1
