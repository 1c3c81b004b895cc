"""prov image: the archive is an image that engines read, the same each time, and holds no secrets."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_project import command_line
from helpers.archives import archive
from imaged_apps import BASE, LIBC, base_image, imaged_project

from provision.oci import image_packages

INSTALL = image_packages.install
Prov = Callable[..., tuple[object, str, str]]
CANARY = "canary-6f1d2c"
SETTINGS = f"""
health: /healthz
environment: {{MODE: {CANARY}-plain}}
secrets: {{SECRET_KEY: {CANARY}}}
writable: [cache]
jobs: {{clean: {{command: python clean.py, schedule: daily}}}}
image: ../base.tar
"""


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    """Runs the command line in a project with an application; gives exit status, stdout and stderr."""
    imaged_project(tmp_path, monkeypatch, SETTINGS, {"shop/cache/seed": "x"})
    return command_line(monkeypatch, capsys)


def files_of(image: Path) -> dict[str, tarfile.TarInfo]:
    """The files of the layers above the base, by path."""
    with tarfile.open(image) as outer:
        index = json.loads(read(outer, "index.json"))
        manifest = json.loads(read(outer, blob_of(index["manifests"][0])))
        found: dict[str, tarfile.TarInfo] = {}
        for each in manifest["layers"][1:]:
            with tarfile.open(fileobj=io.BytesIO(read(outer, blob_of(each)))) as layer:
                found.update({member.name: member for member in layer})
        return found


def read(tar: tarfile.TarFile, name: str) -> bytes:
    found = tar.extractfile(name)
    assert found is not None
    return found.read()


def blob_of(descriptor: dict[str, str]) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/')}"


def written(path: str) -> tuple[int, int]:
    """Return which file is at a path, and when it was written; reading it changes neither."""
    st = Path(path).stat()
    return st.st_ino, st.st_mtime_ns


def test_the_same_release_gives_the_same_bytes(
    prov: Prov, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status, out, err = prov("image", "build", "web1", "shop", "--json")
    assert status == 0, err
    event = json.loads(out)
    assert (event["expects"], event["python"]) == (["MODE", "SECRET_KEY"], "3.11")
    assert event["leaves"] == ["jobs (clean)", "first contents of `writable`"]
    # at another time, with nothing kept of the first build
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    (tmp_path / "shop/shop.py").touch()
    status, out, err = prov("image", "build", "web1", "-o", "again.tar", "--json")
    assert json.loads(out)["digest"] == event["digest"]
    assert Path("again.tar").read_bytes() == Path("shop.tar").read_bytes()


def test_an_unchanged_image_is_not_written_again(prov: Prov) -> None:
    assert "writing the archive" in prov("image", "build", "web1")[2]
    before = written("shop.tar")
    assert "writing the archive" not in prov("image", "build", "web1")[2]
    assert written("shop.tar") == before
    Path("shop/shop.py").write_text("app = repr\n")
    assert "writing the archive" in prov("image", "build", "web1")[2]


def test_no_secret_and_nothing_of_this_machine_is_in_an_image(prov: Prov, tmp_path: Path) -> None:
    assert prov("image", "build", "web1")[0] == 0
    data = Path("shop.tar").read_bytes()
    for text in (CANARY, sys.executable, str(tmp_path), "direct_url"):
        assert text.encode() not in data, text


def test_files_are_roots_and_the_user_is_another(prov: Prov) -> None:
    assert prov("image", "build", "web1")[0] == 0
    files = files_of(Path("shop.tar"))
    assert {(each.uid, each.gid, each.mtime) for each in files.values()} == {(0, 0, 315532800)}
    assert not any(each.mode & 0o022 for each in files.values() if not each.issym())
    assert files["app/.venv/bin/python"].linkname == "/usr/bin/python3.11"
    assert files["app/cache"].linkname == "/var/lib/app-shop/release/cache"
    assert files["app/.venv/bin/gunicorn"].mode == 0o755
    assert {"app/shop.py", "app/.prov/behind_front.py", "app/.prov/on_port.py"} <= set(files)
    (shown,) = (json.loads(line) for line in prov("image", "show", "shop.tar", "--json")[1].splitlines())
    assert (shown["user"], shown["ports"], shown["architecture"]) == ("10001:10001", ["8000/tcp"], "amd64")
    assert {"LANG=C.UTF-8", "PATH=/app/.venv/bin:/base/bin", "PYTHONPATH=/app/.prov:/app"} <= set(
        shown["environment"]
    )
    assert "@" not in "".join(shown["entrypoint"]), "a host's instance is named"


def test_a_containerfile_says_the_same_and_has_its_layers_beside_it(prov: Prov) -> None:
    printed = prov("image", "containerfile", "web1")[1]
    assert prov("image", "containerfile", "web1", "-o", "kept")[1] == printed
    assert Path("kept/Containerfile").read_text() == printed.rstrip("\n") + "\n"
    assert sorted(path.name for path in Path("kept").iterdir()) == [
        "Containerfile",
        "packages.tar",
        "source.tar",
    ]
    assert "USER 10001:10001" in printed.splitlines()
    assert "ADD packages.tar source.tar /" in printed.splitlines()
    assert CANARY not in printed


@pytest.mark.parametrize(
    ("base", "said"),
    [
        (None, "no such image: "),
        (b"not an archive", "can't be used as an image: "),
        (archive({"manifest.json": b"[]"}), "it was written by `docker save`"),
        (archive({"oci-layout": b"{}", "index.json": b"[1]"}), "index.json is not a JSON object"),
        (base_image(BASE, index=b'{"manifests": [{"digest": "../x", "size": 1}]}'), "manifests.0.digest"),
        (base_image(BASE, "arm64"), "it is for arm64, expected amd64"),
        (base_image({"bin/sh": b""}), "it has no Python"),
        (base_image({"usr/bin/python3.11": b""}), "it has no glibc 2.17 or newer"),
        (base_image(BASE, layer=b"damaged"), "has 7 bytes, expected"),
    ],
)
def test_a_base_that_does_not_fit_is_refused_with_its_line(prov: Prov, base: bytes | None, said: str) -> None:
    if base is None:
        Path("base.tar").unlink()
    else:
        Path("base.tar").write_bytes(base)
    status, out, err = prov("image", "build", "web1")
    assert (status, out) == (2, "")
    assert "inventory/hosts.yml:14 web1.apps.shop.image" in err
    assert said in err.lower() or said in err
    assert not Path("shop.tar").exists()


def test_a_layer_that_is_damaged_is_found_before_the_archive_is_written(prov: Prov) -> None:
    good = base_image(BASE)
    assert prov("image", "build", "web1")[0] == 0
    Path("shop.tar").unlink()
    Path("base.tar").write_bytes(good.replace(LIBC, LIBC.replace(b"Debian", b"debian")))
    status, _, err = prov("image", "build", "web1")
    assert status == 1
    assert "is damaged" in err
    assert not Path("shop.tar").exists()
    assert not list(Path.cwd().glob(".prov-image-*"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "has no `image`, which names its base image"),
        ("image: {base: ../base.tar, port: 80}", "port"),
        ("image: {base: ../base.tar}\n        server: mod_wsgi", "'mod_wsgi' is not a Python package"),
        (
            "image: ../base.tar\n        python: '3.13'",
            "asks for Python 3.13, and its base image has 3.11, 3.9",
        ),
        (
            "image: ../base.tar\n        build: {command: make, here: false, output: [x]}",
            "builds on a host",
        ),
    ],
)
def test_what_an_image_can_not_have_is_refused(prov: Prov, line: str, said: str) -> None:
    file = Path("inventory/hosts.yml")
    file.write_text(file.read_text().replace("image: ../base.tar", line))
    status, _, err = prov("image", "build", "web1")
    assert (status, said in err) == (2, True), err
    assert not Path("shop.tar").exists()


def test_requirements_without_wheels_show_what_uv_said(prov: Prov, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_packages, "install", INSTALL)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("UV_NO_INDEX", "1")
    Path("shop/requirements.txt").write_text("no-such-package==1\n")
    status, _, err = prov("image", "build", "web1")
    assert status == 1
    assert "could not be installed for Python 3.11 on x86_64-manylinux_2_36" in err
    assert "no-such-package" in err
    assert not Path("shop.tar").exists()


LAUNCHER = Path(__file__).parents[2] / "roles/app/files/on_port.py"
SERVER = """
import os, socket
listener = socket.socket(fileno=3)
print(os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] == str(os.getpid()), listener.getsockname()[1], flush=True)
"""


def test_the_launcher_passes_a_socket_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [sys.executable, str(LAUNCHER), sys.executable, "-c", SERVER]
    said = subprocess.run(argv, env={"PORT": str(port)}, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["1", "True", str(port)]


def test_the_launcher_keeps_a_socket_that_it_was_passed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        port = passed.getsockname()[1]
        fd = passed.fileno()
        first = f"import os, sys; os.dup2({fd}, 3); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        argv = [sys.executable, "-c", first, str(LAUNCHER), sys.executable, "-c", SERVER]
        done = subprocess.run(
            argv, env={"LISTEN_FDS": "1"}, pass_fds=[fd], capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["1", "True", str(port)]
