"""Deploys and rollbacks of a target on Kubernetes that are killed at each request: the next run finishes them.

The server is a double (tests/unit/cluster_double.py); the runs are processes, and end by SIGKILL. EVERY=n in the
environment takes each nth request.
"""

from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from cluster_double import Cluster, Object, let_time_pass, served, without_records
from inventories import project
from test_kubernetes_deploy import CANARY, INGRESS, INVENTORY, PARTS

#: runs prov with short waits
PROGRAM = """
import sys
from provision.platforms import target_lock
from provision.platforms.kubernetes import rollouts
target_lock.WATCHED, rollouts.PERIOD = 0.0, 0.01
from provision.cli.main import main
sys.argv[0] = "prov"
raise SystemExit(main())
"""


#: requests of the longest run, and more
MOST = 80


class Runs:
    """Runs of prov against a server, each a process."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __call__(self, *words: str, killed_at: int | None = None) -> int:
        """Run a command; return its exit status, -9 if it was killed. killed_at: after that many requests."""
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._cluster.left, self._cluster.cut = killed_at, process.kill
        status = process.wait(120)
        self._cluster.left = None
        let_time_pass(self._cluster)
        return status


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster()
    with served(found, tmp_path / "config"):
        yield found


def write(app: str) -> None:
    project(Path(), {"inventory/hosts.yml": INVENTORY % (INGRESS, CANARY, app)})


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_run_that_is_killed_at_any_request_is_finished_by_the_next(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(project(tmp_path, {"shop/shop.py": "", "shop/requirements.txt": "", "base.tar": ""}))
    runs = Runs(cluster)
    write("")
    assert runs("deploy", "prod") == 0
    old = copy.deepcopy(cluster.objects)
    (Path("shop") / "shop.py").write_text("# newer\n")
    write(PARTS)
    if command == "rollback":
        assert runs("deploy", "prod") == 0
    before = copy.deepcopy(cluster.objects)
    words = ("deploy", "prod") if command == "deploy" else ("rollback", "prod", "--no-hold")
    killed = 0
    for at in range(0, MOST, int(os.environ.get("EVERY", "1"))):
        cluster.objects = copy.deepcopy(before)
        status = runs(*words, killed_at=at)
        if status == 0:
            break
        assert status == -signal.SIGKILL, at
        killed += 1
        # a rollback may have ended but for its lock
        assert runs(*words) in ((0,) if command == "deploy" else (0, 1)), at
        if command == "deploy":
            assert runs("plan", "prod") == 0, at
        else:
            assert specs(cluster) == specs_of(old), at
    assert killed


def specs(cluster: Cluster) -> dict[tuple[str, str], object]:
    """What runs."""
    return specs_of(without_records(cluster))


def specs_of(objects: dict[tuple[str, str], Object]) -> dict[tuple[str, str], object]:
    kinds = ("deployments", "cronjobs", "configmaps")
    return {key: each.get("spec", each.get("data")) for key, each in objects.items() if key[0] in kinds}
