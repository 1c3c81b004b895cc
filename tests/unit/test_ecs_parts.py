"""Parts of the platform ECS alone: records in SSM, and the programs that tasks run."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from provision.cloud.cloud_errors import CloudError
from provision.errors import ProvError
from provision.platforms import aws_records
from provision.platforms.aws_records import AwsRecords
from provision.platforms.aws_requests import TargetCalls
from provision.platforms.ecs import task_states
from provision.platforms.ecs.ecs_calls import EcsCalls
from provision.platforms.ecs.ecs_names import LONGEST_GROUP, group_name
from provision.platforms.ecs.service_block import memory_for
from provision.platforms.ecs.task_definitions import ASK, TIMED
from provision.platforms.ecs.task_states import unfinished, wait_steady
from provision.platforms.target_records import RecordMoved


class Parameters(TargetCalls):
    """SSM in memory: it creates a parameter only once. between: called before the next one is created."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.between: list[Any] = []
        self.unheard = False

    def call(self, action: str, **arguments: Any) -> dict[str, Any]:
        if action == "ssm:PutParameter":
            assert arguments["Type"] == "SecureString" and not arguments["Overwrite"]
            assert len(arguments["Value"]) <= 4096
            while self.between:
                self.between.pop()()
            name = arguments["Name"]
            if name in self.kept:
                raise CloudError("there is one", code="ParameterAlreadyExists")
            self.kept[name] = arguments["Value"]
            if self.unheard:
                # botocore repeats a request that got no answer
                self.unheard = False
                return self.call(action, **arguments)
            return {}
        if action == "ssm:DeleteParameters":
            assert len(arguments["Names"]) <= 10
            for name in arguments["Names"]:
                del self.kept[name]
            return {}
        below = [
            {"Name": name, "Value": value}
            for name, value in self.kept.items()
            if name.startswith(f"{arguments['Path']}/")
        ]
        return {"Parameters": below}


@pytest.fixture
def calls() -> Parameters:
    return Parameters()


def test_a_record_is_read_as_it_was_written_and_old_texts_go(calls: Parameters) -> None:
    records, version = AwsRecords(calls, "prod"), ""
    for n in range(5):
        version = records.write("releases/shop", f"text {n}", version).version
    assert records.read("releases/shop") == ("text 4", version)
    assert records.read("lock") == ("", "")
    assert sorted(calls.kept) == ["/prov-records/prod/releases/shop/4", "/prov-records/prod/releases/shop/5"]


def test_a_long_record_is_kept_in_pieces(calls: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_records, "PIECE", 20)
    records, text = AwsRecords(calls, "prod"), "".join(map(str, range(3000)))
    first = records.write("lock", text, "")
    assert records.read("lock").text == text and len(calls.kept) > 100
    second = records.write("lock", "short", first.version)
    records.write("lock", "shorter", second.version)
    assert records.read("lock").text == "shorter" and len(calls.kept) < 10


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_of_two_that_replace_a_record_one_does(calls: Parameters, ahead: int) -> None:
    records, other = AwsRecords(calls, "prod"), AwsRecords(calls, "prod")
    records.write("lock", "first", "")

    def replaced() -> None:
        version = "1"
        for n in range(ahead):
            version = other.write("lock", f"theirs {n}", version).version

    calls.between.append(replaced)
    with pytest.raises(RecordMoved, match="another client has changed what prov remembers of prod"):
        records.write("lock", "mine", "1")
    assert records.read("lock").text == f"theirs {ahead - 1}"
    assert "mine" not in str(calls.kept)


def test_a_request_that_got_no_answer_and_was_repeated_counts(calls: Parameters) -> None:
    records = AwsRecords(calls, "prod")
    calls.unheard = True
    assert records.write("lock", "mine", "").version == "1"
    assert records.read("lock").text == "mine"


@pytest.mark.parametrize("value", ["", "x", "0 1 !!", "ab 9999 xx", "ab x H4sI", "0 1 H4sIAAAAAAAA"])
def test_a_damaged_record_is_said_to_be(calls: Parameters, value: str) -> None:
    calls.kept["/prov-records/prod/lock/3"] = value
    records = AwsRecords(calls, "prod")
    assert records.read("lock") == ("damaged", "3")
    assert records.write("lock", "new", "3").text == records.read("lock").text == "new"


class Served(BaseHTTPRequestHandler):
    """Answers with what its server says."""

    status, headers_seen = 200, [("", "")]

    def do_GET(self) -> None:
        Served.headers_seen = list(self.headers.items())
        self.send_response(Served.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/healthz"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "wanted", "healthy"),
    [
        (200, "", True),
        (302, "", True),
        (404, "", False),
        (503, "", False),
        (404, "404", True),
        (200, "404", False),
    ],
)
def test_the_health_check_asks_as_a_front_would(url: str, status: int, wanted: str, healthy: bool) -> None:
    Served.status = status
    done = subprocess.run([sys.executable, "-c", ASK, url, "shop.test", wanted, "https"], check=False)
    assert (done.returncode == 0) is healthy
    assert {("Host", "shop.test"), ("X-Forwarded-Proto", "https")} <= set(Served.headers_seen)


