"""prov kubernetes render: manifests that Kubernetes' schemas and kubectl accept, and what a cluster can't have."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cli_project import Prov, command_line
from inventories import project

from provision.inventory.platform_names import platform_names
from provision.platforms.cron_times import cron_time
from provision.platforms.kubernetes.manifest_files import yaml_of
from provision.platforms.platform_model import PARTS, find

#: the oldest version with all that prov writes that kubernetes-validate has, and the newest one
VERSIONS = ("1.27", "1.37")
CANARY = "canary-6f1d2c"
BLOCK = "{namespace: shop, registry: registry.test/team, clients: [ingress-nginx]}"
INVENTORY = """
    all:
      hosts:
        web1: {ansible_host: 192.0.2.1}
        prod:
          platform: kubernetes
          kubernetes: %(block)s
          apps:
            shop:
              source: ../shop
              target: shop:app
              domains: [shop.test, "*.shop.test"]
              health: /healthz
              environment: {MODE: "1e3"}
              secrets: {SECRET_KEY: %(canary)s}
              image: ../base.tar
              %(app)s
          %(more)s
    """
FULL = """
          {namespace: shop, registry: "registry.test:5000/team", clients: [ingress-nginx, 10.1.2.3/8],
           ingress: {class: nginx, annotations: {cert-manager.io/cluster-issuer: letsencrypt}},
           autoscale: {max: 6}, storage: {size: 5Gi, class: shared}, pull_secret: login,
           requests: {cpu: 250m, memory: 128Mi}, limits: {cpu: '1', memory: 1Gi}}"""
PARTS_OF_IT = """writable: [cache]
              media: {/media/: uploads}
              static: {/static/: static}
              django: {settings: shop.settings}
              release: [python -m init]
              processes: {worker: {command: "python w.py $(HOME)", memory_max: 300M}, beat: {command: beat, on: one}}
              jobs: {clean: {command: python clean.py, schedule: "30 3 * * 7"}}"""


def inventory(block: str = BLOCK, app: str = "", more: str = "") -> str:
    return INVENTORY % {"block": block.strip("\n"), "app": app, "more": more, "canary": CANARY}


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    source = {"shop/shop.py": "", "shop/requirements.txt": "", "shop/manage.py": "", "base.tar": ""}
    monkeypatch.chdir(project(tmp_path, {"inventory/hosts.yml": inventory(), **source}))
    return command_line(monkeypatch, capsys)


def write(text: str) -> None:
    project(Path(), {"inventory/hosts.yml": text})


def rendered(prov: Prov, *more: str) -> dict[tuple[str, str], Any]:
    """The objects by kind and name."""
    status, out, err = prov("kubernetes", "render", "prod", *more)
    assert status == 0, err
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(out)}


def pods(objects: dict[tuple[str, str], Any]) -> list[Any]:
    found = [each["spec"] for each in objects.values() if each["kind"] in ("Deployment", "Job", "CronJob")]
    return [(spec.get("jobTemplate", {}).get("spec") or spec)["template"]["spec"] for spec in found]


def test_all_objects_fit_the_schemas_of_kubernetes(prov: Prov) -> None:
    write(inventory(FULL, PARTS_OF_IT))
    objects = rendered(prov, "--with-secrets")
    for document in objects.values():
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    release = next(name for kind, name in objects if kind == "Job")
    assert set(objects) == {
        *{("ConfigMap", "shop"), ("Secret", "shop"), ("PersistentVolumeClaim", "shop"), ("Job", release)},
        *{("NetworkPolicy", "shop"), ("NetworkPolicy", "shop-closed"), ("Ingress", "shop")},
        *{("Deployment", "shop"), ("Service", "shop"), ("HorizontalPodAutoscaler", "shop")},
        *{("PodDisruptionBudget", "shop"), ("Deployment", "shop-worker"), ("Deployment", "shop-beat")},
        ("CronJob", "shop-clean"),
    }
    assert objects["CronJob", "shop-clean"]["spec"]["schedule"] == "30 3 * * 0"


def test_kubectl_reads_what_was_meant(prov: Prov) -> None:
    """It is another reader of YAML, with other ideas of what a number is."""
    write(inventory(FULL, PARTS_OF_IT))
    _, out, _ = prov("kubernetes", "render", "prod", "--with-secrets")
    kubectl = str(Path(sys.executable).parent / "kubectl")
    command = [kubectl, "label", "--local", "-f", "-", "a=b", "-o", "json", "--kubeconfig", "/dev/null"]
    text = subprocess.run(command, input=out, capture_output=True, text=True, check=True).stdout
    decoder, found, at = json.JSONDecoder(), [], 0
    while text[at:].strip():
        document, at = decoder.raw_decode(text, at + len(text[at:]) - len(text[at:].lstrip()))
        assert document["metadata"]["labels"].pop("a") == "b"
        found.append(document)
    assert found == list(yaml.safe_load_all(out))


@pytest.mark.parametrize("text", ["1e3", "on", "y", "08", ".inf", "~", "", "a: b", "\x85\n é ", "0x1f", "#"])
def test_text_stays_text_in_yaml(text: str) -> None:
    written = yaml_of({"value": text})
    assert yaml.safe_load(written) == {"value": text}
    assert '"' in written


def test_pods_may_do_nothing_that_they_need_not(prov: Prov) -> None:
    write(inventory(FULL, PARTS_OF_IT))
    found = pods(rendered(prov))
    assert len(found) == 5
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
        for container in (*pod["containers"], *pod["initContainers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["image"].startswith("registry.test:5000/team/shop:")


def test_a_release_is_ready_before_it_serves(prov: Prov) -> None:
    write(inventory(FULL, PARTS_OF_IT))
    objects = rendered(prov)
    spec = objects["Deployment", "shop"]["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    first = [each["name"] for each in spec["template"]["spec"]["initContainers"]]
    assert first == ["folders", "collectstatic", "migrated"]
    (server,) = spec["template"]["spec"]["containers"]
    asked = server["readinessProbe"]["httpGet"]
    assert asked["path"] == "/healthz"
    assert {"name": "Host", "value": "shop.test"} in asked["httpHeaders"]
    assert server["lifecycle"]["preStop"]
    (job,) = [each for (kind, _), each in objects.items() if kind == "Job"]
    pod = job["spec"]["template"]["spec"]
    commands = [each["command"][1:] for each in (*pod["initContainers"][1:], *pod["containers"])]
    assert commands == [["manage.py", "migrate", "--noinput"], ["-m", "init"]]
    assert objects["Deployment", "shop-beat"]["spec"]["strategy"] == {"type": "Recreate"}
    (worker,) = objects["Deployment", "shop-worker"]["spec"]["template"]["spec"]["containers"]
    assert worker["command"] == ["python", "w.py", "$$(HOME)"]
    assert worker["resources"]["limits"]["memory"] == "300Mi"


def test_only_clients_reach_the_port(prov: Prov) -> None:
    write(inventory(FULL, PARTS_OF_IT))
    objects = rendered(prov)
    assert "ingress" not in objects["NetworkPolicy", "shop-closed"]["spec"]
    (rule,) = objects["NetworkPolicy", "shop"]["spec"]["ingress"]
    assert [each.get("ipBlock") for each in rule["from"]] == [None, {"cidr": "10.0.0.0/8"}]


def test_secrets_are_written_on_request_alone(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = base64.b64encode(CANARY.encode()).decode()
    status, out, err = prov("kubernetes", "render", "prod")
    assert status == 0
    assert "the Secret shop must exist, with the keys SECRET_KEY" in err
    status, lines, _ = prov("kubernetes", "render", "prod", "--json")
    for text in (out, err, lines):
        assert CANARY not in text and encoded not in text
    objects = rendered(prov, "--with-secrets")
    assert objects.pop(("Secret", "shop"))["data"] == {"SECRET_KEY": encoded}
    assert CANARY not in str(objects) and encoded not in str(objects)
    prov("kubernetes", "render", "prod", "--with-secrets", "-o", "out")
    assert Path("out/shop-secret.yaml").stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("provision.commands.kubernetes.is_terminal", lambda: True)
    status, out, err = prov("kubernetes", "render", "prod", "--with-secrets")
    assert (status, out) == (2, "") and "does not write to a terminal" in err


def test_credentials_are_a_secret_that_each_container_sees_as_files(prov: Prov) -> None:
    write(inventory(FULL, PARTS_OF_IT + "\n              secrets_as: credentials"))
    objects = rendered(prov, "--with-secrets")
    secret = objects["Secret", "shop-credentials"]
    assert secret["data"] == {"SECRET_KEY": base64.b64encode(CANARY.encode()).decode()}
    kubernetes_validate.validate(secret, VERSIONS[-1], strict=True)
    assert ("Secret", "shop") not in objects
    folder = objects["ConfigMap", "shop"]["data"]["CREDENTIALS_DIRECTORY"]
    for document in objects.values():
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)
    for pod in pods(objects):
        (volume,) = (each for each in pod["volumes"] if each["name"] == "credentials")
        assert volume["secret"] == {"secretName": "shop-credentials", "defaultMode": 0o440}
        for container in (*pod["containers"], *pod["initContainers"]):
            assert {"name": "credentials", "mountPath": folder, "readOnly": True} in container["volumeMounts"]
    assert (
        "the Secret shop-credentials must exist, with the keys SECRET_KEY"
        in prov("kubernetes", "render", "prod")[2]
    )


@pytest.mark.parametrize("app", ["", "secrets_as: credentials"])
def test_pods_are_replaced_when_a_secret_changes(prov: Prov, app: str) -> None:
    write(inventory(app=app))
    before = rendered(prov)["Deployment", "shop"]["spec"]["template"]
    assert rendered(prov)["Deployment", "shop"]["spec"]["template"] == before
    write(inventory(app=app).replace(CANARY, "another"))
    assert rendered(prov)["Deployment", "shop"]["spec"]["template"] != before


def test_a_folder_has_the_objects_of_the_target_and_what_is_not_provs(prov: Prov) -> None:
    write(inventory(app="jobs: {clean: {command: clean, schedule: daily}}"))
    Path("out").mkdir()
    Path("out/own.yaml").write_text("kind: Own\n")
    prov("kubernetes", "render", "prod", "-o", "out")
    assert Path("out/shop-clean-cronjob.yaml").exists()
    write(inventory())
    status, out, _ = prov("kubernetes", "render", "prod", "-o", "out")
    assert status == 0 and "removed out/shop-clean-cronjob.yaml" in out
    assert Path("out/own.yaml").exists()
    Path("out/shop-service.yaml").write_text("kind: Own\n")
    status, _, err = prov("kubernetes", "render", "prod", "-o", "out")
    assert status == 1 and "out/shop-service.yaml" in err


REFUSED = [
    (inventory("{registry: r.test, clients: [x]}"), "hosts.yml:6 prod.kubernetes.namespace: is required"),
    (inventory(BLOCK[:-1] + ", replica: 2}"), "'replica'. Did you mean 'replicas'?"),
    (inventory(BLOCK[:-1] + ", requests: {memory: 2Gi}}"), "`requests` has memory 2Gi, more than 512Mi"),
    (inventory(BLOCK[:-1] + ", replicas: 8, autoscale: {max: 6}}"), "below the 8 of `replicas`"),
    (inventory(BLOCK.replace("ingress-nginx", "Ingress")), "'Ingress' is neither a namespace nor a network"),
    (inventory(more="roles: [app]"), "hosts.yml:17 prod.roles: roles change hosts, and prod is on"),
    (inventory(app="allow: [10.0.0.0/8]"), "hosts.yml:16 prod.apps.shop.allow: keeps people out on a host"),
    (inventory(app="maintenance: true"), "prod.apps.shop.maintenance: keeps people out on a host"),
    (
        inventory(app="jobs: {a: {command: x, schedule: 'Mon *-*-1..7 03:00'}}"),
        "has no counterpart in a CronJob",
    ),
    (inventory().replace("image: ../base.tar", ""), "prod.apps.shop: has no `image`"),
    (inventory().replace("platform: kubernetes", "platform: kubernets"), "Did you mean 'kubernetes'?"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_a_cluster_cannot_have_is_refused_with_its_line(prov: Prov, text: str, message: str) -> None:
    write(text)
    for command in (("check", "prod"), ("kubernetes", "render", "prod")):
        status, _, err = prov(*command)
        assert status == 2 and message in err and "inventory/hosts.yml:" in err, err


def test_a_target_without_a_block_is_refused(prov: Prov) -> None:
    write(inventory().replace("kubernetes: {", "other: {"))
    status, _, err = prov("kubernetes", "render", "prod")
    assert status == 2 and "prod.platform: needs a block `kubernetes`" in err


def test_commands_for_hosts_refuse_the_target_and_others_list_it(prov: Prov) -> None:
    for command in ("ping", "facts", "run"):
        status, _, err = prov(command, "prod", *(["--", "true"] if command == "run" else []))
        assert status == 2 and "prod.platform: is on the platform kubernetes" in err, command
    status, out, _ = prov("hosts")
    assert status == 0 and "(kubernetes)" in out
    status, _, err = prov("kubernetes", "render", "web1")
    assert status == 2 and "web1 is not on Kubernetes" in err


def test_an_image_can_be_made_for_the_target(prov: Prov) -> None:
    """As far as its base, which is an empty file here."""
    status, _, err = prov("image", "build", "prod", "shop")
    assert status == 2 and "prod.apps.shop.image.base" in err and "empty file" in err, err


def test_a_variable_platform_of_the_users_own_is_left_alone(prov: Prov) -> None:
    write("web: {hosts: {web1: {platform: linux, ansible_host: 192.0.2.1}}}")
    status, out, _ = prov("hosts")
    assert status == 0 and "192.0.2.1" in out


def test_what_has_no_counterpart_is_named(prov: Prov) -> None:
    write(inventory(app="redirects: [www.shop.example]\n              media: {/media/: uploads}"))
    status, _, err = prov("kubernetes", "render", "prod")
    assert status == 0
    assert "shop: no counterpart: settings of the front (redirects)" in err
    assert "shop: the application must serve /media/" in err


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 1"),
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("0 4 1 jan 7", "0 4 1 1 0"),
        ("03:30", "30 3 * * *"),
        ("Mon,Fri *-*-* 18:05:00", "5 18 * * 1,5"),
    ],
)
def test_schedules_become_those_of_a_cronjob(schedule: str, expected: str) -> None:
    assert cron_time(schedule) == expected


@pytest.mark.parametrize("name", platform_names())
def test_a_platform_says_its_counterpart_of_each_part(name: str) -> None:
    assert tuple(find(name).counterparts) == PARTS
