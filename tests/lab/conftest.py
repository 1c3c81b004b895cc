"""Lab hosts and projects for all tests in this folder. Tests of the lab fail, not skip, where it can't run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, Kind
from helpers.journeys import MATRIX, TWO, Journey, travel
from helpers.projects import Project


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With pytest-xdist, the tests of a file are run by one process, and so are all that share a journey's hosts:
    `pytest -n 3 --dist loadgroup tests/lab`."""
    for item in items:
        used = getattr(item, "fixturenames", ())
        shared = "journeys" if {"two", "matrix", "journey"} & set(used) else item.path.stem
        item.add_marker(pytest.mark.xdist_group(shared))


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
    """A host with two applications. Tests may change what it serves, and say so to nobody."""
    project = Project(tmp_path_factory.mktemp("two"))
    return travel(lab_hosts, project, {TWO: (Kind(), ["hello", "polls"])})


@pytest.fixture(scope="session")
def matrix(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """Hosts of all kinds with one application each. Tests leave them as they are."""
    return travel(lab_hosts, Project(tmp_path_factory.mktemp("matrix")), MATRIX)
