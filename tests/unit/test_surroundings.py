"""What applications find around them: variables that tell of the host, and what their sandbox lets them see."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provision.apps.app_model import App
from provision.apps.application import Application
from provision.apps.requirements import FolderTree
from provision.apps.surroundings import asked_for, surroundings
from provision.roles.templates import render
from provision.sources.manifests import Manifests

ROLES = Path(__file__).parents[2] / "roles"


def app(folder: Path, **settings: object) -> App:
    (folder / "requirements.txt").touch()
    given = {"name": "shop", "source": folder, "target": "a:b", "domains": ("shop.test",), **settings}
    return Application(**given).read_by(Manifests())  # type: ignore[arg-type]


@pytest.mark.parametrize("django", [False, True])
def test_names_without_a_prefix_are_for_django_settings_that_read_them(tmp_path: Path, django: bool) -> None:
    (tmp_path / "shop").mkdir()
    # a pydantic model would read ALLOWED_HOSTS as JSON
    (tmp_path / "shop/settings.py").write_text('import os\nos.environ["ALLOWED_HOSTS"]\n')
    (tmp_path / "manage.py").touch()
    found = app(tmp_path, **({"django": {"settings": "shop.settings"}} if django else {}))
    variables = surroundings(found, "/var/lib/app-shop", asked_for(found, FolderTree(tmp_path)))
    own = {"PROV_DATA_DIR": "/var/lib/app-shop", "PROV_ALLOWED_HOSTS": "shop.test", "PROV_BEHIND_PROXY": "1"}
    assert variables == own | ({"ALLOWED_HOSTS": "shop.test"} if django else {})


@pytest.mark.parametrize(
    "settings", [{"environment": {"PYTHONPATH": "back:/opt/x"}}, {"django": {"manage": "back/manage.py"}}, {}]
)
def test_settings_are_found_where_they_are_imported_from(tmp_path: Path, settings: dict[str, Any]) -> None:
    (tmp_path / "back/site_").mkdir(parents=True)
    (tmp_path / "back/site_/settings.py").write_text('import os\nos.environ["ALLOWED_HOSTS"]\n')
    (tmp_path / "back/manage.py").touch()
    django = {"settings": "site_.settings", **settings.get("django", {})}
    found = app(tmp_path, **{**settings, "django": django})
    assert asked_for(found, FolderTree(tmp_path)) == (("ALLOWED_HOSTS",) if settings else ())


@pytest.mark.parametrize("setting", ["proc", "netlink"])
def test_a_sandbox_shows_the_system_to_who_asks(tmp_path: Path, setting: str) -> None:
    # psutil reads /proc of the system, and asks for addresses by netlink
    role = SimpleNamespace(tasks_max=9, open_files=9, private_users=True, deny_write_execute=True)
    template = ROLES / "app/templates/sandbox.j2"
    strict = str(render(template, {"app": app(tmp_path), "p": role}))
    asked = str(render(template, {"app": app(tmp_path, sandbox={setting: True}), "p": role}))
    assert "ProcSubset=pid" in strict and "AF_NETLINK" not in strict
    assert ("ProcSubset=pid" not in asked) == (setting == "proc")
    assert ("AF_NETLINK" in asked) == (setting == "netlink")


def test_nginx_knows_the_types_that_its_distribution_lacks() -> None:
    text = (ROLES / "nginx/templates/nginx.conf.j2").read_text(encoding="utf-8")
    for line in ("text/javascript mjs;", "application/manifest+json webmanifest;", "application/json map;"):
        assert line in text
