"""prov plan and deploy of a target on Kubernetes, against a double of an API server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_project import Prov, command_line, steps
from cluster_double import Cluster, let_time_pass, served, without_records
from helpers.samples import sample
from inventories import project

from provision.platforms import target_lock
from provision.platforms.kubernetes import rollouts
from provision.secrets import MASK

CANARY = "canary-9d3b"
INVENTORY = """
    prod:
      hosts:
        prod:
          platform: kubernetes
          kubernetes: {namespace: shop, context: test, kubeconfig: ../config, registry: r.test, clients: [x], %s}
          apps:
            shop:
              source: ../shop
              target: shop:app
              domains: [shop.test]
              environment: {MODE: plain}
              secrets: {SECRET_KEY: %s}
              release: [python -m init]
              image: ../base.tar
              %s
    """
WORKER = "processes: {worker: python w.py}"


def write(app: str = WORKER, block: str = "replicas: 2", secret: str = CANARY) -> None:
    project(Path(), {"inventory/hosts.yml": INVENTORY % (block, secret, app)})


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster()
    with served(found, tmp_path / "config"):
        yield found


@pytest.fixture
def prov(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    source = {"shop/shop.py": "", "shop/requirements.txt": "", "base.tar": ""}
    monkeypatch.chdir(project(tmp_path, source))
    monkeypatch.setattr(rollouts, "PERIOD", 0.01)
    monkeypatch.setattr(target_lock, "WATCHED", 0.0)
    write()
    return command_line(monkeypatch, capsys)


def spec_of(cluster: Cluster, resource: str, name: str) -> Any:
    return cluster.objects[resource, name]["spec"]


def container_of(cluster: Cluster, name: str) -> Any:
    return spec_of(cluster, "deployments", name)["template"]["spec"]["containers"][0]


def removal(resource: str, name: str) -> Callable[[Cluster], Any]:
    return lambda cluster: cluster.objects.pop((resource, name))


#: what another client does
MUTATIONS: dict[str, Callable[[Cluster], Any]] = {
    **{
        f"{resource} {name} removed": removal(resource, name)
        for resource, name in (
            *(("configmaps", "shop"), ("secrets", "shop"), ("services", "shop"), ("ingresses", "shop")),
            *(("deployments", "shop"), ("deployments", "shop-worker"), ("cronjobs", "shop-clean")),
            *(("networkpolicies", "shop"), ("networkpolicies", "shop-closed")),
            ("poddisruptionbudgets", "shop"),
        )
    },
    "image": lambda c: container_of(c, "shop").update(image="evil"),
    "root": lambda c: container_of(c, "shop-worker")["securityContext"].update(readOnlyRootFilesystem=False),
    "environment": lambda c: container_of(c, "shop").update(envFrom=[]),
    "pods": lambda c: spec_of(c, "deployments", "shop").update(replicas=9),
    "value": lambda c: c.objects["configmaps", "shop"]["data"].update(MODE="other"),
    "secret": lambda c: c.objects["secrets", "shop"]["data"].update(SECRET_KEY="b3RoZXI="),
    "label": lambda c: c.objects["services", "shop"]["metadata"]["labels"].clear(),
    "port": lambda c: spec_of(c, "services", "shop")["ports"][0].update(port=81),
    "host": lambda c: spec_of(c, "ingresses", "shop")["rules"].clear(),
    "clients": lambda c: spec_of(c, "networkpolicies", "shop")["ingress"][0].pop("from"),
    "schedule": lambda c: spec_of(c, "cronjobs", "shop-clean").update(schedule="* * * * *"),
    "rollout": lambda c: c.objects["deployments", "shop"]["status"].update(availableReplicas=0),
}
PARTS = WORKER + "\n              jobs: {clean: {command: python c.py, schedule: daily}}"
INGRESS = "ingress: {class: nginx}"


@pytest.mark.parametrize("what", sample(list(MUTATIONS), 5))
def test_a_plan_is_exact_after_changes_of_other_clients(prov: Prov, cluster: Cluster, what: str) -> None:
    write(PARTS, INGRESS)
    assert prov("deploy", "prod")[0] == 0
    MUTATIONS[what](cluster)
    status, out, _ = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and [state for state, _ in planned.values()].count("changed") == 1, planned
    status, out, _ = prov("deploy", "prod", "--json")
    assert (status, steps(out)) == (0, planned)
    assert prov("plan", "prod")[0] == 0


@pytest.mark.parametrize("answered", sample(range(58), 15))
def test_a_deploy_that_is_cut_at_any_request_is_finished_by_the_next(
    prov: Prov, cluster: Cluster, answered: int
) -> None:
    write(PARTS, INGRESS)
    cluster.left = answered
    first, _, _ = prov("deploy", "prod")
    cluster.left = None
    let_time_pass(cluster)
    assert prov("deploy", "prod")[0] == 0 and first in (0, 4)
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0 and {state for state, _ in steps(out).values()} == {"ok"}


def test_a_plan_says_what_the_deploy_then_does_and_a_second_one_does_nothing(
    prov: Prov, cluster: Cluster
) -> None:
    status, out, _ = prov("plan", "prod", "--json")
    planned = steps(out)
    assert status == 3 and cluster.objects == {}
    status, out, err = prov("deploy", "prod", "--json")
    assert status == 0, out + err
    assert steps(out) == planned
    objects = [state for name, (state, _) in planned.items() if " of shop" not in name]
    assert objects == ["changed"] * len(objects)
    cluster.requests.clear()
    status, out, _ = prov("deploy", "prod", "--json")
    assert status == 0
    assert {state for state, _ in steps(out).values()} == {"ok"}
    methods = [method for method, _ in cluster.requests]
    # a list for each kind, and one dry run for each object but the Job; the lock is taken and given back
    records = [path.endswith(("prod.lock", "prod.releases.shop")) for _, path in cluster.requests]
    assert methods.count("GET") - 11 + methods.count("PATCH") - (len(objects) - 1) == sum(records) == 5
    assert CANARY not in out


def test_what_another_client_changed_is_put_back(prov: Prov, cluster: Cluster) -> None:
    prov("deploy", "prod")
    spec = cluster.objects["deployments", "shop"]["spec"]
    spec["template"]["spec"]["containers"][0]["image"] = "evil"
    cluster.objects["secrets", "shop"]["data"]["SECRET_KEY"] = "b3RoZXI="
    del cluster.objects["services", "shop"]
    status, out, _ = prov("plan", "prod", "--json")
    planned = {name: diff for name, (state, diff) in steps(out).items() if state == "changed"}
    assert status == 3 and set(planned) == {"Deployment shop", "Secret shop", "Service shop"}
    (change,) = planned["Deployment shop"]
    assert change["what"] == "spec.template.spec.containers[web].image" and change["before"] == "evil"
    (change,) = planned["Secret shop"]
    assert (change["what"], change["before"], change["after"]) == ("data.SECRET_KEY", MASK, MASK)
    status, out, _ = prov("deploy", "prod", "--json")
    assert {name: diff for name, (state, diff) in steps(out).items() if state == "changed"} == planned
    assert spec is not cluster.objects["deployments", "shop"]["spec"]


def test_what_is_no_longer_declared_goes_on_request(prov: Prov, cluster: Cluster) -> None:
    prov("deploy", "prod")
    (job,) = [name for kind, name in cluster.objects if kind == "jobs"]
    write(app="")
    (Path("shop") / "shop.py").write_text("# changed\n")
    status, out, _ = prov("deploy", "prod")
    assert status == 0 and "Deployment shop-worker is no longer declared (--prune removes it)" in out
    assert ("deployments", "shop-worker") in cluster.objects and ("jobs", job) not in cluster.objects
    status, out, _ = prov("deploy", "prod", "--prune", "--json")
    assert steps(out)["no Deployment shop-worker"][0] == "changed"
    assert ("deployments", "shop-worker") not in cluster.objects


def test_an_object_that_is_not_provs_is_refused_before_anything_is_changed(
    prov: Prov, cluster: Cluster
) -> None:
    cluster.objects["services", "shop"] = {"metadata": {"name": "shop", "labels": {}}}
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "Service shop exists, and prov did not make it for prod" in out
    assert set(without_records(cluster)) == {("services", "shop")}


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        ({"reason": "ImagePullBackOff", "message": "not found"}, "ImagePullBackOff: not found"),
        ({"reason": "CreateContainerConfigError", "message": "no secret"}, "no secret"),
        ({"reason": "CrashLoopBackOff", "message": "back-off"}, "ended with 1: "),
    ],
)
def test_a_rollout_that_hangs_says_why(prov: Prov, cluster: Cluster, waiting: Any, said: str) -> None:
    prov("deploy", "prod")
    (Path("shop") / "shop.py").write_text("# changed\n")
    cluster.idle = True
    labels = cluster.objects["deployments", "shop"]["spec"]["template"]["metadata"]["labels"]
    container = {
        "name": "web",
        "state": {"waiting": waiting},
        "restartCount": 3,
        "lastState": {"terminated": {"exitCode": 1}} if "Crash" in waiting["reason"] else {},
    }
    write(app=WORKER, block="replicas: 3")
    for (kind, _), each in cluster.objects.items():
        if kind == "jobs":
            each["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    labels = {**labels, "app.kubernetes.io/version": release(prov)}
    pod = {"metadata": {"name": "shop-1", "labels": labels}, "status": {"containerStatuses": [container]}}
    job = {**pod, "metadata": {"name": "shop-1", "labels": {"job-name": job_name(prov)}}}
    cluster.pods = [pod, job]
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and said in out and "web of shop-1" in out, out


def test_a_rollout_fails_at_its_deadline_also_if_pods_may_not_be_seen(prov: Prov, cluster: Cluster) -> None:
    prov("deploy", "prod")
    cluster.hidden = True
    condition = {"type": "Progressing", "status": "False", "message": "has timed out progressing"}
    cluster.objects["deployments", "shop"]["status"] = {"conditions": [condition]}
    cluster.idle = True
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and "why is not known" in out and "Pods that ran before go on serving" in out


def release(prov: Prov) -> str:
    """The release that is declared."""
    _, out, _ = prov("kubernetes", "render", "prod", "--json")
    every = [json.loads(line)["manifest"] for line in out.splitlines()]
    (web,) = [o for o in every if o["kind"] == "Deployment" and o["metadata"]["name"] == "shop"]
    return str(web["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"])


def job_name(prov: Prov) -> str:
    """The Job of that release."""
    _, out, _ = prov("kubernetes", "render", "prod", "--json")
    every = [json.loads(line) for line in out.splitlines()]
    return str(next(each["name"] for each in every if each["kind"] == "Job"))


def test_a_deploy_that_was_cut_is_waited_for_by_the_next(prov: Prov, cluster: Cluster) -> None:
    prov("deploy", "prod")
    cluster.objects["deployments", "shop"]["status"] = {}
    status, out, _ = prov("plan", "prod", "--json")
    assert status == 3 and steps(out)["Deployment shop"][1][0]["what"] == "rollout"
    assert prov("deploy", "prod")[0] == 0
    assert prov("plan", "prod")[0] == 0


def test_commands_that_failed_run_again(prov: Prov, cluster: Cluster) -> None:
    prov("deploy", "prod")
    ((key, job),) = [(key, each) for key, each in cluster.objects.items() if key[0] == "jobs"]
    job["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    assert prov("deploy", "prod")[0] == 0
    assert cluster.objects[key] is not job


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        ((404, 'namespaces "shop" not found'), "the cluster has no namespace 'shop'"),
        ((403, "exceeded quota: q, requested: cpu=1"), "lower `requests`"),
        ((403, "deployments is forbidden: User u cannot patch"), "have a Role".capitalize()),
    ],
)
def test_refusals_say_what_to_do(prov: Prov, cluster: Cluster, refusal: tuple[int, str], said: str) -> None:
    cluster.refusal = refusal
    status, out, _ = prov("deploy", "prod")
    assert status == 1 and said.lower() in out.lower()
    assert cluster.objects == {}


def test_a_cluster_that_does_not_answer_is_unreachable(prov: Prov, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(config.read_text().replace("secret-token", "old"))
    for command in ("deploy", "status", "logs"):
        status, out, err = prov(command, "prod")
        assert status == 1 and "does not accept the login of kubeconfig" in out + err, command
    with served(Cluster(), config):
        pass
    for command in ("plan", "status", "logs"):
        status, out, err = prov(command, "prod")
        assert status == 4 and "could not be reached" in out + err, command


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("context: test", "context: other", "prod.kubernetes.context: "),
        ("kubeconfig: ../config", "kubeconfig: ../gone", "prod.kubernetes.context: "),
        ("context: test,", "", "prod.kubernetes: needs `context`"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused(
    prov: Prov, written: str, instead: str, said: str
) -> None:
    text = (INVENTORY % ("replicas: 2", CANARY, "")).replace(written, instead)
    project(Path(), {"inventory/hosts.yml": text})
    status, out, err = prov("plan", "prod")
    assert status == 2 and f"inventory/hosts.yml:5 {said}" in err, (out, err)


def test_a_release_of_an_application_that_the_target_lacks_is_refused(prov: Prov) -> None:
    status, _, err = prov("deploy", "prod", "--release", "mail=v1")
    assert status == 2 and "has an application 'mail'" in err


def test_options_of_hosts_are_refused(prov: Prov) -> None:
    status, _, err = prov("deploy", "prod", "--bake", "30s")
    assert status == 2 and "--bake: only deploys to hosts have this" in err


def running(component: str, name: str, restarts: int = 0, target: str = "prod") -> dict[str, Any]:
    """A pod as the cluster lists it."""
    labels = {
        "app.kubernetes.io/managed-by": "prov",
        "app.kubernetes.io/instance": target,
        "app.kubernetes.io/name": "shop",
        "app.kubernetes.io/component": component,
    }
    container = component.partition("-")[2] or component
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": container}]},
        "status": {"containerStatuses": [{"name": container, "restartCount": restarts, "state": {}}]},
    }


def test_status_says_how_each_part_is_doing(prov: Prov, cluster: Cluster) -> None:
    write(PARTS)
    status, out, _ = prov("status", "prod")
    assert status == 3 and "! has no Deployment" in out
    prov("deploy", "prod")
    cluster.pods = [running("process-worker", "w-1", 2), running("web", "a"), running("web", "b", 1, "other")]
    cluster.requests.clear()
    status, out, _ = prov("status", "prod")
    assert status == 0, out
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["prod:", "ok"] and lines[1] == ["shop", release(prov)]
    assert [line[0] for line in lines[2:]] == ["web", "worker", "job"]
    assert " ".join(lines[3]) == "worker 1 of 1 pods are ready 2 restarts"
    assert {method for method, _ in cluster.requests} == {"GET"}
    cluster.objects["deployments", "shop-worker"]["status"]["availableReplicas"] = 0
    cluster.objects["jobs", job_name(prov)]["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    status, out, _ = prov("status", "prod", "shop", "--json")
    (event,) = (json.loads(line) for line in out.splitlines() if '"status"' in line)
    assert status == 3 and event["ok"] is False
    assert event["apps"]["shop"]["problems"] == [
        "worker: 0 of 1 pods are ready",
        "commands of the release: failed",
    ]


def test_logs_are_those_of_the_pods_in_the_order_of_time(prov: Prov, cluster: Cluster) -> None:
    prov("deploy", "prod")
    cluster.pods = [running("web", "a"), running("process-worker", "w"), running("web", "starting")]
    cluster.logs = {
        "a": "2026-01-01T00:00:02.123456789Z second\x1b[31m\n",
        "w": "2026-01-01T00:00:01Z first\nno time\n",
    }
    status, out, _ = prov("logs", "prod")
    assert status == 0 and "\x1b" not in out
    assert [line.split()[1:3] for line in out.splitlines()][1:] == [["w", "first"], ["a", "second\\x1b[31m"]]
    status, out, _ = prov("logs", "prod", "--process", "worker", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert [each["text"] for each in found if each["event"] == "log"] == ["first", "time"]
    status, _, err = prov("logs", "prod", "--process", "nothing")
    assert status == 2 and "prod has no process 'nothing'" in err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("logs prod shop -f", "kubectl --context test --namespace shop logs --follow"),
        ("exec prod shop -- true", "exec -it deployment/shop -- COMMAND"),
        ("restart prod shop", "rollout restart deployment/shop"),
        ("undo", "prov rollback prod"),
    ],
)
def test_commands_for_hosts_say_what_to_do_instead(
    prov: Prov, cluster: Cluster, command: str, said: str
) -> None:
    words = command.split() if " " in command else [command, "prod"]
    status, _, err = prov(*words)
    assert status == 2 and said in err, err
    assert cluster.requests == []
