"""Where inventories are found, and how their files are named in messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from inventories import project

from provision.errors import ConfigError, ConfigErrors
from provision.inventory import load

WEB = "web: {hosts: {web1: }}"


def message(error: pytest.ExceptionInfo[ConfigError]) -> tuple[str, str]:
    return str(error.value), error.value.hint


def test_the_default_is_the_folder_inventory(tmp_path: Path) -> None:
    assert list(load(cwd=project(tmp_path, {"inventory/a.yml": WEB})).hosts) == ["web1"]


@pytest.mark.parametrize(
    "name", ["shop.cfg.j2", "shop.crt", "shop.key", "front.conf", "secrets.age", "base.tar"]
)
def test_files_that_settings_name_are_no_inventories(tmp_path: Path, name: str) -> None:
    """`files`, `certificate`, `snippets` and `base` are relative to the inventory file: they lie beside it."""
    files = {"inventory/a.yml": WEB, f"inventory/{name}": "[general]\npath = {{ release.data }}/x\n"}
    assert list(load(cwd=project(tmp_path, files)).hosts) == ["web1"]


def test_the_default_is_looked_for_upwards(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[tool.prov]\ninventory = ["one.yml", "two.yml"]\n',
        "sub/pyproject.toml": "[project]\nname = 'x'\n",
        "one.yml": WEB,
        "two.yml": "db: {hosts: {db1: }}",
        "group_vars/web.yml": "a: 1",
        "sub/deep/x": "",
    }
    loaded = load(cwd=project(tmp_path, files) / "sub/deep")
    assert list(loaded.hosts) == ["web1", "db1"]
    assert loaded.hosts["web1"].vars == {"a": 1}
    assert str(loaded.hosts["web1"].defined) == "../../one.yml:1"


@pytest.mark.parametrize("value", ['"one.yml"', '["one.yml"]'])
def test_the_setting_is_a_path_or_a_list(tmp_path: Path, value: str) -> None:
    files = {"pyproject.toml": f"[tool.prov]\ninventory = {value}\n", "one.yml": WEB}
    assert list(load(cwd=project(tmp_path, files)).hosts) == ["web1"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("inventory = 3", "pyproject.toml tool.prov.inventory: must be a path or a list of paths, not 3"),
        (
            "inventory = []",
            "pyproject.toml tool.prov.inventory: must be a path or a list of paths, not a list",
        ),
        ('inventory = "gone"', "gone: no such inventory file or folder"),
        ("inventory =", "pyproject.toml: not TOML: Invalid value (at line 2, column 12)"),
    ],
)
def test_bad_settings(tmp_path: Path, settings: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(cwd=project(tmp_path, {"pyproject.toml": f"[tool.prov]\n{settings}\n"}))
    assert str(caught.value) == expected


def test_no_inventory_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(cwd=tmp_path)
    assert message(caught) == (
        "inventory: no such inventory file or folder",
        'Name one with -i PATH, or in pyproject.toml under [tool.prov]: inventory = ["PATH"].',
    )
    with pytest.raises(ConfigError) as caught:
        load(["nope.yml"], cwd=tmp_path)
    assert message(caught) == ("nope.yml: no such inventory file or folder", "")


@pytest.mark.parametrize(
    "given", ["lab.yml", "./lab.yml", "../project/lab.yml", "{tmp_path}/project/lab.yml"]
)
def test_files_below_the_working_directory_have_short_names(tmp_path: Path, given: str) -> None:
    folder = project(tmp_path / "project", {"lab.yml": WEB})
    origin = load([given.format(tmp_path=tmp_path)], cwd=folder).hosts["web1"].defined
    assert (str(origin), origin.folder) == ("lab.yml:1", folder)


def test_a_configuration_error_is_there_at_once(tmp_path: Path) -> None:
    """design.md: `prov --help` and configuration errors import neither paramiko nor jinja2."""
    project(tmp_path, {"inventory/a.yml": "web: [x]"})
    code = (
        "import sys; sys.argv = ['prov', 'hosts']\n"
        "from provision.cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'paramiko', 'fabric', 'jinja2', 'rich', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=pythonpath(), capture_output=True, text=True
    )
    assert result.returncode == 2
    assert result.stderr.startswith("prov: inventory/a.yml:1 web: a group is a mapping")
    assert result.stdout == "[]\n"


def pythonpath() -> dict[str, str]:
    import provision

    return {"PYTHONPATH": str(Path(provision.__file__).parents[1]), "PATH": ""}


@pytest.mark.parametrize("kind", ["CERTIFICATE", "EC PRIVATE KEY"])
@pytest.mark.parametrize("name", ["chain", "own.yml"])
def test_a_certificate_among_the_files_is_named_once(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "h.yml").write_text("all:\n  hosts: {web1: }\n")
    (tmp_path / name).write_text(f"-----BEGIN {kind}-----\nMIIB/+x=\nMIIC\n-----END {kind}-----\n")
    with pytest.raises(ConfigErrors) as raised:
        load([tmp_path])
    (error,) = raised.value.errors
    assert str(error.where).endswith(name)
    assert f"{kind.lower()}, expected an inventory in YAML, INI or TOML" in error.message
