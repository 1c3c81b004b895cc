"""The distribution is called prov-deploy: `prov` on PyPI is W3C provenance, another project's code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from provision import __version__

ROOT = Path(__file__).parents[2]
NAME = "prov-deploy"
PROV = str(Path(sys.executable).with_name("prov"))
#: pip, uv or pipx told to install something called prov
WRONG = re.compile(r"(?:pip|uv|uvx|pipx)\b[^\n`]*\b(?:install|add|run|tool)\b[^\n`]*[\s'\"]prov(?![-\w./])")


def texts() -> list[Path]:
    """Every file that git tracks and that a person reads."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = [
        name for name in listed.stdout.split("\0") if name.endswith((".py", ".md", ".toml", ".yml", ".sh"))
    ]
    return [ROOT / name for name in [*names, "Makefile"] if (ROOT / name).is_file()]


def test_the_name_is_not_somebody_elses() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == NAME
    assert list(project["scripts"]) == ["prov"]


def test_nothing_tells_people_to_install_the_other_one() -> None:
    said = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in texts()
        if path != Path(__file__)
        for found in WRONG.finditer(path.read_text(encoding="utf-8"))
    ]
    assert said == []


@pytest.mark.trust("2", "distribution-name")
@pytest.mark.parametrize(
    "text", ["pip install 'prov[test]'", "pip install prov", "uv tool install prov", 'pipx install "prov"']
)
def test_such_a_hint_would_be_found(text: str) -> None:
    assert WRONG.search(text)


@pytest.mark.parametrize(
    "text", ["pip install 'prov-deploy[test]'", "pip install .", "pip install prov/dist/x.whl"]
)
def test_ours_is_none(text: str) -> None:
    assert not WRONG.search(text)


def test_the_version_is_in_one_place() -> None:
    """provision/__init__.py has it: the distribution's metadata and the command take it from there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"] == {"path": "provision/__init__.py"}
    assert metadata.version(NAME) == __version__
    said = subprocess.run([PROV, "--version"], check=True, capture_output=True, text=True).stdout
    assert said == f"prov, version {__version__}\n"
    others = [ROOT / "Makefile", ROOT / ".ci/release", *ROOT.glob("*.toml"), *ROOT.glob("provision/**/*.py")]
    found = [path for path in others if f'"{__version__}"' in path.read_text(encoding="utf-8")]
    assert found == [ROOT / "provision/__init__.py"]


HEADING = re.compile(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d|unreleased)\)$")


def test_the_changelog_is_by_version_with_dates() -> None:
    """The newest version first, and only that one may be without a date."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = [HEADING.match(line) for line in text.splitlines() if line.startswith("## ")]
    versions = [match.groups() for match in found if match is not None]
    assert len(versions) == len(found), "a heading is not `## VERSION (YYYY-MM-DD)`"
    assert versions[0][0] == __version__
    assert "unreleased" not in [date for _, date in versions[1:]]
    numbers = [tuple(map(int, version.split("."))) for version, _ in versions]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize(
    ("heading", "dirty", "message"),
    [
        ("## 0.1.0 (unreleased)", False, 'the first heading must be "## 0.1.0 (YYYY-MM-DD)"'),
        ("## 0.0.9 (2026-01-02)", False, 'the first heading must be "## 0.1.0 (YYYY-MM-DD)"'),
        ("## 0.1.0 (2026-01-02)", True, "changes are not committed"),
    ],
)
def test_what_no_release_is_made_of(tmp_path: Path, heading: str, dirty: bool, message: str) -> None:
    (tmp_path / ".ci").mkdir()
    (tmp_path / "provision").mkdir()
    (tmp_path / ".ci/release").write_text((ROOT / ".ci/release").read_text())
    (tmp_path / "provision/__init__.py").write_text('__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n{heading}\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run(
            ["git", "-c", "user.name=t", "-c", "user.email=t@t.test", *command], cwd=tmp_path, check=True
        )
    if dirty:
        (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n{heading}\n\n- more\n")
    done = subprocess.run(["bash", ".ci/release"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert not (tmp_path / "dist").exists()
