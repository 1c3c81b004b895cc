"""No misspelt name of a variable passes; variables of the project's own and Ansible's do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from inventories import project

from provision.errors import ConfigError, ConfigErrors
from provision.inventory import inventory_files
from provision.inventory.connection_settings import NAMES, REFUSED, SettingsReader
from provision.names import is_misspelt
from provision.roles.project import resolve


def resolved(folder: Path, line: str, **files: str) -> None:
    """Resolve a host with one line of variables."""
    text = f"all:\n  hosts:\n    web1:\n      roles: [base]\n      {line}\n"
    here = project(folder, {"inventory/hosts.yml": text, **files})
    resolve(list(inventory_files.load(cwd=here).hosts.values()), project=here)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("aps: {}", "apps"),
        ("apsp: {}", "apps"),
        ("rolse: [base]", "roles"),
        ("balanc: {}", "balance"),
        ("ngnix: {hsts: 0}", "nginx"),
        ("bsae: {}", "base"),
        ("guni_corn: {}", "gunicorn"),
        ("pythom: {}", "python"),
        ("internal_adress: 10.0.0.1", "internal_address"),
        ("ansible_usr: root", "ansible_user"),
        ("asnible_port: 22", "ansible_port"),
        ("ansible_hosts: 10.0.0.1", "ansible_host"),
        ("prov_guard_second: 60", "prov_guard_seconds"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_nearest_one(tmp_path: Path, line: str, meant: str) -> None:
    with pytest.raises(ConfigErrors) as refused:
        resolved(tmp_path, line)
    (error,) = refused.value.errors
    name = line.partition(":")[0]
    assert str(error).startswith(f"inventory/hosts.yml:5 web1.{name}: there is no variable {name!r}.")
    assert f"Did you mean {meant!r}?" in str(error)


@pytest.mark.parametrize(
    "line",
    [
        "role: web",
        "app_name: shop",
        "nginx_port: 8080",
        "base_url: https://shop.test",
        "ansible_shell_type: sh",
        "ansible_ssh_pipelining: true",
        "tlsa: x",
        "case: x",
        "python3: /usr/bin/python3",
        "users: []",
    ],
)
def test_other_names_pass(tmp_path: Path, line: str) -> None:
    resolved(tmp_path, line)


def test_a_name_that_a_role_of_the_project_reads_passes(tmp_path: Path) -> None:
    resolved(tmp_path, "bases: [a]", **{"roles/own/__init__.py": "BASES = 'bases'\n"})


def test_a_strict_project_has_no_other_names(tmp_path: Path) -> None:
    strict = {"pyproject.toml": "[tool.prov]\nstrict = true\n", "roles/own/templates/a.j2": "{{ seen }}"}
    resolved(tmp_path, "seen: 1", **strict)
    resolved(tmp_path, "ansible_shell_type: sh", **strict)
    with pytest.raises(ConfigErrors, match="nothing reads the variable 'backup_at'"):
        resolved(tmp_path, "backup_at: 3", **strict)


def test_strict_is_a_boolean(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tool\.prov\.strict: must be true or false, not 'yes'"):
        resolved(tmp_path, "seen: 1", **{"pyproject.toml": '[tool.prov]\nstrict = "yes"\n'})


def test_all_variables_of_the_connection_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    real = SettingsReader.value

    def noted(self: SettingsReader, *names: str) -> tuple[str, Any]:
        asked.update(names)
        return real(self, *names)

    monkeypatch.setattr(SettingsReader, "value", noted)
    resolved(tmp_path, "a: 1")
    assert asked == {*NAMES, *REFUSED}


@pytest.mark.parametrize("name", ["apps", "app", "appsx", "xapps", "aps", "paps", "a", ""])
def test_one_error_and_no_more(name: str) -> None:
    """Of `apps`: its plural and singular are other words."""
    assert is_misspelt(name, "apps") == (name in ("appsx", "xapps", "aps", "paps"))
