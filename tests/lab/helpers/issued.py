"""A host whose certificate comes from an ACME authority on the same host."""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from helpers.cli import Run, prov
from helpers.hosts import on
from helpers.pebble import DIRECTORY, Pebble
from helpers.projects import HELLO, Project
from helpers.web import Site
from provision import lab

CERTIFICATE, STATE = "/etc/prov/tls/hello.crt", "/var/lib/prov-acme/state/hello.json"
LOCK = "/var/lib/prov-acme/lock"
#: a program that writes into a state that the authority wants the certificate replaced, and that nothing has failed
OVER = """
import json, sys
with open(sys.argv[1], "r+") as file:
    state = json.load(file)
    state.update(window=[1, 2], next=0, error="")
    file.seek(0)
    json.dump(state, file)
    file.truncate()
"""
PROGRAM = ("python3", "-B", "/usr/local/lib/prov-acme/acme.py")


@dataclass(frozen=True)
class Issued:
    """It, planned on a bare host, deployed, and deployed again."""

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
        content["tests"]["hosts"][self.host.name]["apps"]["hello"].update(settings)
        inventory.write_text(yaml.safe_dump(content))
        return prov("deploy", self.host.name, cwd=self.project.folder, status=status, timeout=200)

    @property
    def state(self) -> dict[str, Any]:
        """What the host remembers of its certificate."""
        found: dict[str, Any] = json.loads(on(self.host.name, "cat", STATE))
        return found

    def now(self) -> None:
        """Have the host believe that its authority wants the certificate replaced: its window is over (RFC 9773).

        Between two runs of its program, which would write over it what it has read before.
        """
        on(self.host.name, "flock", LOCK, "python3", "-c", OVER, STATE, timeout=180)


def issued_on(host: lab.LabHost, folder: Path, *, seconds: int, check: str) -> Issued:
    """Bring a bare host to a certificate. seconds: lifetime of certificates.  check: how often the host looks."""
    project = Project(folder).examples()
    (project.folder / "flask_hello/static/large.css").write_text("p { color: red }\n" * 100)
    pebble = Pebble(host.name, project.folder, seconds=seconds)
    settings = {"server": DIRECTORY, "agree": True, "authority": "../pebble.pem"}
    app = {**HELLO, "redirects": ["www.hello.test"], "tls": "acme"}
    project.inventory(
        {host.name: {"apps": {"hello": app}}},
        ansible_connection="lab",
        roles=["python", "app", "firewall"],
        tls={"acme": settings, "check": check},
        nginx={"tls_profile": "modern", "http3": True, "brotli": True},
        apache={"tls_profile": "modern"},
    )
    planned = prov("plan", host.name, cwd=project.folder, status=3)
    first = prov("deploy", host.name, cwd=project.folder, timeout=400, status=0)
    second = prov("deploy", host.name, cwd=project.folder, status=0)
    return Issued(host, project, pebble, planned, first, second)


def renewed(issued: Issued, old: int) -> int:
    """Wait until another certificate is served, and a valid one; return its serial number."""
    end = time.monotonic() + 180
    while (new := valid_serial(issued.site)) in (old, 0):
        assert time.monotonic() < end, journal(issued)
        time.sleep(0.5)
    return new


def valid_serial(site: Site) -> int:
    """Return the serial number of the certificate that is served; 0 if it has expired."""
    try:
        return site.serial()
    except ssl.SSLCertVerificationError:
        return 0


def failed(issued: Issued) -> str:
    """Wait until a try has failed; return why."""
    end = time.monotonic() + 180
    while not (error := issued.state["error"]):
        assert time.monotonic() < end, journal(issued)
        time.sleep(0.5)
    return str(error)


def journal(issued: Issued) -> str:
    return on(issued.host.name, "journalctl", "-u", "prov-acme", "-n", "20", "--no-pager")
