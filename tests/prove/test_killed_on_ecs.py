"""Deploys and rollbacks of a target on ECS that are killed at each request: the next run finishes them.

AWS is ministack (tests/unit/ecs_account.py); the runs are processes, and end by SIGKILL. EVERY=n in the environment
takes each nth request.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from ecs_account import KEYS, REGION, ROLE, Account, ministack
from inventories import project
from test_ecs import CANARY, INVENTORY, PARTS

#: runs prov with short waits; its process is killed once a request has been answered
PROGRAM = """
import os, signal, sys
from provision.cloud.aws_calls import AwsCalls
from provision.platforms import target_lock
from provision.platforms.ecs import task_states
target_lock.WATCHED, task_states.PERIOD = 0.0, 0.02
real, left = AwsCalls.call, [int(sys.argv.pop(1))]
def call(self, action, **arguments):
    answer = real(self, action, **arguments)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
AwsCalls.call = call
from provision.cli.main import main
sys.argv[0] = "prov"
raise SystemExit(main())
"""
#: requests of the longest run, and more
MOST = 400


@pytest.fixture(scope="module")
def server() -> Iterator[Account]:
    with ministack() as found:
        yield found


def run(account: Account, *words: str, killed_at: int = 0) -> int:
    """Run a command; return its exit status, -9 if it was killed. killed_at: after that many requests; 0 for never."""
    let_time_pass(account)
    environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": account.address}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(killed_at), *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    ).returncode


def let_time_pass(account: Account) -> None:
    """End the lock of a run that was killed: it would do so a minute later."""
    ssm = account.client("ssm")
    for each in ssm.get_parameters_by_path(Path="/prov-records/prod/lock")["Parameters"]:
        ssm.delete_parameter(Name=each["Name"])


def write(account: Account, app: str) -> None:
    values = {"region": REGION, "role": ROLE, "app": app, "block": "count: 1", "secret": CANARY}
    project(Path(), {"inventory/hosts.yml": INVENTORY % {**values, **account.ids}})


def running(account: Account) -> dict[str, tuple[str, int, Any]]:
    """Images, numbers and states of services."""
    ecs = account.client("ecs")
    names = [arn.rpartition("/")[2] for arn in ecs.list_services(cluster="main")["serviceArns"]]
    found = {}
    for each in ecs.describe_services(cluster="main", services=names)["services"]:
        answer = ecs.describe_task_definition(taskDefinition=each["taskDefinition"])["taskDefinition"]
        image = answer["containerDefinitions"][0]["image"]
        found[each["serviceName"]] = (image, each["desiredCount"], each["deployments"][0]["rolloutState"])
    return found


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_run_on_ecs_that_is_killed_at_any_request_is_finished_by_the_next(
    tmp_path: Path, server: Account, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(
        project(tmp_path, {"shop/shop.py": "", "shop/requirements.txt": "", "inventory/base.tar": ""})
    )
    killed = 0
    for at in range(1, MOST, int(os.environ.get("EVERY", "1"))):
        server.reset()
        Path("shop/shop.py").write_text("")
        write(server, "processes: {mail: sleep 1000000}")
        assert run(server, "deploy", "prod") == 0
        old = running(server)
        Path("shop/shop.py").write_text("# newer\n")
        write(server, PARTS)
        if command == "rollback":
            assert run(server, "deploy", "prod", "--prune") == 0
        words = ("deploy", "prod", "--prune") if command == "deploy" else ("rollback", "prod", "--no-hold")
        status = run(server, *words, killed_at=at)
        if status == 0:
            break
        assert status == -signal.SIGKILL, at
        killed += 1
        # a rollback may have ended but for its lock
        assert run(server, *words) in ((0,) if command == "deploy" else (0, 1)), at
        if command == "deploy":
            assert run(server, "plan", "prod", "--prune") == 0, at
        else:
            assert running(server) == old, at
    assert killed
