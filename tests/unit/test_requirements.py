"""Requirements as text, from all the files that people have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from provision.apps.requirements import requirements_of
from provision.errors import ConfigError

PYLOCK = """
lock-version = "1.0"
created-by = "a test"

[[packages]]
name = "click"
version = "8.1.8"
marker = "python_version >= '3.8'"
sdist = { url = "https://x.test/click.tar.gz", hashes = { sha256 = "aa" } }
wheels = [{ url = "https://x.test/click.whl", hashes = { sha256 = "bb" } }]

[[packages]]
name = "tool"
archive = { url = "https://x.test/tool.zip", hashes = { sha256 = "cc" } }
"""


def of(name: str, **files: str) -> str:
    def read(wanted: str) -> bytes:
        return files[wanted.replace(".", "_")].encode()

    return requirements_of(name, read, where="here")


def test_a_requirements_file_is_taken_as_it_is() -> None:
    assert of("requirements.txt", requirements_txt="a==1  # why\n-c x\n") == "a==1  # why\n-c x\n"


def test_what_a_project_depends_on() -> None:
    text = '[project]\nname = "x"\ndependencies = ["flask>=3", "click; python_version < \'3.9\'"]\n'
    assert of("pyproject.toml", pyproject_toml=text) == "flask>=3\nclick; python_version < '3.9'\n"
    assert of("pyproject.toml", pyproject_toml='[project]\nname = "x"\n') == ""


def test_a_lock_with_its_hashes() -> None:
    assert of("pylock.toml", pylock_toml=PYLOCK) == (
        "click==8.1.8 ; python_version >= '3.8' --hash=sha256:bb --hash=sha256:aa\n"
        "tool @ https://x.test/tool.zip --hash=sha256:cc\n"
    )
    assert of("pylock.prod.toml", pylock_prod_toml=PYLOCK).startswith("click==8.1.8")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pyproject.toml", "[project", "can't be read"),
        ("pyproject.toml", "[tool.x]", "is not as such a file should be: KeyError('project')"),
        ("pyproject.toml", '[project]\ndynamic = ["dependencies"]', "its dependencies are dynamic"),
        ("pylock.toml", 'lock-version = "2.0"\npackages = []', "version 2.0 of this format is not known"),
        (
            "pylock.toml",
            PYLOCK.replace("python_version >= '3.8'", "'x' in extras"),
            "for an extra or a group",
        ),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "x"\n', "no hash vouches for"),
        ("requirements.txt", None, "can't be read: [Errno 2]"),
    ],
)
def test_what_can_not_be_read_says_where_and_why(name: str, text: str | None, message: str) -> None:
    def read(wanted: str) -> bytes:
        if text is None:
            raise FileNotFoundError(2, "No such file", wanted)
        return text.encode()

    with pytest.raises(ConfigError) as raised:
        requirements_of(name, read, where="shop/" + name)
    assert raised.value.where == "shop/" + name
    assert message in raised.value.message


@pytest.fixture
def uv_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """uv comes with the tests' own environment."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")


def test_a_lock_of_uv_is_read_by_uv(tmp_path: Path, uv_first: None) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    project = tmp_path / "project"
    (project / "member").mkdir(parents=True)
    (project / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = []\n'
        "[dependency-groups]\ndev = []\n"
    )
    subprocess.run(["uv", "lock", "--offline", "--quiet", "--directory", project], check=True, timeout=60)
    assert requirements_of("uv.lock", lambda name: (project / name).read_bytes(), where="x") == ""
    (project / "uv.lock").write_text("version = 99\n")
    with pytest.raises(ConfigError, match="uv: "):
        requirements_of("uv.lock", lambda name: (project / name).read_bytes(), where="x")


def test_without_uv_its_lock_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match="only uv can read") as raised:
        of("uv.lock", uv_lock="", pyproject_toml="")
    assert "uv export -o pylock.toml" in raised.value.hint
