"""server: container: the units of an application in containers, its image for a host, and what is refused."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cli_project import command_line
from imaged_apps import BASE, LIBC, base_image, imaged_project

from provision.inventory import load
from provision.oci import host_image
from provision.oci.host_image import HostImage
from provision.roles.project import resolve
from provision.serving.imaginary_host import Recording, StepCollector, TaskSteps
from provision.serving.instances import Instance, instance, program_for
from provision.steps import application_commands, containers

Prov = Callable[..., tuple[object, str, str]]
CANARY = "canary-41c0de"
SETTINGS = f"""
server: container
environment: {{MODE: plain}}
secrets: {{SECRET_KEY: {CANARY}}}
writable: [cache]
files: {{conf/shop.ini: ../shop.ini.j2}}
processes: {{worker: celery -A shop worker}}
jobs: {{clean: {{command: python clean.py, schedule: daily}}}}
image: ../base.tar
"""


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in a project whose application is served from its image."""
    imaged_project(tmp_path, monkeypatch, SETTINGS, {"shop.ini.j2": ""})
    monkeypatch.setattr(host_image, "_made", {})
    return command_line(monkeypatch, capsys)


def served() -> tuple[Instance, HostImage]:
    """The instance of the project's application, and its image."""
    (assignment,) = resolve([load(["inventory"]).hosts["web1"]])
    host = StepCollector(assignment, Recording(lambda: TaskSteps("", ""), assignment.masks()))
    (app,) = assignment.served.apps
    return instance(host, app), cast(HostImage, program_for(host, app).about["image"])


def blobs(image: HostImage) -> dict[str, bytes]:
    """The contents of an image's layout, as a host asks for them."""
    found = {}
    for path, _, source, _ in image.entries:
        assert source is not None and source.open is not None
        with source.open(b"") as f:
            found[path] = f.read()
    return found


def test_all_units_run_the_image_in_the_same_sandbox(prov: Prov) -> None:
    found, image = served()
    texts = [found.service, found.workers["worker"], found.jobs["job-shop@clean.service"]]
    for text in texts:
        (start,) = (line for line in text.splitlines() if line.startswith("ExecStart="))
        for option in ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--pull=never"):
            assert f" {option} " in start
        assert f" {image.id}" in start
        assert " app-shop " in start, "the user"
        assert " --env=SECRET_KEY " in start
        assert "--volume=/var/lib/app-shop:/var/lib/app-shop" in start
        assert "/conf/shop.ini:/app/conf/shop.ini:ro" in start
    assert f"--entrypoint=celery {image.id} -A shop worker" in texts[1]
    assert f"--entrypoint=python {image.id} clean.py" in texts[2]
    assert CANARY not in "".join([*texts, *found.files.values()])


def test_credentials_are_files_that_each_container_sees(prov: Prov) -> None:
    file = Path("inventory/hosts.yml")
    file.write_text(
        file.read_text().replace("server: container", "server: container\n        secrets_as: credentials")
    )
    found, _ = served()
    for text in (found.service, found.workers["worker"], found.jobs["job-shop@clean.service"]):
        (start,) = (line for line in text.splitlines() if line.startswith("ExecStart="))
        assert " --volume=/etc/prov/shop.credentials:/etc/prov/shop.credentials:ro " in start
        assert " --env=CREDENTIALS_DIRECTORY=/etc/prov/shop.credentials " in start
        assert "SECRET_KEY" not in start and CANARY not in text


def test_a_file_of_the_release_is_where_a_variable_says(prov: Prov) -> None:
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("{MODE: plain}", "{CONF: '{release}/conf/shop.ini'}"))
    found, _ = served()
    path = found.release.environment["CONF"]
    assert str(path).startswith("/srv/shop/releases/")
    assert f" --volume={path}:{path}:ro " in found.service


def test_a_host_gets_what_the_digests_say_and_no_secret(prov: Prov) -> None:
    _, image = served()
    contents = blobs(image)
    for path, data in contents.items():
        assert CANARY.encode() not in data, path
        if path.startswith("blobs/"):
            assert path == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    assert f"blobs/sha256/{image.id}" in contents
    assert image.name.startswith("app-shop:") and image.name.endswith(f"-{image.id[:12]}")


