"""prov releases, rollback, resume, lock and unlock of a target on Kubernetes, against a double of an API server."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, steps
from cluster_double import Cluster, let_time_pass, put_record, record_in, without_records
from helpers.samples import sample
from test_kubernetes_deploy import (
    CANARY,
    INGRESS,
    PARTS,
    WORKER,
    cluster,
    container_of,
    prov,
    write,
)

__all__ = ["cluster", "prov"]
OLD_JOB = "\n              jobs: {old: {command: python o.py, schedule: daily}}"


def answer(prov: Prov, *words: str) -> dict[str, Any]:
    status, out, err = prov(*words, "--json")
    assert status == 0, out + err
    found: dict[str, Any] = json.loads(out.splitlines()[0])
    return found


def two_releases(prov: Prov, cluster: Cluster) -> tuple[str, str]:
    """Deploy a release with a job `old`, then one with a worker and a job `clean`; return their names."""
    write(OLD_JOB.strip(), INGRESS)
    assert prov("deploy", "prod")[0] == 0
    (Path("shop") / "shop.py").write_text("# newer\n")
    write(PARTS, INGRESS.replace("nginx", "other"))
    assert prov("deploy", "prod", "--prune")[0] == 0
    new, old = (each["id"] for each in answer(prov, "releases", "prod")["releases"])
    return old, new


def test_releases_say_which_is_live_and_which_can_be_gone_back_to(prov: Prov, cluster: Cluster) -> None:
    assert answer(prov, "releases", "prod")["releases"] == []
    old, new = two_releases(prov, cluster)
    cluster.requests.clear()
    newer, older = answer(prov, "releases", "prod")["releases"]
    assert {method for method, _ in cluster.requests} == {"GET"}
    assert (newer["id"], newer["live"], newer["why_not"]) == (new, True, "it is in service")
    assert (older["id"], older["can_go_back"]) == (old, True) and "@" in older["who"]
    assert CANARY not in json.dumps(record_in(cluster, "prod.releases.shop"))
    cluster.objects["secrets", "shop"]["data"].clear()
    _, older = answer(prov, "releases", "prod")["releases"]
    assert older["why_not"] == "it needs secrets that are gone: SECRET_KEY" and not older["can_go_back"]


def test_a_rollback_takes_image_environment_processes_and_jobs_back(prov: Prov, cluster: Cluster) -> None:
    old, _ = two_releases(prov, cluster)
    before = json.dumps(without_records(cluster)["ingresses", "shop"])
    status, out, _ = prov("rollback", "prod", "--check", "--json")
    planned = steps(out)
    assert status == 3 and planned["no Deployment shop-worker"][0] == "changed"
    cluster.objects["secrets", "shop"]["data"]["SECRET_KEY"] = "b3RoZXI="
    status, out, err = prov("rollback", "prod", "--json")
    assert (status, steps(out).keys()) == (0, planned.keys())
    for name, step in steps(out).items():
        assert name == "Deployment shop" or step == planned[name], name
    assert container_of(cluster, "shop")["image"].endswith(f":{old}")
    assert ("cronjobs", "shop-old") in cluster.objects and ("cronjobs", "shop-clean") not in cluster.objects
    assert json.dumps(cluster.objects["ingresses", "shop"]) == before
    assert cluster.objects["secrets", "shop"]["data"]["SECRET_KEY"] == "b3RoZXI="
    assert "prov resume prod shop lets them through" in err
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "shop is held: " in out and "prov resume prod shop" in out
    status, out, _ = prov("plan", "prod")
    assert status == 3 and "shop is held: " in out and "a deploy refuses" in out
    assert prov("resume", "prod")[0] == 0
    assert prov("deploy", "prod")[0] == 0
    assert not answer(prov, "releases", "prod")["hold"]


def test_a_rollback_again_changes_nothing_and_unknown_releases_are_refused(
    prov: Prov, cluster: Cluster
) -> None:
    old, new = two_releases(prov, cluster)
    assert prov("rollback", "prod", "shop", old, "--no-hold")[0] == 0
    status, _, err = prov("rollback", "prod", "shop", old)
    assert status == 1 and "is in service" in err
    status, _, err = prov("rollback", "prod", "shop", "ffff")
    assert status == 1 and new in err and "is not on" in err
    assert prov("rollback", "prod", "shop", new, "--no-hold")[0] == 0
    status, out, _ = prov("plan", "prod", "--json")
    assert status == 3 and {name for name, (state, _) in steps(out).items() if state == "changed"} == {
        name for name in steps(out) if name.startswith("Job ")
    }


def test_a_rollback_onto_a_newer_database_needs_force(prov: Prov, cluster: Cluster) -> None:
    def migration(name: str) -> None:
        (Path("shop") / "db" / "migrations").mkdir(parents=True, exist_ok=True)
        (Path("shop") / "db" / "migrations" / name).write_text("")

    migration("0001_initial.py")
    assert prov("deploy", "prod")[0] == 0
    migration("0002_more.py")
    status, out, _ = prov("deploy", "prod", "--json")
    (change,) = steps(out)["migrations of shop"][1]
    assert status == 0 and change["after"] == "db/migrations/0002_more.py"
    status, _, err = prov("rollback", "prod")
    assert status == 1 and "db/migrations/0002_more.py" in err and "--force" in err
    (Path("shop") / "db" / "migrations" / "0002_more.py").unlink()
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "migrations that this code does not know: db/migrations/0002_more.py" in out
    status, out, err = prov("rollback", "prod", "--force")
    assert status == 0 and "its code meets the newer schema" in err, out


def test_two_deploys_within_a_second_count_in_their_order(
    prov: Prov, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provision.platforms.release_steps.now", lambda: "2026-11-28T11:16:51Z")
    releases = []
    for number in range(4):
        (Path("shop") / "shop.py").write_text(f"# {number}\n")
        assert prov("deploy", "prod")[0] == 0
        found = answer(prov, "releases", "prod")["releases"]
        assert found[0]["live"] and len(found) == min(number + 1, 3)
        releases.append(found[0]["id"])
        assert [each["id"] for each in found] == releases[::-1][: len(found)]
    assert prov("rollback", "prod")[0] == 0
    assert [each["id"] for each in answer(prov, "releases", "prod")["releases"] if each["live"]] == [
        releases[2]
    ]


def test_a_record_that_another_client_wrote_makes_no_other_objects(prov: Prov, cluster: Cluster) -> None:
    old, _ = two_releases(prov, cluster)
    book = record_in(cluster, "prod.releases.shop")
    (entry,) = [each for each in book["instances"].values() if each["release"] == old]
    document = entry["about"]["objects"][-1]
    before = copy.deepcopy(without_records(cluster))
    for change in (
        {"kind": "Role"},
        {"metadata": {**document["metadata"], "name": "../../kube-system/x"}},
        {"metadata": {**document["metadata"], "namespace": "kube-system"}},
    ):
        entry["about"]["objects"][-1] = {**document, **change}
        put_record(cluster, "prod.releases.shop", book)
        status, out, _ = prov("rollback", "prod")
        assert status == 1 and "an object that is not its own" in out
    entry["about"]["objects"] = "x"
    put_record(cluster, "prod.releases.shop", book)
    assert "damaged" in answer(prov, "releases", "prod")["releases"][1]["why_not"]
    put_record(cluster, "prod.releases.shop", [])
    assert "damaged" in answer(prov, "releases", "prod")["error"]
    assert prov("rollback", "prod")[0] == 1
    assert without_records(cluster) == before


@pytest.mark.parametrize("answered", sample(range(35), 9))
def test_a_rollback_that_is_cut_at_any_request_is_finished_by_the_next(
    prov: Prov, cluster: Cluster, answered: int
) -> None:
    old, _ = two_releases(prov, cluster)
    cluster.left = answered
    first, _, _ = prov("rollback", "prod", "shop", old)
    cluster.left = None
    let_time_pass(cluster)
    assert first in (0, 4)
    if not answer(prov, "releases", "prod")["releases"][1]["live"]:
        assert prov("rollback", "prod", "shop", old)[0] == 0
    assert container_of(cluster, "shop")["image"].endswith(f":{old}")
    assert "jobs" not in {kind for kind, _ in cluster.objects} or prov("status", "prod")[0] == 0
    assert prov("resume", "prod")[0] == 0 and prov("deploy", "prod", "--prune")[0] == 0
    status, out, _ = prov("plan", "prod", "--json")
    assert status == 0 and {state for state, _ in steps(out).values()} == {"ok"}


def test_two_operators_are_kept_apart(prov: Prov, cluster: Cluster) -> None:
    assert prov("lock", "prod", "a reason")[0] == 0
    assert prov("lock", "prod", "a reason")[0] == 0
    status, out, _ = prov("lock", "prod", "another")
    assert status == 1 and "prod is locked by " in out and ": a reason" in out
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and ": a reason" in out and "prov unlock prod" in out
    status, out, _ = prov("plan", "prod")
    assert status == 3 and ": a reason; a deploy refuses" in out
    assert without_records(cluster) == {}
    assert prov("unlock", "prod")[0] == 0 and prov("unlock", "prod")[0] == 0
    assert prov("deploy", "prod")[0] == 0


def test_a_run_keeps_others_away_until_it_ends_or_has_died(prov: Prov, cluster: Cluster) -> None:
    write(WORKER)
    assert prov("deploy", "prod")[0] == 0
    lock = record_in(cluster, "prod.lock")
    assert lock["run"] is None
    run = {"id": "x", "who": "eve@ci (pid 7)", "since": "2026-01-01T00:00:00Z", "renewed": 9e9}
    put_record(cluster, "prod.lock", {**lock, "run": run})
    cluster.requests.clear()
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "another run is at work on prod: eve@ci (pid 7), since 2026-01-01T00:00:00Z" in out
    assert len(cluster.requests) == 1
    let_time_pass(cluster)
    status, out, _ = prov("deploy", "prod")
    assert status == 0 and "seems to have died" in out
    assert record_in(cluster, "prod.lock")["run"] is None


def test_drift_is_what_another_client_has_changed(prov: Prov, cluster: Cluster) -> None:
    assert prov("deploy", "prod")[0] == 0
    status, out, _ = prov("drift", "prod")
    assert (status, out) == (0, "")
    container_of(cluster, "shop")["image"] = "evil"
    status, out, _ = prov("drift", "prod")
    assert status == 3 and "Deployment shop: spec.template.spec.containers[web].image" in out
    assert prov("drift", "prod", "--role", "nginx")[0] == 2


def test_a_saved_plan_deploys_what_it_says_or_nothing(prov: Prov, cluster: Cluster) -> None:
    status, _, err = prov("plan", "prod", "-o", "first.plan")
    assert (
        status == 3
        and "prov deploy --plan first.plan" in err
        and CANARY not in Path("first.plan").read_text()
    )
    assert prov("show", "first.plan")[0] == 0
    assert prov("deploy", "--plan", "first.plan")[0] == 0
    assert prov("plan", "prod", "-o", "second.plan")[0] == 0
    container_of(cluster, "shop")["image"] = "evil"
    before = copy.deepcopy(without_records(cluster))
    status, out, err = prov("deploy", "--plan", "second.plan")
    said = "Deployment shop: planned: nothing; now: change spec.template.spec.containers[web].image"
    assert status == 2 and said in out + err and "Save the plan again" in out + err
    write(secret="another-9d3b")
    status, out, err = prov("deploy", "--plan", "second.plan")
    assert status == 2 and without_records(cluster) == before
