"""Assets that are built on this machine: shipped although git ignores them, once for the same files, never half."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from provision.apps.app_model import App
from provision.apps.application import Application
from provision.errors import ProvError
from provision.sources.manifests import Manifests

#: copies what it builds, and says that it has been run
SCRIPT = "mkdir -p dist && cp page.src dist/index.html && echo run >> ../runs && mkdir -p dist/node_modules"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, text in {
        "requirements.txt": "",
        ".gitignore": "dist/\nnode_modules/\n",
        "page.src": "one",
    }.items():
        (folder / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder


def app(source: Path, **settings: Any) -> Application:
    values = {
        "name": "shop",
        "source": source,
        "target": "a:b",
        "domains": ("shop.test",),
        "static": {"/": "dist"},
    }
    return Application(**{**values, "build": ["sh", "-c", SCRIPT], **settings}).read_by(Manifests())


def files(found: Application) -> list[str]:
    return [entry[0] for entry in found.release.entries]


def test_what_is_built_is_deployed_whatever_git_ignores(source: Path) -> None:
    (source / "node_modules").mkdir()
    (source / "node_modules/x.js").write_text("")
    assert files(app(source)) == [".gitignore", "dist/index.html", "page.src", "requirements.txt"]


def test_the_same_files_are_built_once(source: Path, tmp_path: Path) -> None:
    def runs() -> int:
        return len((tmp_path / "runs").read_text().split())

    first = app(source).release.id
    assert (app(source).release.id, runs()) == (first, 1)
    (source / "page.src").write_text("two")
    assert app(source).release.id != first
    assert runs() == 2
    # what was built has gone, or was made by someone else
    (source / "dist/index.html").write_text("by hand")
    app(source).release  # noqa: B018 (reads the source)
    assert (runs(), (source / "dist/index.html").read_text()) == (3, "two")
    always = {"command": ["sh", "-c", SCRIPT], "always": True}
    assert app(source, build=always).release.id and runs() == 4


def test_a_build_in_a_subdirectory_ships_what_it_makes_there(source: Path) -> None:
    (source / "web").mkdir()
    (source / "web/requirements.txt").write_text("")
    build = {"command": ["sh", "-c", "mkdir out && echo x > out/a.js"], "output": ["out"]}
    found = app(source, subdirectory="web", build=build, static={"/static/": "out"})
    assert "web/out/a.js" in files(found)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"command": ["sh", "-c", "echo why; exit 3"]}, r"failed with status 3\n    why"),
        (
            {"command": ["sh", "-c", "echo so far; sleep 60"], "timeout": 1},
            r"did not end within 1 s\n    so far",
        ),
        ({"command": "no-such-program --x"}, "no program 'no-such-program' on this machine"),
        ({"command": "true"}, "has made no dist"),
    ],
)
def test_a_build_that_fails_is_told_with_its_output(
    source: Path, build: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProvError, match=message):
        app(source, build=build).release  # noqa: B018 (reads the source)


def test_a_build_needs_output_and_a_folder(source: Path) -> None:
    with pytest.raises(ValidationError, match="needs `output`"):
        app(source, static={})
    values: dict[str, Any] = {
        "name": "shop",
        "source": "https://git.test/x",
        "target": "a:b",
        "domains": ("a.test",),
    }
    with pytest.raises(ValidationError, match="for a source that is a folder"):
        App(**values, build={"command": "make", "output": ["dist"]})  # type: ignore[arg-type]