def test_another_release_sends_its_source_alone(prov: Prov) -> None:
    _, first = served()
    before = blobs(first)
    assert served()[1] == first
    Path("shop/shop.py").write_text("app = repr\n")
    _, second = served()
    after = blobs(second)
    new = [data for path, data in after.items() if path not in before]
    # the configuration, the manifest, and the layer of the source
    assert len(new) == 3
    (layer,) = (data for data in new if not data.startswith(b"{"))
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert "app/shop.py" in tar.getnames()


def test_a_base_that_was_damaged_is_never_sent(prov: Prov) -> None:
    _, image = served()
    Path("base.tar").write_bytes(base_image(BASE).replace(LIBC, LIBC.replace(b"Debian", b"debian")))
    with pytest.raises(Exception, match="is damaged"):
        blobs(image)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "web1.apps.shop: has no `image`"),
        ("image: {base: ../base.tar, architecture: arm64}", "the image is for arm64, and web1 is x86_64"),
        (
            "image: ../base.tar\n        build: {command: make, here: false, output: [x]}",
            "builds on a host",
        ),
        ("image: ../missing.tar", "no such image: "),
    ],
)
def test_what_can_not_be_served_from_an_image_is_refused(prov: Prov, line: str, said: str) -> None:
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("image: ../base.tar", line))
    status, out, err = prov("check", "web1")
    assert status == 2, out
    assert said in err
    assert "inventory/hosts.yml:" in err


@pytest.mark.parametrize("name", ["LD_PRELOAD", "CONTAINER_HOST", "STORAGE_DRIVER"])
def test_variables_that_change_podman_are_refused(prov: Prov, name: str) -> None:
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("{MODE: plain}", f"{{{name}: x}}"))
    status, _, err = prov("check", "web1")
    assert status == 2
    assert f"web1.apps.shop.environment.{name}: {name} would change podman itself" in err


def test_the_image_that_is_built_by_hand_runs_the_server_and_not_podman(prov: Prov) -> None:
    assert prov("image", "build", "web1", "shop")[0] == 0
    shown = prov("image", "show", "shop.tar")[1]
    assert "/app/.venv/bin/gunicorn --config" in shown
    assert "podman" not in shown


def test_commands_of_an_application_run_in_its_image(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    found, image = served()
    host: Any = SimpleNamespace(files=SimpleNamespace(read=lambda path: found.service.encode()))
    monkeypatch.setattr(application_commands, "in_service", lambda host, app: "0a1b2c3d4e5f")
    command = application_commands.ApplicationCommand("shop", ["python", "x.py", "$HOME"])
    words = command._started(host)
    assert words[:2] == ["/usr/bin/python3", "-I"]
    assert words[-4:] == ["--entrypoint=python", image.id, "x.py", "$HOME"]
    assert not any(each.startswith("--property=X-") for each in application_commands.properties(host, "shop"))


class Podman:
    """A host of whose images podman lists these."""

    def __init__(self, listed: str, releases: list[str]) -> None:
        self.listed, self.releases, self.files = listed, releases, self

    def runnable(self, program: str) -> bool:
        return program == containers.PODMAN

    def ask(self, argv: list[str]) -> Any:
        return SimpleNamespace(require=lambda doing: SimpleNamespace(stdout=self.listed))

    def list(self, path: str) -> Any:
        return self.releases


def test_images_of_removed_releases_go_and_those_of_others_stay() -> None:
    one, two = "0a1b2c3d4e5f-000000000000", "1a1b2c3d4e5f-000000000000"
    names = [f"localhost/app-shop:{one}", f"localhost/app-shop:{two}", f"localhost/app-shop-two:{one}"]
    listed = "".join(
        f"{name} sha256:{'0' * 64}\n" for name in [*names, "<none>:<none>", "docker.io/app-shop:1"]
    )
    host: Any = Podman(listed, ["1a1b2c3d4e5f"])
    step = containers.OldImages("app-shop", "/srv/shop/releases")
    assert [change.before for change in step.check(host).changes] == [names[0]]
    loaded = containers.ContainerImage(f"app-shop:{two}", "0" * 64, "/srv/shop/image")
    assert loaded.check(host).why == "is loaded"
