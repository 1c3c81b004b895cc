"""examples/everywhere on each platform of its inventory: its own release commands, from its real requirements."""

from __future__ import annotations

import io
import shutil
import sqlite3
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from beanstalk_account import BUCKET, beanstalk_account
from beanstalk_account import ROLE as BEANSTALK_ROLE
from beanstalk_account import used_by_prov as beanstalk_used_by_prov
from cli_project import Prov, command_line, steps
from cluster_double import Cluster, served
from ecs_account import ROLE as ECS_ROLE
from ecs_account import Account, ministack, used_by_prov
from eks_account import REGION as EKS_REGION
from eks_account import eks
from lambda_account import ROLE, Functions, account
from test_examples import EXAMPLES, Example, install

from provision.platforms import target_lock
from provision.platforms.kubernetes import rollouts

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The application with what it requires."""
    return install("everywhere/source", tmp_path_factory.mktemp("board"))


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in a copy of the example."""
    shutil.copytree(EXAMPLES / "everywhere", tmp_path / "board", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "board/inventory/base.tar").touch()
    # its build calls uv, which is installed with prov
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.chdir(tmp_path / "board")
    return command_line(monkeypatch, capsys)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "board.sqlite3"


def changed(database: Path, target: str, change: Change) -> None:
    """Give a target a database of this machine, and what its account has."""
    path = Path("inventory/hosts.yml")
    inventory = yaml.safe_load(path.read_text())
    group = inventory["all"]["children"]["platforms"]
    group["vars"]["group_apps"]["board"]["secrets"]["DATABASE_URL"] = f"sqlite:///{database}"
    change(group["hosts"][target])
    path.write_text(yaml.safe_dump(inventory, sort_keys=False))


def planned_deployed_and_the_same(prov: Prov, target: str) -> dict[str, Any]:
    """Plan and deploy, which say the same; a second deploy does nothing. The steps."""
    status, out, err = prov("plan", target, "--json")
    assert status == 3, out + err
    planned = steps(out)
    status, out, err = prov("deploy", target, "--json")
    assert status == 0, out + err
    assert steps(out) == planned
    status, out, err = prov("deploy", target, "--json")
    assert (status, {state for state, _ in steps(out).values()}) == (0, {"ok"}), out + err
    return planned


def migrated(database: Path) -> bool:
    """Whether the release's own migrations have run."""
    with sqlite3.connect(database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return ("board_note",) in names


def test_on_kubernetes(board: Prov, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "PERIOD", 0.01)
    monkeypatch.setattr(target_lock, "WATCHED", 0.0)
    cluster = Cluster()
    block = {"context": "test", "kubeconfig": str(tmp_path / "config"), "namespace": "shop"}
    changed(database, "board-kubernetes", lambda target: target["kubernetes"].update(block))
    with served(cluster, tmp_path / "config"):
        planned_deployed_and_the_same(board, "board-kubernetes")
    kinds = {kind for kind, _ in cluster.objects}
    assert {"deployments", "services", "jobs", "cronjobs", "secrets", "configmaps"} <= kinds
    assert len([kind for kind, _ in cluster.objects if kind == "deployments"]) == 2


def test_on_eks(board: Prov, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "PERIOD", 0.01)
    monkeypatch.setattr(target_lock, "WATCHED", 0.0)
    changed(database, "board-eks", lambda target: target["eks"].update(region=EKS_REGION, namespace="shop"))
    with eks(tmp_path, Cluster()) as used:
        planned_deployed_and_the_same(board, "board-eks")
    assert len([kind for kind, _ in used.cluster.objects if kind == "deployments"]) == 2


@pytest.fixture
def ecs(example: Example) -> Iterator[Account]:
    """An account whose tasks are processes in the application's folder, with its packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(example.bin), prepend=":")
        with ministack() as found, used_by_prov(found) as used:
            for path in example.folder.iterdir():
                (used.images / path.name).symlink_to(path)
            yield used


def test_on_ecs(board: Prov, database: Path, ecs: Account) -> None:
    def its_account(target: dict[str, Any]) -> None:
        ids = ecs.ids
        target["ecs"] |= {
            "execution_role": f"{ECS_ROLE}exec",
            "schedule_role": f"{ECS_ROLE}events",
            "subnets": ids["subnets"].split(", "),
            "security_groups": [ids["group"]],
            "listener": ids["listener"],
            # ministack has no images
            "registry": "registry.test/team",
        }

    changed(database, "board-ecs", its_account)
    planned_deployed_and_the_same(board, "board-ecs")
    assert migrated(database)
    services = ecs.client("ecs").list_services(cluster="main")["serviceArns"]
    assert sorted(arn.rpartition("/")[2] for arn in services) == [
        "board-ecs-board-process-worker",
        "board-ecs-board-web",
    ]


def test_on_elastic_beanstalk(board: Prov, database: Path, tmp_path: Path) -> None:
    def its_account(target: dict[str, Any]) -> None:
        target["elastic_beanstalk"] |= {
            "bucket": BUCKET,
            "service_role": BEANSTALK_ROLE,
            "instance_profile": "web",
        }

    changed(database, "board-beanstalk", its_account)
    with beanstalk_account() as server, beanstalk_used_by_prov(server, tmp_path / "cache") as used:
        planned_deployed_and_the_same(board, "board-beanstalk")
        (place,) = (each["SourceBundle"] for each in used.beanstalk.versions.values())
        found = used.client("s3").get_object(Bucket=place["S3Bucket"], Key=place["S3Key"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(found)) as bundle:
        lines = bundle.read("Procfile").decode().splitlines()
        collected = [name for name in bundle.namelist() if name.startswith("static/board/board.")]
    assert [line.partition(":")[0] for line in lines] == ["web", "worker"]
    # also with the hash of its contents in its name
    assert len(collected) == 2, collected


def test_on_lambda(board: Prov, database: Path, tmp_path: Path) -> None:
    def its_account(target: dict[str, Any]) -> None:
        target["lambda"]["role"] = ROLE
        # its versions run as processes of this Python
        target["host_apps"]["board"]["python"] = f"3.{sys.version_info.minor}"

    changed(database, "board-lambda", its_account)
    functions = Functions(tmp_path / "functions")
    with account(tmp_path, functions):
        # a deploy has asked the new version for /healthz, which reads the table that its migration has made
        planned_deployed_and_the_same(board, "board-lambda")
        assert migrated(database)
        status, out, err = board("status", "board-lambda")
        assert status == 0, out + err
