"""Clients who lie, against real fronts and servers: what an application learns about them, and what stays hidden.

Here a few servers are behind each front; tests/prove/test_clients.py has all of them behind all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from helpers.checks import own_address
from helpers.cli import prov
from helpers.clientmatrix import attack, put_echo, settings
from helpers.hostile import ask, plain
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project
from helpers.web import Site

from provision import lab

pytestmark = pytest.mark.lab

#: host: its front, image and applications
HOSTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "t-hn": ("nginx", "debian-13", ("gunicorn", "uwsgi", "daphne")),
    "t-ha": ("apache", "debian-12", ("gunicorn", "uwsgi", "mod-wsgi", "uvicorn")),
}
#: application on one host that the other one balances
FAR = {"t-hn": "far-nginx", "t-ha": "far-apache"}
EACH = [(host, app) for host, (_, _, apps) in HOSTS.items() for app in apps]


@dataclass(frozen=True)
class Attacked:
    """Both hosts, served."""

    hosts: dict[str, lab.LabHost]
    project: Project

    def site(self, host: str, app: str) -> Site:
        return Site(self.hosts[host].address, f"{app}.test", self.project.ca)


@pytest.fixture(scope="module")
def attacked(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    project = Project(tmp_path_factory.mktemp("hostile"))
    put_echo(project)
    project.role("uv", "python.uv(c)", head="from provision.steps import python\nAFTER = ('python',)")
    hosts = lab_hosts.up({name: Kind(image) for name, (_, image, _) in HOSTS.items()})
    inventory: dict[str, dict[str, Any]] = {}
    for (name, (front, _, apps)), other in zip(HOSTS.items(), reversed(HOSTS), strict=True):
        served = {app: settings(app, front) for app in apps}
        served[FAR[name]] = {**settings("gunicorn", front), "domains": [f"{FAR[name]}.test"]}
        inventory[name] = {"apps": served, "balance": {FAR[other]: {"hosts": other, "front": front}}}
    project.inventory(inventory, ansible_connection="lab", roles=["python", "uv", "app"])
    run = prov("deploy", "tests", cwd=project.folder, timeout=600)
    assert run.status == 0, run.errors
    yield Attacked(hosts, project)


@pytest.mark.trust("3", "apache-front-underscore-headers")
@pytest.mark.parametrize(("name", "app"), EACH)
def test_a_client_says_nothing_of_itself_and_sees_nothing_closed(
    attacked: Attacked, name: str, app: str
) -> None:
    assert attack(attacked.site(name, app), own_address(attacked.hosts[name].address)) > 200


@pytest.mark.trust("3", "through-a-balancer")
@pytest.mark.parametrize(("name", "app"), [("t-hn", FAR["t-ha"]), ("t-ha", FAR["t-hn"])])
def test_nor_through_a_balancer(attacked: Attacked, name: str, app: str) -> None:
    assert attack(attacked.site(name, app), own_address(attacked.hosts[name].address)) > 200


@pytest.mark.trust("3", "front-sandbox")
@pytest.mark.parametrize("name", HOSTS)
def test_a_front_follows_no_link_of_an_applications_user(attacked: Attacked, name: str) -> None:
    site, media = attacked.site(name, "gunicorn"), "/var/lib/app-gunicorn/media"
    secret = "/var/lib/app-uwsgi/media/secret.txt"

    def as_user(user: str, *argv: str, check: bool = True) -> str:
        return on(name, "runuser", "-u", user, "--", *argv, check=check)

    def status(path: str) -> int:
        return ask(site, plain(f"/media/{path}", site.domain))[0].status

    as_user("app-uwsgi", "sh", "-c", f"umask 027; echo forged > {secret}")
    links = {"a.txt": "/etc/prov/passwords/uwsgi", "b.txt": secret, "c.txt": "/etc/passwd", "d": "/etc"}
    for link, end in links.items():
        as_user("app-gunicorn", "ln", "-s", end, f"{media}/{link}")
    as_user("app-gunicorn", "sh", "-c", f"umask 027; echo mine > {media}/mine.txt")
    # the kernel does not let them either: fs.protected_hardlinks
    as_user("app-gunicorn", "ln", "/etc/passwd", f"{media}/hard.txt", check=False)
    assert {link: status(link) for link in links} == dict.fromkeys(links, 403)
    # a folder that is none is not there, for nginx
    assert status("d/passwd") in (403, 404)
    assert (status("hard.txt"), status("mine.txt")) == (404, 200)
    # the folder above is the application's as well: it may put a link in the place of the whole
    as_user("app-gunicorn", "mv", media, f"{media}.old")
    as_user("app-gunicorn", "ln", "-s", "/var/lib/app-uwsgi/media", media)
    assert status("secret.txt") in (403, 404)
    on(name, "rm", media)
    on(name, "mv", f"{media}.old", media)
