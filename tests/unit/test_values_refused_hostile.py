"""Values that a configuration cannot express are refused when the inventory is read, with file and line."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inventories import errors, host, inventory, no_roles, project
from pydantic import ValidationError

from provision.apps.app_model import App
from provision.apps.fleet import Fleet
from provision.apps.reading import apps_of
from provision.sources.manifests import Manifests
from roles.apache import Apache
from roles.base import Person
from roles.nginx import Nginx

AUTH = "auth: {{by: basic, users: {{a: bbbbbbbb}}, realm: {}}}"


def refused(folder: Path, line: str) -> str:
    """The one error of an application with this line of settings."""
    project(folder, {"src/requirements.txt": ""})
    others = "" if line.startswith("domains") else "    domains: [a.test]\n"
    own = f"    source: src\n    target: a:b\n{others}    {line}\n"
    (error,) = errors(lambda: apps_of(host(folder, f"apps:\n  shop:\n{own}"), Manifests()))
    return error


@pytest.mark.trust("5", "refused-in-the-inventory")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        (AUTH.format('"a\\nb"'), "not one line of text"),
        (AUTH.format('"a\\rb"'), "not one line of text"),
        (AUTH.format('"off"'), "would disable passwords in nginx"),
        (AUTH.format('""'), "not one line of text"),
        (AUTH.format("x" * 81), "80"),
        ('environment: {PYTHONPATH: "/a\\nExecStartPre=+/bin/true"}', "PYTHONPATH must be one line"),
        ('environment: {A: "\\0"}', "NUL"),
        ('subdirectory: "a:b"', "colon"),
        ('pythonpath: [lib, "a:b"]', "colon"),
        ('static: {/static/: "a\\nb"}', "not a relative path"),
        ('media: {/media/: "a\\tb"}', "not a relative path"),
        ('error_pages: "a\\nb"', "not a relative path"),
        ('health: "/a\\nb"', "control character"),
        ('path: "/a\\nb/"', "control character"),
        ('streams: ["/a\\0b"]', "not a path"),
        ('cache: {bypass_cookies: ["a|b"]}', "not the name of a cookie"),
        ('cache: {bypass_headers: ["a_b"]}', "not the name of a header"),
        ('domains: ["a.test; return 200"]', "not a host name"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    error = refused(tmp_path, line)
    assert message in error
    assert ":" in error and ".yml" in error


@pytest.mark.trust("5", "refused-in-the-inventory")
@pytest.mark.parametrize("model", [Nginx, Apache])
@pytest.mark.parametrize("bad", ["10.0.0.0/8; } #", "localhost", "10.0.0.300", "' || true || '"])
def test_a_proxy_is_an_address(model: Any, bad: str) -> None:
    with pytest.raises(ValidationError, match="not an address"):
        model(trusted_proxies=(bad,))
    assert model(trusted_proxies=("10.1.2.3/8", "::1")).trusted_proxies == ("10.0.0.0/8", "::1")


@pytest.mark.parametrize("bad", ["X_Real_IP", "a b", "a;b", ""])
def test_a_header_is_a_name(bad: str) -> None:
    with pytest.raises(ValidationError, match="name of a header"):
        Nginx(trusted_headers=(bad,))


def test_a_person_is_no_alias_of_sudo() -> None:
    with pytest.raises(ValidationError, match="cannot express"):
        Person(name="ALL", keys=("ssh-ed25519 AAAA",))


@pytest.mark.trust("5", "refused-in-the-inventory")
def test_an_inner_address_is_one(tmp_path: Path) -> None:
    app = "{shop: {source: 'https://git.example/x.git', target: 'a:b', domains: [a.test]}}"
    text = f"""
        all:
          hosts:
            lb1: {{balance: {{shop: web1}}}}
            web1: {{internal_address: "10.0.0.1; return 200", apps: {app}}}
    """
    found = inventory(tmp_path, text)
    (error,) = errors(lambda: Fleet(found, no_roles).balanced(found.hosts["lb1"]))
    assert "neither an IP address nor a host name" in error


# -- what stands before each application (roles/app/files/behind_front.py)


@pytest.fixture
def shim(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The module, for an application that says what it sees, below /größe."""
    (tmp_path / "told.py").write_text(
        "import json\n"
        "def app(environ, start):\n"
        "    return [json.dumps([environ['SCRIPT_NAME'], environ['PATH_INFO']]).encode()]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, value in (("INTERFACE", "wsgi"), ("TARGET", "told:app"), ("PREFIX", "/größe")):
        monkeypatch.setenv(f"PROV_{name}", value)
    path = Path(__file__).parents[2] / "roles/app/files/behind_front.py"
    spec = importlib.util.spec_from_file_location("behind_front", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("told")


@pytest.mark.trust("3", "script-name")
@pytest.mark.parametrize(
    ("script", "path", "seen"),
    [
        ("", "/größe/admin/x", ["/größe", "/admin/x"]),
        ("/größe", "/admin/x", ["/größe", "/admin/x"]),
        ("/p", "/admin/x", ["", "/p/admin/x"]),
        ("/größe/p", "/admin/x", ["/größe", "/p/admin/x"]),
        ("", "/größe", ["/größe", ""]),
        ("", "/größenwahn", ["", "/größenwahn"]),
    ],
)
def test_an_application_sees_the_path_that_the_front_has_judged(
    shim: Any, script: str, path: str, seen: list[str]
) -> None:
    def bytes_of(text: str) -> str:
        return text.encode().decode("latin-1")

    environ = {"SCRIPT_NAME": bytes_of(script), "PATH_INFO": bytes_of(path)}
    (answer,) = shim.application(environ, None)
    assert json.loads(answer) == [bytes_of(text) for text in seen]


def test_the_model_takes_what_can_be_written() -> None:
    realm = 'It\'s "50%" \\ ${HOME} $host %{HTTP_HOST}; {x} #'
    auth = {"by": "basic", "users": {"ann": "open sesame"}, "realm": realm}
    given = {"name": "a", "source": "https://git.example/a.git", "target": "a:b", "domains": ("a.test",)}
    assert App.model_validate({**given, "auth": auth}).auth.realm == realm  # type: ignore[union-attr]
