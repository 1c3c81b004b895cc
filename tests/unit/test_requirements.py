"""Requirements as text, from all the files that people have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from provision.apps.requirements import (
    FolderTree,
    listed_in,
    packages_of,
    project_of,
    requires_python,
    with_project,
)
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


class Files:
    """A source that is a dictionary."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def read(self, path: str) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(2, "No such file", path)
        return self._files[path].encode()

    def has(self, path: str) -> bool:
        return path in self._files

    def named(self, name: str) -> list[str]:
        return [path for path in self._files if path.split("/")[-1] == name]

    def below(self, folder: str) -> list[str]:
        return [path for path in self._files if path.startswith(f"{folder}/")]


def of(name: str, **files: str) -> str:
    return packages_of(
        name, Files({key.replace("_", "."): text for key, text in files.items()}), where="here"
    ).text


def test_a_requirements_file_is_taken_as_it_is() -> None:
    text = "a==1  # why\n--extra-index-url https://x.test/simple\nb @ https://x.test/b-1.whl\n"
    assert of("requirements.txt", requirements_txt=text) == text


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
        ("pyproject.toml", "[tool.x]", "has no [project] table with dependencies"),
        ("pyproject.toml", '[project]\ndynamic = ["dependencies"]', "its dependencies are dynamic"),
        ("pylock.toml", 'lock-version = "2.0"\npackages = []', "version 2.0 of this format is not supported"),
        (
            "pylock.toml",
            PYLOCK.replace("python_version >= '3.8'", "'x' in extras"),
            "for an extra or a group",
        ),
        ("pylock.toml", 'lock-version = "1.0"\n[[packages]]\nname = "x"\n', "which has no hash"),
        ("requirements.txt", None, "can't be read: [Errno 2]"),
    ],
)
def test_what_can_not_be_read_says_where_and_why(name: str, text: str | None, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        packages_of(name, Files({} if text is None else {name: text}), where="shop")
    assert raised.value.where == "shop: " + name
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
    assert packages_of("uv.lock", FolderTree(project), where="x").text == ""
    (project / "uv.lock").write_text("version = 99\n")
    with pytest.raises(ConfigError, match="uv: "):
        packages_of("uv.lock", FolderTree(project), where="x")


def test_without_uv_its_lock_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match="only uv can read") as raised:
        of("uv.lock", uv_lock="", pyproject_toml="")
    assert "uv export -o pylock.toml" in raised.value.hint


PROJECT = '[project]\nname = "member"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = []\n'


def test_members_of_a_workspace_of_uv_are_projects_of_the_source(tmp_path: Path, uv_first: None) -> None:
    (tmp_path / "member").mkdir()
    (tmp_path / "member" / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "pyproject.toml").write_text(
        PROJECT.replace('"member"', '"x"').replace("[]", '["member"]')
        + '[tool.uv.workspace]\nmembers = ["member"]\n[tool.uv.sources]\nmember = { workspace = true }\n'
    )
    subprocess.run(["uv", "lock", "--offline", "--quiet", "--directory", tmp_path], check=True, timeout=60)
    found = packages_of("uv.lock", FolderTree(tmp_path), where="x")
    assert found.text == "./member\n"
    assert found.edited == ("member",)
    # the member itself is the application
    found = packages_of("uv.lock", FolderTree(tmp_path), where="x", root="member")
    assert (found.text, found.edited) == ("", ())


INCLUDED = {
    "requirements.txt": "-r requirements/prod.txt\n",
    "requirements/prod.txt": "--requirement=base.txt  # all\ngunicorn\n-c ../constraints.txt\n",
    "requirements/base.txt": (
        "flask \\\n    >=3\n-e ../libs/x[fast]\n./libs/y ; python_version > '3'\n-e .\nvendor/z-1.whl\n"
    ),
    "constraints.txt": "werkzeug==3.0\n-r more.txt\n",
    "more.txt": "jinja2<4\n",
    "libs/x/setup.py": "",
    "libs/y/pyproject.toml": "",
    "vendor/z-1.whl": "",
    "pyproject.toml": "",
}


