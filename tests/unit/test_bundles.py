"""Bundles: what they carry, what they lack, which hosts refuse them. tests/lab/test_without_controller.py runs one."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_project import command_line
from inventories import project

from provision.bundles import bundle_contents, host_program
from provision.bundles.bundle_contents import this_python
from provision.bundles.carried_libraries import distributions, own_files
from provision.bundles.host_program import (
    BundleRefused,
    check_host,
    check_python,
    read_bundle,
    remember,
    unpack,
)
from provision.cli.bundled_run import host_of, secrets_given
from provision.errors import ConfigError
from provision.inventory import InventoryHost, load
from provision.roles.project import resolve

Prov = Callable[..., tuple[object, str, str]]
EXAMPLES = Path(__file__).parents[2] / "examples"
INVENTORY = f"""
web:
  vars:
    ansible_user: admin
    ansible_password: login-s3cret
    roles: [base, greeter, python, app]
    api_token: "{{{{ shop_phrase }}}}-1"
    shop_phrase: s3cret
    greeter:
      text: "{{{{ inventory_hostname }}}} of {{{{ groups['web'] | join(' and ') }}}}"
      raw: !unsafe "{{{{ not a template }}}}"
      since: 2026-01-02
      ports: {{80: http}}
  hosts:
    web1:
      apps:
        hello:
          source: {EXAMPLES / "flask_hello"}
          target: hello:app
          domains: [hello.test]
          secrets: {{TOKEN: "{{{{ api_token }}}}"}}
    web2:
