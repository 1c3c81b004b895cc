"""Variables of an Ansible project that have prov's names for something else: `[tool.prov] prefix`, and prov_roles."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventories import errors, project

from provision.inventory import Inventory, load
from provision.inventory.as_ansible import listed
from provision.inventory.problems import Problems
from provision.roles.project import Assignment, resolve
from provision.roles.secret_uses import inventory_secrets

SHOP = "{source: ../shop, target: app:app, server: gunicorn, domains: [shop.example]}"
FOREIGN = """
    all:
      vars:
        roles: {admin: root}
        apps: [mail, calendar]
        balance: 12
        gunicorn: yes, we use it
        greeting: "{{ roles.admin }} has {{ apps | length }} apps"
      children:
        web:
          hosts: {web1: , web2: }
    """
OWN = """\
prov_roles: [base, app]
prov_apps: {shop: %s}
prov_gunicorn: {threads: 3}
prov_balance: {}
"""


def loaded(folder: Path, host_vars: str, settings: str = "", **more: str) -> Inventory:
    """A project of Ansible's that begins with prov."""
    files = {"hosts.yml": FOREIGN, "host_vars/web1.yml": host_vars, "shop/app.py": "", **more}
    text = f'[tool.prov]\ninventory = "hosts.yml"\n{settings}'
    return load(cwd=project(folder, {"pyproject.toml": text, "shop/requirements.txt": "", **files}))


def shop(assignment: Assignment) -> dict[str, object]:
    """What a host serves, in the terms of this test."""
    (app,) = assignment.served.apps
    gunicorn = assignment.params["gunicorn"]
    return {"name": app.name, "server": app.server, "threads": getattr(gunicorn, "threads", None)}


@pytest.mark.parametrize("settings", ["", 'prefix = "prov_"\n'])
def test_provs_own_names_count_and_the_others_stay_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    # hosts are asked what they balance even if they are not deployed
    inventory = loaded(tmp_path, OWN % SHOP, settings, **{"host_vars/web2.yml": "prov_balance: {}\n"})
    monkeypatch.chdir(tmp_path)
    web1 = inventory.hosts["web1"]
    assert shop(*resolve([web1])) == {"name": "shop", "server": "gunicorn", "threads": 3}
    assert web1.vars["greeting"] == "root has 2 apps"
    assert listed(inventory, ["web1"])["_meta"]["hostvars"]["web1"]["roles"] == {"admin": "root"}


def test_without_a_prefix_a_host_without_own_names_is_refused_with_the_way_out(tmp_path: Path) -> None:
    web2 = loaded(tmp_path, "").hosts["web2"]
    assert errors(lambda: web2.roles) == [
        "hosts.yml:3 web2.roles: must be a list of role names, not a mapping"
    ]


def test_with_a_prefix_a_host_without_own_names_has_no_roles(tmp_path: Path) -> None:
    assert loaded(tmp_path, "", 'prefix = "prov_"\n').hosts["web2"].roles == ()


def test_another_prefix(tmp_path: Path) -> None:
    text = (OWN % SHOP).replace("prov_", "deploy_")
    web1 = loaded(tmp_path, text, 'prefix = "deploy_"\n').hosts["web1"]
    assert shop(*resolve([web1], project=tmp_path))["threads"] == 3


@pytest.mark.parametrize("settings", ["", 'prefix = "prov_"\n'])
def test_errors_name_the_line_and_the_name_that_is_there(tmp_path: Path, settings: str) -> None:
    text = """
        prov_roles: [base, app]
        prov_apps:
          shop:
            source: ../shop
            target: app:app
            server: gunicron
            domains: [shop.example]
        """
    web1 = loaded(tmp_path, text, settings).hosts["web1"]
    (told,) = errors(lambda: resolve([web1], project=tmp_path))
    assert told.startswith("host_vars/web1.yml:6 web1.prov_apps.shop.server: 'gunicron'")


def test_a_template_that_fails_in_a_variable_of_the_projects_is_placed_there(tmp_path: Path) -> None:
    inventory = loaded(tmp_path, "prov_roles: [base]\nroles: '{{ nothing }}'\n")
    (told,) = errors(lambda: inventory.hosts["web1"].vars["roles"])
    assert told.startswith("host_vars/web1.yml:2 web1.roles: ")


def test_parts_of_applications_are_laid_over_those_of_the_same_spelling(tmp_path: Path) -> None:
    part = OWN % SHOP + "prov_host_apps: {shop: {server: uwsgi}}\nhost_apps: {shop: {server: daphne}}\n"
    for settings in ("", 'prefix = "prov_"\n'):
        web1 = loaded(tmp_path, part, settings).hosts["web1"]
        assert web1.vars["prov_apps"]["shop"]["server"] == "uwsgi"
        assert web1.vars["apps"] == ["mail", "calendar"]


def test_misspelt_own_names_are_refused_and_those_of_the_project_are_not(tmp_path: Path) -> None:
    web1 = loaded(tmp_path, "prov_role: [base]\nrole: db\napp: x\n", 'prefix = "prov_"\n').hosts["web1"]
    assert errors(lambda: resolve([web1], project=tmp_path)) == [
        "host_vars/web1.yml:1 web1.prov_role: there is no variable 'prov_role'. Did you mean 'prov_roles'?"
    ]


def test_secrets_of_an_application_are_listed_with_their_use(tmp_path: Path) -> None:
    text = OWN % "{source: ../shop, target: app:app, secrets: {KEY: canary}}"
    inventory = loaded(tmp_path, text, 'prefix = "prov_"\n')
    (found,) = inventory_secrets([inventory.hosts["web1"]], Problems())
    assert (found.name, found.users) == ("prov_apps.shop.secrets.KEY", ["application shop"])


@pytest.mark.parametrize("prefix", ['"ansible_"', '"prov"', "1", '"a b_"'])
def test_a_prefix_that_cannot_be(tmp_path: Path, prefix: str) -> None:
    (told,) = errors(lambda: loaded(tmp_path, "", f"prefix = {prefix}\n"))
    assert told.startswith(
        "pyproject.toml tool.prov.prefix: must be the beginning of a name, such as prov_, not"
    )
