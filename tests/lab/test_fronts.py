"""The fronts: nginx and Apache do the same for the same inventory."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import tls
from helpers.cli import prov
from helpers.deployed_fronts import Front, deployed
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from helpers.web import Site, Visitors

from provision import lab
from provision.apps.authority import Authority

pytestmark = pytest.mark.lab

PROBE: dict[str, Any] = {
    "source": "../probe",
    "target": "probe:app",
    "domains": ["probe.test"],
    "static": {"/static/": "static"},
    "error_pages": "errors",
    "max_body": "2m",
    "streams": ["/stream"],
    "auth": {"by": "basic", "users": {"ann": "open sesame"}, "paths": ["/private", "/static/inner/"]},
    "cache": {"seconds": 2, "paths": ["/cached/"]},
    "rate_limit": {"rate": "2/s", "burst": 2, "paths": ["/limited/"]},
}
#: at another prefix of the same domains
SECOND: dict[str, Any] = {
    "source": "../probe",
    "target": "probe:app",
    "domains": ["probe.test"],
    "path": "/second/",
}
CLOSED: dict[str, Any] = {
    "source": "../probe",
    "target": "probe:app",
    "domains": ["closed.test"],
    "error_pages": "errors",
    "maintenance": True,
}
APPS = {"probe": PROBE, "second": SECOND, "closed": CLOSED}
#: by front: its host
HOSTS = {"nginx": ("t-fn", "debian-13"), "apache": ("t-fa", "debian-12")}


def probe(project: Project) -> Project:
    """Put the application that these tests deploy into a project."""
    shutil.copytree(Path(__file__).parent / "apps/probe", project.folder / "probe")
    return project


@pytest.fixture(scope="module", params=HOSTS)
def front(
    request: pytest.FixtureRequest, lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> Front:
    name: str = request.param
    host, image = HOSTS[name]
    found = lab_hosts.one(host, Kind(image))
    project = probe(Project(tmp_path_factory.mktemp(name)))
    apps = {app: {**settings, "front": name} for app, settings in APPS.items()}
    return deployed(found, project, "probe.test", apps, ["base", "python", "app"])


def test_the_plan_is_what_the_deploy_does(front: Front) -> None:
    assert front.first.not_in(front.name, "ok", "changed") == []
    assert front.planned.changes(front.name) == front.first.changes(front.name)


def test_the_second_deploy_changes_nothing(front: Front) -> None:
    assert front.second.not_in(front.name, "ok") == []
    assert front.second.status == 0


def test_the_application_sees_who_asked_for_what(front: Front) -> None:
    seen = front.site().get("/a%20b?c", headers={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http"})
    told = seen.json()
    own = on(front.name, "sh", "-c", "ip route get $(echo $SSH_CLIENT | cut -d' ' -f1)").split()[0]
    assert told["client"] == own != "192.0.2.1"
    assert (told["path"], told["scheme"], told["host"]) == ("/a b", "https", "probe.test")
    # a server that expects more requests on a connection than come does work for nothing
    assert told["connection"].lower() == "close"
    assert seen.headers["Strict-Transport-Security"] == "max-age=63072000"


def test_applications_share_a_domain_by_their_prefixes(front: Front) -> None:
    told = front.site().get("/second/page").json()
    assert (told["prefix"], told["path"]) == ("/second", "/page")
    assert front.site().get("/page").json()["prefix"] == ""


def test_names_that_nobody_has_are_refused(front: Front) -> None:
    stranger = front.site("stranger.test")
    with pytest.raises((RemoteDisconnected, ssl.SSLError)):
        stranger.get()
    try:
        assert stranger.get(tls=False).status in (403, 421)
    except RemoteDisconnected:
        # nginx says nothing at all
        assert front.name == "t-fn"


def test_http_leads_to_https(front: Front) -> None:
    answer = front.site().get("/a?b=c", tls=False)
    assert (answer.status, answer.headers["Location"]) == (308, "https://probe.test/a?b=c")


def test_tls_is_as_mozilla_advises(front: Front, tmp_path: Path) -> None:
    found = tls.judge([("probe.test", front.host.address)], front.project.ca, tmp_path)["probe.test"]
    assert (found.protocols, found.problems) == (("TLS 1.2", "TLS 1.3"), "")


def test_static_files_are_compressed_and_kept_if_their_name_has_a_hash(front: Front) -> None:
    plain = front.site().get("/static/site.css")
    assert plain.text == (front.project.folder / "probe/static/site.css").read_text()
    assert "immutable" not in plain.headers.get("Cache-Control", "")
    hashed = front.site().get("/static/site.0123456789ab.css")
    assert "immutable" in hashed.headers["Cache-Control"] and "31536000" in hashed.headers["Cache-Control"]
    compressed = front.site().get("/static/site.css", headers={"Accept-Encoding": "gzip"})
    assert (compressed.headers["Content-Encoding"], len(compressed.body) < 500) == ("gzip", True)
    assert "Accept-Encoding" in compressed.headers["Vary"]
    for answer in (plain, hashed):
        assert answer.headers["Strict-Transport-Security"]


def test_uploads_have_a_limit(front: Front) -> None:
    assert front.site().get("/upload", body=b"x" * 2_000_000).json()["received"] == 2_000_000
    assert front.site().get("/upload", body=b"x" * 3_000_000).status == 413


def test_streams_are_passed_on_as_they_come(front: Front) -> None:
    times = front.site().arrivals("/stream")
    assert len(times) == 3
    assert times[1] - times[0] > 0.2 and times[2] - times[1] > 0.2


def test_passwords_protect_places_and_what_is_below_them(front: Front) -> None:
    for path in ("/private", "/private/more", "/static/inner/x"):
        answer = front.site().get(path)
        assert (answer.status, answer.headers["WWW-Authenticate"].split(",")[0]) == (
            401,
            'Basic realm="Restricted"',
        )
        assert front.site().get(path, login="ann:guess").status == 401
    assert front.site().get("/private/more", login="ann:open sesame").status == 200
    assert front.site().get("/private-not").status == 200
    file = "/etc/prov/passwords/probe"
    assert on(front.name, "stat", "-c", "%a %U %G", file) == "640 root www-data"
    assert "sesame" not in on(front.name, "cat", file)


def test_the_cache_says_hit_or_miss(front: Front) -> None:
    site = front.site()
    answers = [site.get("/cached/page") for _ in range(3)]
    # Apache adds by whom
    assert [a.headers["X-Cache"].split()[0] for a in answers] == ["MISS", "HIT", "HIT"]
    assert len({a.json()["answer"] for a in answers}) == 1
    for passing in ({"Cookie": "a=b; sessionid=1"}, {"Authorization": "Bearer x"}):
        assert site.get("/cached/page", headers=passing).json()["answer"] != answers[0].json()["answer"]
    assert "X-Cache" not in site.get("/elsewhere").headers
    # nginx counts whole seconds
    time.sleep(3.1)
    assert site.get("/cached/page").headers["X-Cache"].split()[0] != "HIT"


def test_requests_of_one_address_are_limited(front: Front) -> None:
    statuses = [front.site().get("/limited/").status for _ in range(8)]
    assert statuses[0] == 200
    assert 429 in statuses
    assert front.site().get("/unlimited").status == 200
    # Apache's mod_qos counts in windows of whole seconds
    time.sleep(3.1)
    assert front.site().get("/limited/").status == 200


def test_errors_of_the_front_have_pages_of_the_application(front: Front) -> None:
    missing = front.site().get("/static/none.css")
    assert (missing.status, missing.title) == (404, "Nothing here")
    own = front.site().get("/fails")
    assert (own.status, own.text) == (500, "the application's own words")


def test_maintenance_answers_everything(front: Front) -> None:
    answer = front.site("closed.test").get("/any/page")
    assert (answer.status, answer.title) == (503, "Back soon")
    assert int(answer.headers["Retry-After"]) > 0


def test_maintenance_is_switched_without_a_deploy(front: Front) -> None:
    def statuses() -> list[int]:
        site = front.site()
        # the last of them is the health path
        return [site.get(path).status for path in ("/page", "/static/site.css", "/second/page", "/")]

    def switch(*words: str) -> None:
        prov("maintenance", front.name, *words, "--app", "probe", cwd=front.project.folder, status=0)

    found = statuses()
    assert 503 not in found
    switch("on")
    try:
        assert statuses() == [503, 503, 200, 200], "another application of the domain stays open"
        answer = front.site().get("/page")
        assert (answer.title, answer.headers["Retry-After"]) == ("Back soon", "120")
        planned = prov("plan", front.name, cwd=front.project.folder, status=0)
        assert not [e for e in planned.events if e["event"] == "undeclared"]
        switch("on", "--allow", on(front.name, "sh", "-c", "echo $SSH_CLIENT").split()[0])
        assert statuses() == found
    finally:
        switch("off")
    assert statuses() == found


def test_the_access_log_can_be_read_by_programs(front: Front) -> None:
    front.site().get('/logged?"quoted\\"', headers={"User-Agent": 'a "b"'})
    folder = {"t-fn": "/var/log/nginx", "t-fa": "/var/log/apache2"}[front.name]
    lines = [json.loads(line) for line in on(front.name, "cat", f"{folder}/access.log").splitlines()]
    (entry,) = [line for line in lines if line["uri"].startswith("/logged")]
    assert (entry["method"], entry["status"], entry["host"]) == ("GET", 200, "probe.test")
    assert entry["agent"] == 'a "b"'
    assert entry["seconds"] < 5


def test_a_backend_that_is_down_is_told(front: Front) -> None:
    """Last of this file: it stops the application."""
    on(front.name, "sh", "-c", "systemctl stop 'app-probe@*.socket' 'app-probe@*.service'")
    answer = front.site().get("/")
    assert answer.status in (502, 503)
    assert answer.title in ("Out of order", "Back soon")
    healed = prov("deploy", front.name, cwd=front.project.folder, status=0)
    assert healed.tally(front.name)["changed"] > 0
    assert front.site().get("/").status == 200


# -- load balancing


@pytest.fixture(scope="module")
def balanced(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """t-lb (nginx) and t-la (Apache) before t-b1 and t-b2."""
    lab_hosts.up({name: Kind() for name in ("t-lb", "t-la", "t-b1", "t-b2")})
    project = probe(Project(tmp_path_factory.mktemp("balanced")))
    apps = {"probe": {**PROBE, "auth": None}}
    stack = {"apps": apps, "roles": ["base", "python", "app"]}
    balance = {"hosts": "t-b1,t-b2", "method": "round_robin"}
    project.inventory(
        {
            "t-lb": {"balance": {"probe": balance}, "roles": ["base"]},
            "t-la": {"balance": {"probe": {**balance, "front": "apache"}}, "roles": ["base"]},
            "t-b1": stack,
            "t-b2": stack,
        },
        ansible_connection="lab",
    )
    run = prov("deploy", "tests", cwd=project.folder, timeout=400)
    assert run.status == 0, run.errors
    yield project


def balancer(project: Project, name: str = "t-lb") -> Site:
    host = lab.find(name)
    assert host is not None
    return Site(host.address, "probe.test", project.ca)


def requests_at(name: str) -> int:
    return len(on(name, "cat", "/var/log/nginx/access.log").splitlines())


def test_a_balancer_spreads_requests_and_says_who_asked(balanced: Project) -> None:
    again = prov("deploy", "tests", cwd=balanced.folder)
    assert again.status == 0 and all(
        again.not_in(name, "ok") == [] for name in ("t-lb", "t-la", "t-b1", "t-b2")
    )
    before = [requests_at(name) for name in ("t-b1", "t-b2")]
    site = balancer(balanced)
    told = [site.get("/", headers={"X-Forwarded-For": "192.0.2.1"}).json() for _ in range(10)]
    after = [requests_at(name) for name in ("t-b1", "t-b2")]
    assert all(b - a >= 4 for a, b in zip(before, after, strict=True))
    assert {answer["scheme"] for answer in told} == {"https"}
    assert len({answer["client"] for answer in told}) == 1
    assert told[0]["client"] not in ("192.0.2.1", site.address)
    kept = on("t-lb", "ss", "-Htn", "state", "established", "dport", "= :443").splitlines()
    assert len(kept) >= 2, "a connection to each, for requests to come"


@contextlib.contextmanager
def visited(project: Project) -> Iterator[None]:
    """Have visitors at both balancers; each of them gets the page."""
    with Visitors(balancer(project)) as nginx, Visitors(balancer(project, "t-la")) as apache:
        yield
    assert min(len(nginx.answers), len(apache.answers)) > 50
    assert (nginx.lost, apache.lost) == ([], [])


def test_a_host_that_dies_costs_no_request(balanced: Project) -> None:
    with visited(balanced):
        time.sleep(0.5)
        on("t-b1", "systemctl", "kill", "-s", "KILL", "nginx")
        on("t-b1", "systemctl", "stop", "nginx")
        time.sleep(1.5)
        on("t-b1", "systemctl", "start", "nginx")
        # as long as a host that has failed is left alone
        time.sleep(3.5)
        on("t-b2", "sh", "-c", "systemctl stop 'app-probe@*.socket' 'app-probe@*.service'")
        time.sleep(1)
    outside = balancer(balanced, "t-la")
    assert outside.get("/a%20b?c=%20").json()["path"] == "/a b"
    assert {outside.get("/cached/page").status, outside.get("/fails").status} == {200, 500}
    assert outside.get("/.prov-again/probe/r1/").status == 404, "for Apache itself only"
    asked_once = [outside.get("/", body=b"x").status for _ in range(4)]
    assert 200 in asked_once and set(asked_once) <= {200, 502}, "what may have had an effect"
    on("t-b1", "systemctl", "stop", "nginx")
    # longer than between two looks at each host: both are known to be down then, and none is asked
    time.sleep(6)
    nowhere = [outside.get("/").status for _ in range(8)]
    assert {502, 503} >= set(nowhere), nowhere
    on("t-b1", "systemctl", "start", "nginx")


def first_count(name: str, word: str) -> int:
    """How often a word is in the balancer's file of the application, the first time that it is."""
    path = {
        "t-lb": "/etc/nginx/sites-enabled/probe.conf",
        "t-la": "/etc/apache2/sites-enabled/app-probe.conf",
    }
    look = 'until n=$(grep -c -e "$1" "$2"); do sleep 0.02; done; echo "$n"'
    return int(on(name, "timeout", "120", "sh", "-c", look, "sh", word, path[name], timeout=150))


