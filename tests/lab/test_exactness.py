"""A plan says exactly what the deploy then does, on hosts to which things have happened: a sample of the proof.

All of it: `make prove`, docs/proofs.md.
"""

from __future__ import annotations

import pytest
from helpers.exactness import Proving
from helpers.hosts import Hosts
from helpers.mutations import BARE, Case, case, draw
from helpers.projects import HELLO, STACK, Project
from helpers.samples import sample

pytestmark = pytest.mark.lab

HOST = "t-exact"
#: the same ones each time; what no one has seen yet is for `make prove`
DRAWN = draw("hello", 12, number=1)
#: what was not exact once, and where a deploy begins or has ended half-way
KNOWN = (
    f"{BARE}: nothing",
    "begun app: nothing",
    "chmod 0700 /srv/hello/venvs/*/bin + delete /srv/hello/releases/*/.prov/loads",
    "chmod 0700 /srv/hello/releases/* + delete /srv/hello/releases/*/.prov/loads",
    "mask ssh + unit file masked by hand",
    "stop nginx.service + nginx's package file broken",
    "delete /etc/nginx/sites-enabled/hello.conf + nginx's package file broken",
    "purge nginx + unpack only nginx",
    "remove nginx + nginx's configuration broken",
    "turn into a link /etc/prov/tls/hello.key + stop nginx.service",
    "empty /etc/prov/tls/hello.crt + purge openssl",
    "begun tls: unpack only nginx-common",
    "turn into a link /etc/prov/tls/hello.key + socket's path gone",
    "turn into a link /srv/hello/venvs/*",
    "begun gunicorn: venv: its mark gone + turn into a file /srv/hello/releases/*/.venv",
    "begun nginx: unpack only unattended-upgrades + drop-in $(cd /etc/systemd/system && ls -d app-hello@*.service)",
)


@pytest.fixture(scope="module")
def proving(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Proving:
    lab_hosts.one(HOST)
    project = Project(tmp_path_factory.mktemp("exact")).examples()
    project.inventory({HOST: {"apps": {"hello": HELLO}}}, ansible_connection="lab", roles=STACK)
    return Proving(project.folder, [HOST])


@pytest.mark.parametrize(
    "each", [*(case("hello", text) for text in sample(KNOWN, 5)), *sample(DRAWN, 4)], ids=str
)
def test_a_plan_of_a_changed_host_is_exact(proving: Proving, each: Case) -> None:
    assert proving.one(each).differences == []
