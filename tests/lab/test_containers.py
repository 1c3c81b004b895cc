"""server: container on a real host: the image of a release under podman, with its worker and its job."""

from __future__ import annotations

import pytest
from helpers.boxed import CANARY, Boxed
from helpers.hosts import Hosts, on

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-boxed"


@pytest.fixture(scope="module")
def boxed(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Boxed:
    found = Boxed(lab_hosts, tmp_path_factory.mktemp("boxed"), NAME)
    verdict = found.judged("containers")
    assert (verdict.exact, verdict.failed) == (True, ""), verdict
    return found


def test_all_of_an_application_runs_in_its_image(boxed: Boxed) -> None:
    on(NAME, "systemctl", "start", "job-shop@tick.service")
    said = boxed.said()
    assert (said["contained"], said["read_only"], said["folder"]) == (True, True, "/app")
    assert said["user"] == int(on(NAME, "id", "-u", "app-shop"))
    assert said["secret"] == f"{CANARY}\nsecond line $x"
    assert said["conf"] == "domain = shop.test\n"
    assert said["seen"] == ["tick", "worker"]
    assert on(NAME, "sh", "-c", "cat /var/lib/app-shop/release/logs/*") == "True" * 2
    shown = boxed.prov("exec", "shop", "--", "python", "-c", "import os; print(os.getuid(), os.getcwd())")
    assert f"{said['user']} /app" in shown.stdout
    assert "asked for /" in boxed.prov("logs").stdout
    assert boxed.prov("status").status == 0
    # podman has the values of a container that runs, in a folder of root's; images and commands have none
    layers = "cd /var/lib/containers/storage && grep -rlF -e $0 vfs vfs-images vfs-layers || true"
    assert on(NAME, "sh", "-c", layers, CANARY) == ""
    # the brackets keep the search from finding itself
    commands = f"cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '{CANARY[:-1]}[{CANARY[-1]}]' || true"
    assert on(NAME, "sh", "-c", commands) == "0"
    assert on(NAME, "stat", "-c", "%a %U", "/var/lib/containers/storage") == "700 root"


def test_a_change_and_the_way_back_lose_no_request(boxed: Boxed) -> None:
    with boxed.traffic() as traffic:
        boxed.edit("1")
        boxed.prov("deploy")
        assert boxed.said()["note"] == "1"
        boxed.prov("rollback", "--no-hold")
    assert boxed.said()["note"] == "0"
    assert len(traffic.answers) > 100
    assert traffic.lost == {}


def test_images_go_with_their_releases_and_secrets_can_be_files(boxed: Boxed) -> None:
    boxed.declare(keep_releases=1, processes={}, secrets_as="credentials")
    boxed.edit("2")
    verdict = boxed.judged("one release is kept")
    assert (verdict.exact, verdict.failed) == (True, ""), verdict
    assert boxed.said()["secret"] == f"{CANARY}\nsecond line $x"
    shown = boxed.prov(
        "exec",
        "shop",
        "--",
        "python",
        "-c",
        "import os; print(os.listdir(os.environ['CREDENTIALS_DIRECTORY']))",
    )
    assert "['SECRET_KEY']" in shown.stdout
    assert len(boxed.images()) == 1
    assert [name.partition("-shop-")[0] for name in boxed.containers()] == ["app"]
