"""A plan says exactly what the deploy then does, on hosts to which things have happened: a sample of the proof.

All of it: `make prove`, docs/proofs.md.
"""

from __future__ import annotations

import pytest
from helpers.cli import prov
from helpers.exactness import Proving
from helpers.hosts import Hosts
from helpers.mutations import draw
from helpers.projects import HELLO, STACK, Project

pytestmark = pytest.mark.lab

HOSTS = ("t-exact1", "t-exact2")
#: the same ones each time; what nobody has seen yet is for `make prove`
CASES, START = 12, 1


def test_plans_of_changed_hosts_are_exact(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in HOSTS:
        lab_hosts.one(name)
    project = Project(tmp_path_factory.mktemp("exact")).examples()
    hosts = {name: {"apps": {"hello": HELLO}} for name in HOSTS}
    project.inventory(hosts, ansible_connection="lab", roles=STACK)
    prov("deploy", "tests", cwd=project.folder, timeout=400, status=0)
    verdicts = Proving(project.folder, HOSTS).all(draw("hello", CASES, START))
    assert [v for v in verdicts if not v.exact] == []
