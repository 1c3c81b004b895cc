"""Deploys and rollbacks of a target on Elastic Beanstalk that are killed at each request: the next run finishes them.

AWS is a double of its API and moto (tests/unit/beanstalk_account.py); the runs are processes, and end by SIGKILL.
EVERY=n in the environment takes each nth request.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from beanstalk_account import BUCKET, KEYS, ROLE, Account, beanstalk_account
from beanstalk_double import REGION
from inventories import project
from test_elastic_beanstalk import CANARY, ENVIRONMENT, INVENTORY, PARTS, keys

#: runs prov with short waits; its process is killed once a request has been answered
PROGRAM = """
import os, signal, sys
from provision.cloud.aws_calls import AwsCalls
from provision.platforms import target_lock
from provision.platforms.elastic_beanstalk import environment_waits
target_lock.WATCHED, environment_waits.PERIOD, environment_waits.PAUSE = 0.0, 0.01, 0.01
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
    with beanstalk_account() as found:
        yield found


def run(account: Account, *words: str, killed_at: int = 0) -> int:
    """Run a command; return its exit status, -9 if it was killed. killed_at: after that many requests; 0 for never."""
    let_time_pass(account)
    cache = {"XDG_CACHE_HOME": str(Path("cache").resolve())}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(killed_at), *words],
        env={**os.environ, **KEYS, **account.endpoints, **cache},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=False,
    ).returncode


def let_time_pass(account: Account) -> None:
    """End the lock of a run that was killed, and the update that it has begun: both would end minutes later."""
    account.beanstalk.settle()
    ssm = account.client("ssm")
    for each in ssm.get_parameters_by_path(Path="/prov-records/prod/lock")["Parameters"]:
        ssm.delete_parameter(Name=each["Name"])


def write(app: str, text: str) -> None:
    values = {
        "region": REGION,
        "bucket": BUCKET,
        "role": ROLE,
        "secret": CANARY,
        "block": "min: 1",
        "app": app,
    }
    source = {"shop/shop.py": text, "shop/requirements.txt": "", "shop/assets/a.css": "b{}"}
    project(Path(), {"inventory/hosts.yml": INVENTORY % values, **source})


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_run_on_beanstalk_that_is_killed_at_any_request_is_finished_by_the_next(
    tmp_path: Path, server: Account, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    killed = 0
    for at in range(1, MOST, int(os.environ.get("EVERY", "1"))):
        server.reset()
        write("processes: {mail: sleep 1000000}\n              keep_releases: 2", "")
        assert run(server, "deploy", "prod") == 0
        old = dict(server.beanstalk.environments[ENVIRONMENT].options)
        first = server.beanstalk.environments[ENVIRONMENT].label
        write(f"{PARTS}\n              keep_releases: 2", "# newer\n")
        if command == "rollback":
            assert run(server, "deploy", "prod") == 0
        words = ("deploy", "prod") if command == "deploy" else ("rollback", "prod", "--no-hold")
        status = run(server, *words, killed_at=at)
        if status == 0:
            break
        assert status == -signal.SIGKILL, at
        killed += 1
        # a rollback may have ended but for its lock
        assert run(server, *words) in ((0,) if command == "deploy" else (0, 1)), at
        found = server.beanstalk.environments[ENVIRONMENT]
        if command == "deploy":
            assert run(server, "plan", "prod") == 0, at
            assert len(keys(server)) == len(server.beanstalk.versions) == 2
        else:
            assert (found.label, found.options) == (first, old), at
    assert killed