def test_what_a_requirements_file_includes_is_in_its_place() -> None:
    found = packages_of("requirements.txt", Files(INCLUDED), where="shop")
    assert found.text.splitlines() == [
        "flask >=3",
        "./libs/x[fast]",
        "./libs/y ; python_version > '3'",
        "./",
        "./vendor/z-1.whl",
        "gunicorn",
    ]
    assert found.constraints == "werkzeug==3.0\njinja2<4\n"
    assert found.edited == ("libs/x", "")


@pytest.mark.parametrize(
    ("line", "where", "message"),
    [
        ("-r gone.txt", "shop: requirements.txt:2", "gone.txt is not in the source"),
        ("-c ../../etc/passwd", "shop: requirements.txt:2", "outside the source"),
        ("-r requirements.txt", "shop: requirements.txt:2", "includes itself"),
        ("./nothing", "shop: requirements.txt:2", "./nothing is not a Python project"),
        ("-e /srv/x", "shop: requirements.txt:2", "/srv/x is outside the source"),
        ("../x-1.whl", "shop: requirements.txt:2", "outside the source"),
        ("-r 'x", "shop: requirements.txt:2", "is not a valid requirement"),
    ],
)
def test_what_a_source_does_not_have_is_told_with_its_line(line: str, where: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        packages_of("requirements.txt", Files({"requirements.txt": f"flask\n{line}\n"}), where="shop")
    assert raised.value.where == where
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("-e git+https://x.test/a.git@v1#egg=a", "git+https://x.test/a.git@v1#egg=a"),
        ("-r https://x.test/r.txt", "-r https://x.test/r.txt"),
        ("a @ https://x.test/a.tar.gz", "a @ https://x.test/a.tar.gz"),
        (
            "a[b,c]>=1 ; python_version < '3.9' --hash=sha256:aa",
            "a[b,c]>=1 ; python_version < '3.9' --hash=sha256:aa",
        ),
        ("--no-binary :all:", "--no-binary :all:"),
        ("https://x.test/a-1.whl", "https://x.test/a-1.whl"),
    ],
)
def test_what_is_no_file_of_the_source_stays_as_it_is(line: str, kept: str) -> None:
    assert of("requirements.txt", requirements_txt=f"{line}\n") == f"{kept}\n"


def test_extras_and_groups() -> None:
    text = (
        '[project]\ndependencies = ["a"]\n[project.optional-dependencies]\npg = ["b"]\n'
        '[dependency-groups]\nprod = ["c", {include-group = "more"}]\nmore = ["d"]\n'
        'round = [{include-group = "round"}]\n'
    )

    def asked(extras: list[str], groups: list[str]) -> str:
        return packages_of(
            "pyproject.toml", Files({"pyproject.toml": text}), where="x", extras=extras, groups=groups
        ).text

    assert asked(["pg"], ["prod"]) == "a\nb\nc\nd\n"
    with pytest.raises(ConfigError, match="has no extra 'x'"):
        asked(["x"], [])
    with pytest.raises(ConfigError, match="'round' includes itself"):
        asked([], ["round"])


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("poetry.lock", "poetry lock"),
        ("pdm.lock", "pdm lock"),
        ("Pipfile", "Pipfile.lock"),
    ],
)
def test_older_locks_of_other_tools_are_refused_with_what_to_do(name: str, command: str) -> None:
    text = '[tool.poetry]\n[metadata]\nlock-version = "1.0"\n[[package]]\nname = "a"\nversion = "1"\n'
    with pytest.raises(ConfigError) as raised:
        packages_of(name, Files({name: text}), where="x")
    assert command in raised.value.hint


