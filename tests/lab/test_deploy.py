"""From a bare host to a page over HTTPS, on every kind of host, and nothing to do the second time."""

from __future__ import annotations

import json
import ssl
from http.client import RemoteDisconnected

import pytest
from helpers.hosts import on
from helpers.journeys import MATRIX, TITLES, TWO, Journey
from helpers.web import Site

pytestmark = pytest.mark.lab

EVERY_HOST = pytest.mark.parametrize("name", [TWO, *MATRIX])


@pytest.fixture
def journey(name: str, request: pytest.FixtureRequest) -> Journey:
    """The journey that the host was on."""
    found: Journey = request.getfixturevalue("two" if name == TWO else "matrix")
    return found


@EVERY_HOST
def test_the_first_deploy_does_everything(journey: Journey, name: str) -> None:
    assert journey.first.not_in(name, "ok", "changed") == []
    assert journey.first.tally(name)["changed"] > 20
    assert journey.first.status == 0


@EVERY_HOST
def test_pages_are_served_over_verified_https(journey: Journey, name: str) -> None:
    for site in journey.sites(name):
        page = site.get()
        assert (page.status, page.title) == (200, TITLES[site.domain])
        assert page.headers["Strict-Transport-Security"] == "max-age=63072000"


@EVERY_HOST
def test_static_files_come_from_the_front(journey: Journey, name: str) -> None:
    for site in journey.sites(name):
        page = site.get()
        path = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
        style = site.get(path)
        assert (style.status, style.headers["Content-Type"]) == (200, "text/css")
        assert "{" in style.text


@EVERY_HOST
def test_http_leads_to_https(journey: Journey, name: str) -> None:
    for site in journey.sites(name):
        answer = site.get("/a?b=c", tls=False)
        assert (answer.status, answer.headers["Location"]) == (308, f"https://{site.domain}/a?b=c")


@EVERY_HOST
def test_an_unknown_name_is_refused(journey: Journey, name: str) -> None:
    stranger = Site(journey.hosts[name].address, "stranger.test", journey.project.ca)
    with pytest.raises(RemoteDisconnected):
        stranger.get(tls=False)
    with pytest.raises(ssl.SSLError, match="unrecognized name"):
        stranger.get()


@EVERY_HOST
def test_the_second_deploy_changes_nothing(journey: Journey, name: str) -> None:
    assert journey.second.not_in(name, "ok") == []
    assert journey.second.tally(name)["ok"] == len(journey.second.steps(name)) > 20
    assert journey.second.status == 0
    assert all(step["why"] for step in journey.second.steps(name)), "every no-op says why"


@EVERY_HOST
def test_a_plan_afterwards_finds_nothing(journey: Journey, name: str) -> None:
    assert journey.afterwards.not_in(name, "ok") == []
    assert journey.afterwards.status == 0


def plan_of(steps: list[dict[str, object]]) -> list[tuple[object, ...]]:
    """What a plan and a deploy have in common: each step, in order, whether it changes something, and what."""
    return [
        (s["role"], s["step"], "changed" if s["state"] == "maybe" else s["state"], s["diff"]) for s in steps
    ]


@pytest.mark.parametrize("name", [TWO, *(n for n, (kind, _) in MATRIX.items() if kind.python)])
def test_what_is_planned_for_a_bare_host_is_what_the_deploy_does(journey: Journey, name: str) -> None:
    assert journey.planned.status == 3
    assert plan_of(journey.planned.steps(name)) == plan_of(journey.first.steps(name))


@pytest.mark.parametrize("name", [n for n, (kind, _) in MATRIX.items() if not kind.python])
def test_python_is_planned_and_installed_as_a_step(journey: Journey, name: str) -> None:
    (planned,) = journey.planned.steps(name)
    assert (planned["step"], planned["state"]) == ("package python3", "changed")
    notes = [e["text"] for e in journey.planned.events if e["event"] == "note" and e["host"] == name]
    assert notes == ["the rest can only be planned once python3 is installed"]
    first = journey.first.steps(name)[0]
    assert (first["step"], first["state"], first["diff"]) == (
        planned["step"],
        planned["state"],
        planned["diff"],
    )


@EVERY_HOST
def test_a_plan_touches_nothing(journey: Journey, name: str) -> None:
    touched = changes(journey.bare[name], journey.after_plan[name])
    # apt's caches: what packages bring is read from the packages, and a deploy finds them there
    assert [p for p in touched if not p.startswith(("/var/cache/apt/", "/var/lib/apt/lists/"))] == []


@EVERY_HOST
def test_the_second_deploy_touches_nothing(journey: Journey, name: str) -> None:
    touched = changes(journey.after_first[name], journey.after_all[name])
    # the lock says who has held it; hashes are kept of files that have just been made; the application lives
    own = ("/var/lib/prov/lock", "/var/cache/prov/hashes")
    assert [p for p in touched if p not in own and not p.startswith("/var/lib/app-")] == []


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Paths that are new, gone or changed."""
    return sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))


#: what roles put on a host by their own decision; everything else with prov's name in it is a leftover
ASKED_FOR = (
    "/etc/apt/apt.conf.d/21prov-upgrades",
    "/etc/prov",
    "/etc/ssh/sshd_config.d/10-prov.conf",
    "/etc/systemd/system/nginx.service.d/prov.conf",
    "/var/cache/prov",
    "/var/lib/prov",
)
#: where programs leave things that no one has asked for
SCRATCH = ("/tmp/", "/var/tmp/", "/root/", "/home/")


@EVERY_HOST
def test_nothing_stays_but_what_was_asked_for_and_the_ledger(journey: Journey, name: str) -> None:
    kept = on(name, "ls", "-A", "/var/lib/prov").split()
    assert [each for each in kept if not each.startswith("remembered-")] == ["ledger.json", "lock", "runs"]
    for folder in ("/var/lib/prov", "/var/cache/prov"):
        assert on(name, "stat", "-c", "%a %U", folder) == "700 root"
    json.loads(on(name, "cat", "/var/lib/prov/ledger.json"))

    new = [path for path in journey.after_all[name] if path not in journey.bare[name]]
    named = [
        path for path in new if "prov" in path.lower() and not path.startswith(("/usr/", "/var/lib/dpkg/"))
    ]
    releases = [path for path in named if path.startswith("/srv/") and "/.prov" in path]
    rest = [path for path in named if path not in releases and not path.startswith(ASKED_FOR)]
    assert [path for path in rest if "/venvs/" not in path] == []
    scratch = [path for path in new if path.startswith(SCRATCH) and "/systemd-private-" not in path]
    assert scratch == []
    assert on(name, "find", "/dev/shm", "-mindepth", "1", "-name", "*prov*") == ""

    processes = on(name, "ps", "-eo", "args")
    assert "PROV" not in processes
    assert "zlib" not in processes
