"""Certificates of an ACME authority: got on the first deploy, renewed by the host alone, kept when that fails."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on
from helpers.pebble import DIRECTORY, Pebble
from helpers.projects import HELLO, Project
from helpers.web import Site

from provision import lab

pytestmark = pytest.mark.lab

ACME = "t-acme"
CERTIFICATE, STATE = "/etc/prov/tls/hello.crt", "/var/lib/prov-acme/state/hello.json"
PROGRAM = ("python3", "-B", "/usr/local/lib/prov-acme/acme.py")
LEARNT = "certificate for hello.test from https://localhost:14000/dir"
#: lifetime of certificates in seconds: long enough for the other tests of this file
SECONDS = 600


@dataclass(frozen=True)
class Issued:
    """A host whose certificate comes from an authority on the same host."""

    host: lab.LabHost
    project: Project
    pebble: Pebble
    planned: Run
    first: Run
    second: Run

    @property
    def site(self) -> Site:
        """As browsers see it that trust the authority. Its roots change with each start."""
        return Site(self.host.address, "hello.test", self.pebble.roots(self.project.folder))

    def deploy(self, status: int = 0, **settings: Any) -> Run:
        """Deploy with other settings of the application."""
        inventory = self.project.folder / "inventory/hosts.yml"
        content = yaml.safe_load(inventory.read_text())
        content["tests"]["hosts"][ACME]["apps"]["hello"].update(settings)
        inventory.write_text(yaml.safe_dump(content))
        return prov("deploy", ACME, cwd=self.project.folder, status=status, timeout=200)

    @property
    def state(self) -> dict[str, Any]:
        """What the host remembers of its certificate."""
        found: dict[str, Any] = json.loads(on(ACME, "cat", STATE))
        return found

    def now(self) -> None:
        """Have the host believe that its authority wants the certificate replaced: its window is over (RFC 9773)."""
        text = json.dumps({**self.state, "window": [1, 2], "next": 0, "error": ""})
        on(ACME, "sh", "-c", f"echo '{text}' >{STATE}.new && mv {STATE}.new {STATE}")


@pytest.fixture(scope="module")
def issued(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Issued:
    host = lab_hosts.one(ACME, Kind("debian-13"))
    project = Project(tmp_path_factory.mktemp("acme")).examples()
    pebble = Pebble(ACME, project.folder, seconds=SECONDS)
    settings = {"server": DIRECTORY, "agree": True, "authority": "../pebble.pem"}
    app = {**HELLO, "redirects": ["www.hello.test"], "tls": "acme"}
    project.inventory(
        {ACME: {"apps": {"hello": app}}},
        ansible_connection="lab",
        roles=["python", "app"],
        tls={"acme": settings, "check": "3s"},
    )
    planned = prov("plan", ACME, cwd=project.folder, status=3)
    first = prov("deploy", ACME, cwd=project.folder, timeout=400, status=0)
    second = prov("deploy", ACME, cwd=project.folder, status=0)
    return Issued(host, project, pebble, planned, first, second)


def test_the_first_deploy_ends_with_a_certificate_that_browsers_take(issued: Issued) -> None:
    assert issued.planned.states(ACME) == issued.first.states(ACME)
    (step,) = [s for s in issued.first.steps(ACME) if s["step"] == LEARNT]
    assert [change["before"] for change in step["diff"]] == ["a temporary one"]
    assert issued.second.tally(ACME)["changed"] == 0
    assert issued.site.get().title == "Hello from Flask"
    assert replace(issued.site, domain="www.hello.test").get().status == 308
    # what anyone else asks there is neither redirected nor the application's
    assert issued.site.get("/.well-known/acme-challenge/x", tls=False).status == 404


def test_keys_are_where_they_belong(issued: Issued) -> None:
    modes = on(ACME, "stat", "-c", "%a %U", "/etc/prov/tls/hello.key", "/etc/prov/acme.json")
    assert modes.splitlines() == ["600 root", "600 root"]
    assert on(ACME, "stat", "-c", "%a %U", "/var/lib/prov-acme/accounts") == "700 root"
    exposed = on(ACME, "systemd-analyze", "security", "prov-acme.service", "--no-pager").splitlines()[-1]
    assert float(exposed.split(":")[1].split()[0]) < 2.5, exposed


def test_the_host_renews_alone_when_the_authority_says_so(issued: Issued) -> None:
    """By its timer: nothing of prov runs."""
    old = issued.site.serial()
    issued.now()
    new = renewed(issued, old)
    on_disk = on(ACME, "openssl", "x509", "-in", CERTIFICATE, "-noout", "-serial")
    assert int(on_disk.removeprefix("serial="), 16) == new
    assert prov("deploy", ACME, cwd=issued.project.folder).tally(ACME)["changed"] == 0


def test_a_failure_keeps_the_old_certificate_and_names_the_cause(issued: Issued) -> None:
    site, old = issued.site, issued.site.serial()
    issued.pebble.leads("www.hello.test", nowhere=True)
    issued.now()
    why = failed(issued)
    assert "could not verify www.hello.test" in why and "could not resolve" in why
    assert site.serial() == old
    issued.pebble.leads("www.hello.test", nowhere=False)
    issued.pebble.stop()
    issued.now()
    assert "Connection refused" in failed(issued)
    assert site.serial() == old
    # with an authority that has forgotten the account
    issued.pebble.start()
    on(ACME, *PROGRAM, "--now", "hello")
    assert issued.site.serial() != old
    assert issued.state["error"] == ""


def test_from_one_authority_to_another_and_back_and_to_the_other_front(issued: Issued) -> None:
    private = Site(issued.host.address, "hello.test", issued.project.ca)
    key = on(ACME, "sha256sum", "/etc/prov/tls/hello.key")
    issued.deploy(tls="private-ca")
    assert private.get().status == 200
    assert on(ACME, "sh", "-c", "ls /etc/prov") == "hello.env\ntls"
    issued.deploy(tls="acme", front="apache")
    assert issued.site.get().title == "Hello from Flask"
    assert on(ACME, "sha256sum", "/etc/prov/tls/hello.key") == key
    assert issued.site.get("/.well-known/acme-challenge/x", tls=False).status == 404
    old = issued.site.serial()
    issued.now()
    renewed(issued, old)
    assert issued.deploy().tally(ACME)["changed"] == 0


def renewed(issued: Issued, old: int) -> int:
    """Wait until another certificate is served; return its serial number."""
    end = time.monotonic() + 60
    while (new := issued.site.serial()) == old:
        assert time.monotonic() < end, on(ACME, "journalctl", "-u", "prov-acme", "-n", "20", "--no-pager")
        time.sleep(0.5)
    return new


def failed(issued: Issued) -> str:
    """Wait until a try has failed; return why."""
    end = time.monotonic() + 60
    while not (error := issued.state["error"]):
        assert time.monotonic() < end
        time.sleep(0.5)
    return str(error)
