"""prov plan -o, prov show and prov deploy --plan with the real agent, without SSH."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_cli_deploy import failing, here, prov  # noqa: F401 (fixtures)

from provision.saved import plan_file as plans

Prov = Callable[..., tuple[object, str, str]]
pytestmark = pytest.mark.usefixtures("here")


def test_saved_shown_done(prov: Prov, here: Path) -> None:  # noqa: F811
    status, planned, said = prov("plan", "web1", "-o", "x.plan")
    assert status == 3
    assert said == "saved; deploy exactly this:  prov deploy --plan x.plan\n"
    status, shown, said = prov("show", "x.plan")
    assert status == 0
    assert said.startswith("plan for web1, made 20")
    found = [line for line in planned.splitlines() if not line.startswith(("web1: connected", "web1: done"))]
    assert shown.splitlines() == found
    status, _, _ = prov("deploy", "--plan", "x.plan")
    assert status == 0
    assert (here / "host/greeting").read_text() == "hello from web1\n"


def test_a_plan_as_json(prov: Prov) -> None:  # noqa: F811
    prov("plan", "web1", "-o", "x.plan")
    events = [json.loads(line) for line in prov("show", "x.plan", "--json")[1].splitlines()]
    assert [e["event"] for e in events] == ["plan", "step", "summary"]
    assert events[0]["target"] == "web1"


def test_a_refusal_as_json(prov: Prov, here: Path) -> None:  # noqa: F811
    prov("plan", "web1", "-o", "x.plan")
    (here / "host/greeting").write_text("by hand\n")
    status, out, _ = prov("deploy", "--plan", "x.plan", "--json")
    assert status == 2
    first, last = (json.loads(line) for line in out.splitlines())
    assert first["message"] == (
        "changed since the plan was saved: "
        "web1: greeter: file "
        + str(here / "host/greeting")
        + ": planned: change new file, mode; now: change content"
    )
    assert last["event"] == "summary"
    assert (here / "host/greeting").read_text() == "by hand\n"


def test_age_is_only_noted(prov: Prov) -> None:  # noqa: F811
    prov("plan", "web1", "-o", "x.plan")
    saved = plans.read(Path("x.plan"))
    for made, words in (
        (time.time() - 30 * 86400, "prov: the plan is 30 days old\n"),
        (time.time() + 86400, "prov: by this machine's clock the plan was made in the future\n"),
    ):
        plans.write(Path("x.plan"), saved.model_copy(update={"made": made}))
        status, _, said = prov("deploy", "--plan", "x.plan")
        assert said.startswith(words)
    assert status == 2, "it has been done by then"


@pytest.mark.parametrize(
    "more",
    [
        ("web1",),
        ("--role", "greeter"),
        ("--limit", "web1"),
        ("-i", "inventory"),
        ("--check",),
        ("--list-steps",),
    ],
)
def test_a_plan_knows_its_hosts_and_roles(prov: Prov, more: tuple[str, ...]) -> None:  # noqa: F811
    status, _, said = prov("deploy", "--plan", "x.plan", *more)
    assert status == 2
    assert "--plan takes hosts, roles and inventory from the file" in said


def test_neither_a_target_nor_a_plan(prov: Prov) -> None:  # noqa: F811
    status, _, said = prov("deploy")
    assert status == 2
    assert "a TARGET, or --plan FILE" in said


def test_a_place_that_takes_no_plan_is_found_before_planning(prov: Prov, here: Path) -> None:  # noqa: F811
    status, out, said = prov("plan", "web1", "-o", "inventory/hosts.yml")
    assert status == 2
    assert out == ""
    assert "already exists and is not a plan file" in said


def test_a_disk_that_is_full(prov: Prov, here: Path) -> None:  # noqa: F811
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        status, out, said = prov("plan", "web1", "-o", "x.plan", "--json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2
    assert said == "prov: x.plan: the plan could not be saved: file too large\n"
    assert out.count('"summary"') == 1
    assert not list(here.glob("*.plan*"))
    assert not list(here.glob(".*.plan*"))


def test_a_plan_with_a_failure_is_not_saved(prov: Prov, failing: Path) -> None:  # noqa: F811
    role = failing / "roles/greeter/__init__.py"
    role.write_text(role.read_text().replace("/greeting", "/no/such/greeting"))
    status, _, said = prov("plan", "web1", "-o", "x.plan")
    assert status == 1
    assert "x.plan was not saved: not every host could be planned to its end" in said
    assert not Path("x.plan").exists()