def test_a_host_is_out_of_its_balancers_while_it_is_deployed(balanced: Project) -> None:
    def members() -> list[str]:
        return [
            on("t-lb", "cat", "/etc/nginx/sites-enabled/probe.conf"),
            on("t-la", "cat", "/etc/apache2/sites-enabled/app-probe.conf"),
        ]

    before = members()
    # what another test has stopped
    prov("deploy", "t-b1,t-b2", cwd=balanced.folder, status=0)
    for name in ("t-b1", "t-b2"):
        # a deploy has something to do
        on(name, "systemctl", "stop", "app-probe@*.service")
        on(name, "touch", "/etc/apt/apt.conf.d/99-nothing")
    with visited(balanced), ThreadPoolExecutor() as watchers:
        nginx = watchers.submit(first_count, "t-lb", '" down weight=')
        apache = watchers.submit(first_count, "t-la", " status=+S ")
        run = prov("deploy", "t-b1,t-b2", "--batch", "1", "--drain", cwd=balanced.folder, status=0)
        assert (nginx.result(), apache.result()) == (1, 3), "one host at a time, in each of Apache's pools"
    said = [event["text"] for event in run.events if event["event"] == "note"]
    assert said.count("is out of t-lb, t-la during its deploy") == 2
    assert members() == before
    on("t-b2", "sh", "-c", "systemctl stop 'app-probe@*.socket' 'app-probe@*.service'")
    with visited(balanced):
        sick = prov("deploy", "t-b1", "--drain", cwd=balanced.folder, status=0)
        prov("deploy", "t-b2", cwd=balanced.folder, status=0)
    stay = [e["text"] for e in sick.events if e["event"] == "note"]
    assert [text.partition(":")[0] for text in stay] == ["stays in t-lb", "stays in t-la"]
    assert all("status 502" in text for text in stay), "the only other host does not answer"
    alone = prov("deploy", "t-b1,t-b2", "--drain", cwd=balanced.folder, status=0)
    assert any("no other host would be left" in e["text"] for e in alone.events if e["event"] == "note")
    assert members() == before


