"""Queues keep their tasks while releases change: by Redis and by PostgreSQL here, all libraries in the proofs."""

from __future__ import annotations

import pytest
from helpers.hosts import Hosts
from helpers.queues import all_done_once, given_while_releases_change

pytestmark = pytest.mark.lab

NAME = "t-queues"
NAMES = ["rq", "procrastinate"]


@pytest.fixture(scope="module")
def given(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """Tasks that applications were given while their releases changed: their numbers, by application."""
    return given_while_releases_change(lab_hosts.one(NAME), tmp_path_factory.mktemp("queues"), NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_release_changes_while_tasks_are_under_way(given: dict[str, list[int]], name: str) -> None:
    all_done_once(NAME, name, given[name])