"""
ROLE = '''
    """Greets."""

    from datetime import date

    from provision.role import Params, task


    class Greeter(Params):
        """Whom."""

        text: str
        """Words."""
        raw: str
        """More words."""
        since: date
        """A day."""
        ports: dict[int, str]
        """Names by number."""


    @task
    def greet(c, p: Greeter) -> None:
        """Greet."""
    '''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = project(tmp_path, {"inventory/hosts.yml": INVENTORY, "roles/greeter/__init__.py": ROLE})
    monkeypatch.chdir(made)
    # the libraries take seconds to pack; test_the_libraries_are_those_that_prov_imports and the lab have them
    monkeypatch.setattr(bundle_contents, "library_files", lambda *_: [])
    return made


@pytest.fixture
def prov(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    return command_line(monkeypatch, capsys)


def unpacked(folder: Path, name: str = "web1.pyz") -> Path:
    _, data, digest = read_bundle(str(folder / name))
    place = folder / "unpacked"
    place.mkdir(exist_ok=True)
    return Path(unpack(data, digest, str(place)))


def bundled_host(place: Path, secrets: Path | None, keys: Path) -> InventoryHost:
    about = json.loads((place / "host.json").read_text())
    given = {"secrets": secrets and str(secrets), "identity": None}
    return host_of(about, place, secrets_given(place, about, given, keys))


def test_a_bundle_has_the_same_host_and_release(
    prov: Prov, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prov("bundle", "web1", "--secrets", "web1.secrets")[0] == 0
    (real,) = resolve([load(None).hosts["web1"]])
    place = unpacked(folder)
    monkeypatch.chdir(place / "project")
    (found,) = resolve([bundled_host(place, folder / "web1.secrets", folder)])

    assert [role.name for role, _ in found.roles] == [role.name for role, _ in real.roles]
    assert found.params["greeter"].model_dump() == real.params["greeter"].model_dump()
    assert found.host.groups == real.host.groups
    assert found.host.connection.kind == "local"
    app, same = found.served.apps[0], real.served.apps[0]
    assert app.release.id == same.release.id
    assert app.secrets["TOKEN"] == same.secrets["TOKEN"]
    # errors name the lines that the user knows
    assert str(found.host.origin("apps", "hello", "target")) == str(
        real.host.origin("apps", "hello", "target")
    )


def test_no_secret_is_in_a_bundle_and_those_that_it_lacks_are_listed(prov: Prov, folder: Path) -> None:
    status, out, _ = prov("bundle", "web1", "--secrets", "web1.secrets", "--json")
    (event, *_) = map(json.loads, out.splitlines())
    assert (status, event["lacks"]) == (0, ["apps.hello.secrets.TOKEN"])
    assert json.loads((folder / "web1.secrets").read_text()) == {"apps.hello.secrets.TOKEN": "s3cret-1"}
    assert (folder / "web1.secrets").stat().st_mode & 0o777 == 0o600
    _, data, _ = read_bundle("web1.pyz")
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        files = {each.name: packed.extractfile(each) for each in packed if each.isfile()}
        assert not [name for name, f in files.items() if f is not None and b"s3cret" in f.read()]


def test_secrets_travel_encrypted_for_the_host(prov: Prov, folder: Path) -> None:
    from pyrage import x25519

    identity = x25519.Identity.generate()
    (folder / "key.txt").write_text(f"{identity}\n")
    assert prov("bundle", "web1", "--age", str(identity.to_public()))[0] == 0
    place = unpacked(folder)
    about = json.loads((place / "host.json").read_text())
    given = {"secrets": None, "identity": str(folder / "key.txt")}
    assert secrets_given(place, about, given, folder) == {"apps.hello.secrets.TOKEN": "s3cret-1"}
    (folder / "key.txt").write_text(f"{x25519.Identity.generate()}\n")
    with pytest.raises(ConfigError, match="could not be decrypted"):
        secrets_given(place, about, given, folder)
    status, _, err = prov("bundle", "web1", "--age", "age1nonsense")
    assert status == 2 and "not a recipient of age" in err


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (None, 0o600, "the bundle was made without these secrets: apps.hello.secrets.TOKEN"),
        ("{}", 0o600, "the bundle was made without these secrets: apps.hello.secrets.TOKEN"),
        ('{"apps.hello.secrets.TOKEN": "x"}', 0o644, "others can read or write this file of secrets"),
        ("[]", 0o600, "expected a JSON object"),
        ("TOKEN=x", 0o600, "expected a JSON object"),
    ],
)
def test_secrets_that_the_host_does_not_have(
    prov: Prov, folder: Path, text: str | None, mode: int, message: str
) -> None:
    prov("bundle", "web1")
    place, file = unpacked(folder), folder / "given"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    with pytest.raises(ConfigError, match=message):
        bundled_host(place, file if text is not None else None, folder)


@pytest.mark.parametrize("damage", ["cut", "flipped", "ending"])
def test_a_damaged_bundle_says_so_and_touches_nothing(prov: Prov, folder: Path, damage: str) -> None:
    prov("bundle", "web1")
    path = folder / "web1.pyz"
    whole = path.read_bytes()
    middle = whole.index(host_program.ABOUT) + 600
    changed = {
        "cut": whole[:middle],
        "flipped": whole[:middle]
        + (b"A" if whole[middle : middle + 1] != b"A" else b"B")
        + whole[middle + 1 :],
        "ending": whole[:-3],
    }
    path.write_bytes(changed[damage])
    done = subprocess.run([sys.executable, path, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        done.stderr
        == f"prov: {path} is damaged or was cut\n\n  Copy or fetch it again; nothing was touched.\n"
    )


def test_a_bundle_for_another_python_or_machine_is_refused() -> None:
    python, machine = this_python()
    check_python({"host": "web1", "python": python, "machine": machine})
    with pytest.raises(BundleRefused, match=rf"for Python 3\.99, and python3 is {python} here") as caught:
        check_python({"host": "web1", "python": "3.99", "machine": machine})
    assert caught.value.hint == f"Make it for this one: prov bundle web1 --python {python}"
    with pytest.raises(BundleRefused, match=f"for pdp11, and this host is {machine}"):
        check_python({"host": "web1", "python": python, "machine": "pdp11"})


def about_bundle(**changed: Any) -> dict[str, Any]:
    return {"host": "web1", "made": 20, "said": "in March", "others": [], **changed}


def test_a_bundle_of_another_host_or_an_older_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = str(tmp_path / "state")
    monkeypatch.setattr("socket.gethostname", lambda: "db1.example.com")
    other = about_bundle(others=[host_program.hashed("db1")])
    with pytest.raises(BundleRefused, match="this host is called db1, as another host of its inventory"):
        check_host(other, state)
    check_host(about_bundle(), state)
    remember(about_bundle(), state)
    check_host(about_bundle(), state)
    check_host(about_bundle(made=21), state)
    with pytest.raises(BundleRefused, match="made in May, and this host has had a newer one, made in March"):
        check_host(about_bundle(made=19, said="in May"), state)
    with pytest.raises(BundleRefused, match="is for web2, and this host has been web1 since in March"):
        check_host(about_bundle(host="web2", made=99), state)
    (tmp_path / "state" / "bundle.json").write_text("{")
    with pytest.raises(BundleRefused, match="is damaged"):
        check_host(about_bundle(), state)


def test_hosts_that_need_others_are_refused_with_their_lines(prov: Prov, folder: Path) -> None:
    text = INVENTORY.replace(
        "    web2:\n", "    lb1:\n      balance: {hello: web}\n      greeter: {text: a, raw: b}\n"
    )
    (folder / "inventory" / "hosts.yml").write_text(text)
    status, _, err = prov("bundle", "web1")
    assert status == 2
    assert "web1.apps: lb1 balances to it, and the two need one private authority" in err
    assert not list(folder.glob("*.pyz"))


def test_a_private_key_among_the_files_of_a_role_is_refused(prov: Prov, folder: Path) -> None:
    files = folder / "roles" / "greeter" / "files"
    files.mkdir()
    (files / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    status, _, err = prov("bundle", "web1")
    assert status == 2
    assert "id_ed25519: looks like a private key or a token" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["web1", "--python", "3.9"], "expected a Python such as 3.13, got '3.9'"),
        (["web1", "--python", "three"], "expected a Python such as 3.13, got 'three'"),
        (["web"], "'web' matches 2 hosts"),
        (["web1", "-o", "missing/web1.pyz"], "can't be written: No such file or directory"),
    ],
)
def test_what_the_user_got_wrong(prov: Prov, arguments: list[str], message: str) -> None:
    status, _, err = prov("bundle", *arguments)
    assert status == 2 and message in err


def test_the_libraries_are_those_that_prov_imports() -> None:
    names = {each.name.lower().replace("_", "-") for each in distributions(())}
    assert {
        "click",
        "cryptography",
        "fabric",
        "jinja2",
        "pydantic",
        "pydantic-core",
        "pyyaml",
        "rich",
    } <= names
    assert not names & {"pytest", "boto3", "prov-deploy", "mypy"}
    assert "boto3" in {each.name for each in distributions(["ec2"])}
    own = dict(own_files())
    assert "provision/builtin/nginx/__init__.py" in own and "provision/bundles/host_program.py" in own
    assert not [name for name in own if "/tests/" in name or "__pycache__" in name]


def test_the_same_bundle_has_the_same_contents(prov: Prov, folder: Path) -> None:
    for name in ("a.pyz", "b.pyz"):
        prov("bundle", "web1", "-o", name)
    first, second = (hashlib.sha256(read_bundle(name)[1]).hexdigest() for name in ("a.pyz", "b.pyz"))
    assert first == second