def test_hosts_are_judged_by_the_authority_of_the_users_own_certificate(balanced: Project) -> None:
    """Nobody else knows it: without `authority` no host would be believed."""
    other = Authority(balanced.folder / "other")
    other.make()
    request = tls.own_request(balanced.folder)
    (balanced.folder / "own.crt").write_bytes(other.sign(request, ["probe.test"], 30))
    inventory = balanced.folder / "inventory/hosts.yml"
    own = {"certificate": "../own.crt", "key": "../own.key", "authority": "../other/ca.crt"}
    content = yaml.safe_load(inventory.read_text())
    for name in ("t-b1", "t-b2"):
        content["tests"]["hosts"][name]["apps"]["probe"]["tls"] = own
    inventory.write_text(yaml.safe_dump(content))
    planned = prov("plan", "tests", cwd=balanced.folder, status=3)
    run = prov("deploy", "tests", cwd=balanced.folder, status=0)
    for name in ("t-lb", "t-la", "t-b1", "t-b2"):
        told, done = (
            [s["step"] for s in each.steps(name) if s["state"] == "changed"] for each in (planned, run)
        )
        assert told == done
        on(name, "test", "-f", "/etc/prov/tls/probe.crt")
    host = lab.find("t-lb")
    assert host is not None
    site = Site(host.address, "probe.test", other.certificate_path)
    assert {site.get("/").status for _ in range(4)} == {200}
    assert (
        on("t-lb", "cat", "/etc/prov/tls/probe-ca.crt").strip() == other.certificate_path.read_text().strip()
    )
    assert prov("deploy", "tests", cwd=balanced.folder, status=0).tally("t-lb")["changed"] == 0
