"""A plan says exactly what the deploy then does, on hosts to which things have happened: a sample of the proof.

All of it: `make prove`, docs/proofs.md.
"""

from __future__ import annotations

import pytest
from helpers.cli import prov
from helpers.exactness import Proving
from helpers.hosts import Hosts
from helpers.mutations import Case, draw
from helpers.projects import HELLO, STACK, Project

pytestmark = pytest.mark.lab

HOST = "t-exact"
#: the same ones each time; what nobody has seen yet is for `make prove`
CASES, START = 12, 1


@pytest.fixture(scope="module")
def proving(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Proving:
    lab_hosts.one(HOST)
    project = Project(tmp_path_factory.mktemp("exact")).examples()
    project.inventory({HOST: {"apps": {"hello": HELLO}}}, ansible_connection="lab", roles=STACK)
    prov("deploy", HOST, cwd=project.folder, timeout=400, status=0)
    return Proving(project.folder, [HOST])


@pytest.mark.parametrize("case", draw("hello", CASES, START), ids=lambda case: " + ".join(map(str, case)))
def test_a_plan_of_a_changed_host_is_exact(proving: Proving, case: Case) -> None:
    assert proving.one(case).differences == []