def test_the_health_check_fails_if_no_server_answers() -> None:
    words = [sys.executable, "-c", ASK, "http://127.0.0.1:1/", "shop.test", "", "http"]
    assert subprocess.run(words, capture_output=True, check=False).returncode != 0


def test_a_job_ends_with_its_status_or_after_its_time() -> None:
    run = [sys.executable, "-c", TIMED]
    assert subprocess.run([*run, "60", "sh", "-c", "exit 3"], check=False).returncode == 3
    done = subprocess.run([*run, "1", "sleep", "60"], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1 and "stopped after 1 s" in done.stderr


def test_names_of_target_groups_fit() -> None:
    assert group_name("prod", "shop") == "prod-shop"
    long = group_name("production_of_everything", "a-long-application")
    assert len(long) <= LONGEST_GROUP and "_" not in long
    assert long != group_name("production_of_everything", "a-long-applications")


def test_memory_that_fargate_has() -> None:
    assert memory_for(256) == [512, 1024, 2048]
    assert memory_for(8192)[:2] == [16384, 20480] and memory_for(16384)[-1] == 122880
    assert memory_for(300) == []


def deployment(running: int, state: str, status: str = "PRIMARY", why: str = "") -> dict[str, Any]:
    found = {"status": status, "runningCount": running, "rolloutState": state, "rolloutStateReason": why}
    return {**found, "taskDefinition": "shop:2"}


@pytest.mark.parametrize(
    ("deployments", "missing"),
    [
        ([deployment(2, "COMPLETED")], ""),
        ([deployment(1, "IN_PROGRESS")], "1 of 2 tasks run"),
        ([deployment(2, "IN_PROGRESS")], "tasks are not healthy yet"),
        ([deployment(0, "FAILED", why="circuit breaker")], "failed: circuit breaker"),
        ([deployment(2, "COMPLETED"), deployment(1, "COMPLETED", "ACTIVE")], "1 old tasks still run"),
        ([deployment(2, "COMPLETED"), deployment(0, "FAILED", "ACTIVE")], ""),
    ],
)
def test_a_rollout_is_unfinished_until_ecs_says_that_it_is_completed(
    deployments: list[dict[str, Any]], missing: str
) -> None:
    assert unfinished({"desiredCount": 2, "deployments": deployments}) == missing


class Answering(EcsCalls):
    """ECS, which answers with these services in order; None for one that it does not know."""

    def __init__(self, *services: dict[str, Any] | None) -> None:
        self.cluster, self.left = "main", list(services)

    def service(self, name: str) -> dict[str, Any] | None:
        return self.left.pop(0)

    def tasks(self, **which: Any) -> list[dict[str, Any]]:
        return []


def in_service(*deployments: dict[str, Any]) -> dict[str, Any]:
    events = [{"id": "1", "message": "(service shop) has reached a steady state."}]
    found = {"serviceName": "shop", "taskDefinition": "shop:2", "desiredCount": 2}
    return {**found, "deployments": list(deployments), "events": events}


def test_a_service_that_is_not_known_yet_is_waited_for_and_its_events_are_shown() -> None:
    first = {**in_service(deployment(0, "IN_PROGRESS")), "events": []}
    calls = Answering(None, in_service(deployment(2, "COMPLETED")))
    said: list[str] = []
    wait_steady(calls, first, 60, said.append, lambda _: None)
    assert said == ["shop: 0 of 2 tasks run", "shop: (service shop) has reached a steady state."]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (deployment(0, "FAILED", why="circuit breaker"), "is not steady: failed: circuit breaker"),
        ({**deployment(2, "COMPLETED"), "taskDefinition": "shop:1"}, "ECS has gone back"),
        (deployment(1, "IN_PROGRESS"), "is not steady: 0 of 2 tasks run"),
    ],
)
def test_a_service_that_does_not_become_steady_ends_the_run(now: dict[str, Any], said: str) -> None:
    first = {**in_service(deployment(0, "IN_PROGRESS"))}
    with pytest.raises(ProvError, match=said):
        wait_steady(
            Answering(in_service(now)), first, 0 if "0 of 2" in said else 60, lambda _: None, lambda _: None
        )


def test_a_service_that_another_client_removed_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_states, "KNOWN_WITHIN", 0.0)
    with pytest.raises(ProvError, match="the service shop was removed by another client"):
        wait_steady(
            Answering(None), in_service(deployment(0, "IN_PROGRESS")), 60, lambda _: None, lambda _: None
        )
