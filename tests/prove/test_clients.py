"""Clients who lie, against every server behind every front on every release (tests/lab/test_clients_hostile.py)."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.checks import own_address
from helpers.cli import prov
from helpers.clientmatrix import SERVERS, attack, put_echo, settings
from helpers.hosts import Hosts, Kind
from helpers.projects import Project
from helpers.web import Site

from provision import lab

pytestmark = pytest.mark.lab

#: host: front and image
HOSTS = {
    "t-cn12": ("nginx", "debian-12"),
    "t-cn13": ("nginx", "debian-13"),
    "t-ca12": ("apache", "debian-12"),
    "t-ca13": ("apache", "debian-13"),
}


@pytest.fixture(scope="module")
def served(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, lab.LabHost], Path]:
    """All of them, and the certificate of their authority."""
    project = Project(tmp_path_factory.mktemp("clients"))
    put_echo(project)
    project.role("uv", "python.uv(c)", head="from provision.steps import python\nAFTER = ('python',)")
    hosts = lab_hosts.up({name: Kind(image) for name, (_, image) in HOSTS.items()})
    apps = {
        name: {"apps": {app: settings(app, front) for app in SERVERS}} for name, (front, _) in HOSTS.items()
    }
    project.inventory(apps, ansible_connection="lab", roles=["python", "uv", "app"])
    run = prov("deploy", "tests", cwd=project.folder, timeout=1800)
    assert run.status == 0, run.errors
    return hosts, project.ca


@pytest.mark.trust("3", "client-matrix")
@pytest.mark.parametrize("app", SERVERS)
@pytest.mark.parametrize("host", HOSTS)
def test_a_client_says_nothing_of_itself(
    served: tuple[dict[str, lab.LabHost], Path], host: str, app: str
) -> None:
    hosts, ca = served
    address = hosts[host].address
    assert attack(Site(address, f"{app}.test", ca), own_address(address)) > 200
