"""Deploys in waves that are killed at drawn moments, and continued: no visitor of the balancer notices."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
from collections.abc import Iterator

import pytest
from helpers.cli import prov, start
from helpers.hosts import Hosts, Kind, on
from helpers.projects import HELLO, STACK, Project
from helpers.web import Site, Visitors

from provision import lab

pytestmark = pytest.mark.lab

BALANCER, HOSTS = "p-wave-lb", ("p-wave1", "p-wave2")
#: how often a deploy is killed
MOMENTS = int(os.environ.get("MOMENTS") or 16)
#: seconds within which a deploy of both hosts has ended
LONGEST = 12.0


@pytest.fixture(scope="module")
def waves(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    lab_hosts.up({name: Kind() for name in (BALANCER, *HOSTS)})
    project = Project(tmp_path_factory.mktemp("waves")).examples()
    served = {"apps": {"hello": HELLO}, "roles": STACK}
    balanced = {"balance": {"hello": {"hosts": ",".join(HOSTS), "method": "round_robin"}}, "roles": ["base"]}
    project.inventory({BALANCER: balanced, **dict.fromkeys(HOSTS, served)}, ansible_connection="lab")
    prov("deploy", "tests", cwd=project.folder, timeout=400, status=0)
    yield project


@pytest.mark.parametrize("drain", [(), ("--drain",)], ids=["in", "drained"])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_deploy_in_waves_that_is_killed_is_continued(
    waves: Project, moment: int, drain: tuple[str, ...]
) -> None:
    draw = random.Random(f"{moment} {drain}")
    (waves.folder / "flask_hello/note.txt").write_text(f"{moment} {drain}")
    target = ",".join(HOSTS)
    words = ("deploy", target, "--batch", "1", *drain)
    host = lab.find(BALANCER)
    assert host is not None
    with Visitors(Site(host.address, "hello.test", waves.ca)) as visitors:
        running = start(*words, cwd=waves.folder)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.communicate(timeout=draw.uniform(0, LONGEST))
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=30)
        continued = prov(*words, "--continue", cwd=waves.folder)
        if continued.status == 2:
            # it has ended before, or was killed before it was done with a host
            prov(*words, cwd=waves.folder, status=0)
        else:
            assert continued.status == 0, continued.errors
        # puts back what was out when prov was killed
        prov("deploy", BALANCER, cwd=waves.folder, status=0)
    assert visitors.lost == []
    releases = {on(name, "readlink", "/srv/hello/current") for name in HOSTS}
    assert len(releases) == 1
    assert prov("plan", "tests", cwd=waves.folder).status == 0
    site = on(BALANCER, "cat", "/etc/nginx/sites-enabled/hello.conf")
    assert site.count("\n    server ") == 2 and '" down weight=' not in site
