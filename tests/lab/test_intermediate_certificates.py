"""An intermediate of the private CA, served by nginx and Apache: judged by openssl, without the root's key."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.cli import prov
from helpers.hosts import Hosts
from helpers.projects import HELLO, Project
from helpers.web import Site

from provision import lab

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

#: each serves an application by another front, and balances that of the other
NGINX, APACHE = "t-chain-nginx", "t-chain-apache"
ROLES = ["base", "python", "app", "gunicorn"]
VERIFIED = "Verify return code: 0 (ok)"


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    for name in (NGINX, APACHE):
        lab_hosts.one(name)
    made = Project(tmp_path_factory.mktemp("chains") / "project").examples()
    person = {"by": "certificate", "people": ["ann"], "paths": ["/private/"]}
    hosts: dict[str, dict[str, Any]] = {
        name: {
            "roles": [*ROLES, front, "tls"],
            "apps": {short: {**HELLO, "domains": [f"{short}.test"], "front": front, "auth": person}},
        }
        for name, front, short in ((NGINX, "nginx", "one"), (APACHE, "apache", "two"))
    }
    return made.inventory(hosts, ansible_connection="lab")


def deploy(project: Project) -> None:
    """A deploy that changes something, and one that changes nothing."""
    planned = prov("plan", "tests", cwd=project.folder)
    run = prov("deploy", "tests", cwd=project.folder, timeout=400, status=0)
    assert planned.states(NGINX, APACHE) == run.states(NGINX, APACHE)
    again = prov("deploy", "tests", cwd=project.folder, status=0)
    assert [again.tally(name)["changed"] for name in (NGINX, APACHE)] == [0, 0]


def site(project: Project, name: str, domain: str) -> Site:
    host = lab.find(name)
    assert host is not None
    return Site(host.address, domain, project.ca)


def handshake(project: Project, name: str, domain: str, *options: str) -> str:
    """What openssl, which trusts the root alone, says of a handshake."""
    address = f"{site(project, name, domain).address}:443"
    argv = ["openssl", "s_client", "-connect", address, "-servername", domain, "-showcerts", *options]
    argv += ["-CAfile", str(project.ca), "-verify_return_error", "-verify_hostname", domain]
    done = subprocess.run(argv, input="", capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


def chain(said: str) -> list[str]:
    """Names of the certificates that a server has sent."""
    return [name.replace(" ", "") for name in re.findall(r"^ *\d s:(.*)$", said, re.MULTILINE)]


def test_hosts_serve_it_and_the_key_of_the_root_is_elsewhere(project: Project, tmp_path: Path) -> None:
    deploy(project)
    root = project.ca.read_bytes()
    sites = [(NGINX, "one.test"), (APACHE, "two.test")]
    for each in sites:
        said = handshake(project, *each)
        assert VERIFIED in said and "intermediate" not in said, said
    prov("tls ca intermediate", "all", cwd=project.folder, status=0)
    (project.ca.parent / "ca.key").rename(tmp_path / "ca.key")
    deploy(project)
    assert project.ca.read_bytes() == root
    for each in sites:
        said = handshake(project, *each)
        assert VERIFIED in said, said
        # where people show certificates, Apache sends the root, too
        leaf, issuer = chain(said)[:2]
        assert leaf == f"CN={each[1]}" and "intermediate" in issuer
    # people too, and those without a certificate get in nowhere
    prov("tls client", "all", "ann", "--to", str(tmp_path), cwd=project.folder, status=0)
    for each in sites:
        open_, ann = site(project, *each), tmp_path / "ann"
        assert open_.get("/healthz").status == 200
        assert [replace(open_, person=who).get("/private/x").status for who in (None, ann)] == [403, 404]
    # a further key and certificate, without the root
    before = [site(project, *each).serial() for each in sites]
    prov("tls rotate", "tests", cwd=project.folder, status=0)
    assert all(site(project, *each).serial() != old for each, old in zip(sites, before))
    assert prov("deploy", "tests", cwd=project.folder, status=0).tally(NGINX)["changed"] == 0


def test_balancers_verify_their_hosts_by_it(project: Project) -> None:
    """Each front balances the application of the other one."""
    file = project.folder / "inventory/hosts.yml"
    text = file.read_text()
    content = yaml.safe_load(text)
    for host, app, other in ((NGINX, "two", APACHE), (APACHE, "one", NGINX)):
        front = {NGINX: "nginx", APACHE: "apache"}[host]
        content["tests"]["hosts"][host]["balance"] = {app: {"hosts": other, "front": front}}
        content["tests"]["hosts"][host]["apps"][{"two": "one", "one": "two"}[app]].pop("auth")
    file.write_text(yaml.safe_dump(content))
    deploy(project)
    for host, domain in ((NGINX, "two.test"), (APACHE, "one.test")):
        said = handshake(project, host, domain)
        assert VERIFIED in said and len(chain(said)) == 2, said
        assert site(project, host, domain).get("/healthz").status == 200