FILE = '{file = "a-1.whl", hash = "sha256:aa"}, {file = "a-1.tar.gz", hash = "sha256:bb"}'
POETRY = f"""
[[package]]
name = "a"
version = "1"
optional = false
groups = ["main", "dev"]
markers = {{main = "python_version >= '3.10'", dev = "python_version >= '3.8'"}}
files = [{FILE}]
[package.source]
type = "legacy"
url = "https://packages.example.com/simple"
[[package]]
name = "b"
version = "2"
optional = false
groups = ["main"]
files = [{FILE}]
[[package]]
name = "only-tests"
version = "3"
optional = false
groups = ["dev"]
files = []
[[package]]
name = "of-an-extra"
version = "4"
optional = true
groups = ["main"]
markers = "extra == 'pg'"
files = []
[metadata]
lock-version = "2.1"
"""
PDM = f"""
[metadata]
lock_version = "4.5.1"
[[package]]
name = "a"
version = "1"
groups = ["default", "test"]
marker = "python_version >= '3.10'"
files = [{FILE}]
[[package]]
name = "b"
version = "2"
groups = ["default"]
files = [{FILE}]
[[package]]
name = "b"
version = "2"
extras = ["more"]
groups = ["default"]
files = [{FILE}]
[[package]]
name = "only-tests"
version = "3"
groups = ["test"]
files = []
"""
HASHES = ["sha256:aa", "sha256:bb"]
PIPENV = json.dumps(
    {
        "_meta": {"pipfile-spec": 6},
        "default": {
            "b": {"hashes": HASHES, "version": "==2", "extras": ["more"]},
            "a": {"hashes": HASHES, "version": "==1", "markers": "python_version >= '3.10'"},
        },
        "develop": {"only-tests": {"hashes": [], "version": "==3"}},
    }
)


@pytest.mark.parametrize(
    ("name", "text"), [("poetry.lock", POETRY), ("pdm.lock", PDM), ("Pipfile.lock", PIPENV)]
)
def test_locks_of_other_tools_without_what_is_for_development(name: str, text: str) -> None:
    found = packages_of(name, Files({name: text}), where="x")
    hashes = "--hash=sha256:aa --hash=sha256:bb"
    assert found.text == f"a==1 ; python_version >= '3.10' {hashes}\nb==2 {hashes}\n"
    assert found.locked, "a server may be installed beside them"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "poetry.lock",
            POETRY.replace('"legacy"', '"git"'),
            "a comes from a folder, an address or a repository",
        ),
        ("pdm.lock", PDM.replace('version = "2"', 'version = "2"\ngit = "x"', 1), "b comes from a folder"),
        ("Pipfile.lock", PIPENV.replace('"version": "==2"', '"git": "x"'), "b comes from a folder"),
        ("poetry.lock", "", "is not a valid file of its kind"),
        ("Pipfile.lock", "[", "is not a valid file of its kind"),
        (
            "Pipfile.lock",
            '{"default": {"a": {"version": "==1\\nevil", "hashes": []}}}',
            "not a text of one line",
        ),
        ("pdm.lock", "package = 3", "is not a valid file of its kind"),
    ],
)
def test_locks_of_other_tools_that_are_refused(name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        packages_of(name, Files({name: text}), where="x")


def test_packages_are_looked_for_in_the_applications_folder_and_above() -> None:
    assert (
        listed_in(Files({"requirements.txt": "", "uv.lock": "", "src/app.py": ""}), "src")
        == "requirements.txt"
    )
    assert listed_in(Files({"requirements.txt": "", "src/uv.lock": ""}), "src") == "src/uv.lock"
    assert listed_in(Files({"poetry.lock": "", "pyproject.toml": ""}), "") == "poetry.lock"
    assert listed_in(Files({"other/requirements.txt": ""}), "src") is None


def test_the_project_of_a_source() -> None:
    files = Files({"pyproject.toml": PROJECT, "src/app.py": ""})
    assert project_of(files, "src", where="x") == ""
    assert requires_python(files, "src") == ">=3.8"
    assert with_project(packages_of("pyproject.toml", files, where="x"), "").text == "./\n"
    assert requires_python(Files({"pyproject.toml": "[nonsense"}), "") == ""
    with pytest.raises(ConfigError, match="needs a pyproject"):
        project_of(Files({}), "src", where="x")
