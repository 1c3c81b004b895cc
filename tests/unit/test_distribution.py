"""The distribution is called prov-deploy: `prov` on PyPI is W3C provenance, another project's code."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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


def test_the_command_knows_its_version() -> None:
    """It looks for the distribution by its name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    said = subprocess.run([PROV, "--version"], check=True, capture_output=True, text=True).stdout
    assert said == f"prov, version {project['version']}\n"
