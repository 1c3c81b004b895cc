"""Every queue keeps its tasks while releases change: what is under way is finished, none is lost, none runs twice."""

from __future__ import annotations

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts
from helpers.projects import Project
from helpers.queues import QUEUES, Feeder, drained, tasks, write
from helpers.web import Site

pytestmark = pytest.mark.lab

NAME = "p-queues"
NAMES = list(QUEUES)


@pytest.fixture(scope="module")
def given(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """All applications, each with tasks that were given while its release changed: their numbers, by application."""
    host = lab_hosts.one(NAME)
    project = Project(tmp_path_factory.mktemp("queues") / "project")
    write(project, NAME, NAMES)
    prov("deploy", NAME, cwd=project.folder, timeout=1200, status=0)
    feeders = {name: Feeder(Site(host.address, f"{name}.test", project.ca)) for name in NAMES}
    for name in NAMES:
        (project.folder / name / "more.py").write_text("")
    deployed = prov("deploy", NAME, cwd=project.folder, timeout=1200, status=0)
    assert deployed.tally(NAME)["changed"] > 0
    return {name: feeder.end() for name, feeder in feeders.items()}


@pytest.mark.parametrize("name", NAMES)
def test_a_release_changes_while_tasks_are_under_way(given: dict[str, list[int]], name: str) -> None:
    found = drained(NAME, name, len(given[name]))
    for word in ("begun", "done"):
        assert sorted(int(line[1]) for line in found if line[0] == word) == given[name], tasks(NAME, name)
    # both releases had their part, and each finished what it began
    releases = {line[1]: line[2] for line in found if line[0] == "begun"}
    assert len(set(releases.values())) == 2
    assert {line[1]: line[2] for line in found if line[0] == "done"} == releases
