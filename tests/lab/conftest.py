"""Lab hosts and projects for all tests in this folder. Tests of the lab fail, not skip, where it can't run."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, Kind
from helpers.journeys import MATRIX, TWO, Journey, travel
from helpers.projects import Project
from helpers.samples import WHOLE
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling


class ByHosts(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """With `pytest -n 3`: the tests of a file are run by one process, as they share hosts, and so are all that look
    at what a journey has left."""

    def _split_scope(self, nodeid: str) -> str:
        return together(self.config, nodeid)


def together(config: pytest.Config, nodeid: str) -> str:
    """Return the name of the group that a test belongs to: one process runs a group."""
    return group_of(config.rootpath, nodeid.split("::")[0])


@functools.cache
def group_of(root: Path, file: str) -> str:
    """Return the group of a file's tests."""
    text = (root / file).read_text(encoding="utf-8")
    return "journeys" if "from helpers.journeys import" in text else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False
    return ByHosts(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only `make prove` runs.

    Begin with the files whose few tests take minutes each, then go by the number of tests: what begins last, one
    process runs alone.
    """
    left_out = [item for item in items if not WHOLE and item.get_closest_marker("at_length")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if config.option.dist == "no":
        return
    groups = {item.nodeid: together(config, item.nodeid) for item in items}
    many = Counter(groups.values())
    slow = {groups[item.nodeid] for item in items if item.get_closest_marker("minutes")}
    items.sort(
        key=lambda item: (groups[item.nodeid] not in slow, -many[groups[item.nodeid]], groups[item.nodeid])
    )


@pytest.fixture(scope="session")
def lab_hosts() -> Iterator[Hosts]:
    """The hosts of this run of the tests."""
    hosts = Hosts()
    yield hosts
    hosts.down()


@pytest.fixture(scope="module", autouse=True)
def hosts_of_a_file(lab_hosts: Hosts) -> Iterator[None]:
    """A file's hosts go with it, but for those that other files look at too: each has a systemd, and the kernel
    gives root only so many inotify instances (inotify(7), max_user_instances)."""
    before = set(lab_hosts.known)
    yield
    lab_hosts.down(lab_hosts.known - before - {TWO, *MATRIX})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new project."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def two(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """A host with two applications. Tests may change what it serves, and say so to no one."""
    project = Project(tmp_path_factory.mktemp("two"))
    return travel(lab_hosts, project, {TWO: (Kind(), ["hello", "polls"])})


@pytest.fixture(scope="session")
def matrix(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """Hosts of all kinds with one application each. Tests leave them as they are."""
    return travel(lab_hosts, Project(tmp_path_factory.mktemp("matrix")), MATRIX)
