"""Vaults in inventories: whole files and single values, and the passwords that open them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from inventories import errors, inventory, project
from vaults import PASSWORD, by_ansible, inline, password_file

from provision.apps.fleet import Fleet
from provision.inventory import load
from provision.inventory.as_ansible import listed
from provision.inventory.validation import validate
from provision.roles.project import Assignment
from provision.roles.role_model import Params
from provision.roles.shown_variables import secrets_in, shown_vars
from provision.secrets import MASK, Secret
from provision.vault import vault_sources
from provision.vault.given import COMMAND_LINE

CANARY = "c4nary-Wort"


@pytest.fixture(autouse=True)
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A command line of its own for each test, and the password in a file that the environment names."""
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", password_file(tmp_path))
    monkeypatch.delenv("ANSIBLE_VAULT_IDENTITY_LIST", raising=False)
    yield
    COMMAND_LINE.ids, COMMAND_LINE.files, COMMAND_LINE.ask = [], [], False


def one(folder: Path, variables: str) -> str:
    """An inventory of web1 with these lines as variables."""
    return f"all:\n  hosts:\n    web1:\n{variables}\n"


def test_inline_values_are_secrets(tmp_path: Path) -> None:
    text = one(
        tmp_path,
        f"      token: {inline(CANARY)}\n      deep:\n        list:\n          - a\n"
        f"          - {inline(CANARY, 'prod', blanks=12)}",
    )
    web1 = inventory(tmp_path, text).hosts["web1"]
    assert isinstance(web1.vars["token"], Secret) and web1.vars["token"].reveal() == CANARY
    assert web1.vars["deep"] == {"list": ["a", Secret(CANARY)]}
    assert CANARY not in repr(dict(web1.vars))


def test_a_value_is_opened_with_its_first_use_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def written(path: Path) -> bytes:
        read.append(str(path))
        return PASSWORD.encode()

    monkeypatch.setattr(vault_sources, "written", written)
    text = f"all:\n  vars:\n    token: {inline(CANARY)}\n    plain: 1\n  hosts: {{web1: , web2: }}\n"
    loaded = inventory(tmp_path, text)
    web1, web2 = loaded.hosts.values()
    assert web1.vars["plain"] == 1 and "token" in web1.vars and web1.connection and not web1.roles
    assert shown_vars(web1) == {"token": MASK, "plain": 1} and secrets_in(web1) == [] and read == []
    assert web1.vars["token"] is web2.vars["token"]
    assert read == [str(tmp_path / "word")] and secrets_in(web1) == [CANARY]


def test_whole_files_are_opened_for_the_hosts_that_have_them(tmp_path: Path) -> None:
    folder = project(
        tmp_path,
        {
            "inv.yml": "web: {hosts: {web1: }}\ndb: {hosts: {db1: }}\n",
            "group_vars/web/plain.yml": "port: 80\nname: plain\n",
            "group_vars/web/vault.yml": "",
            "group_vars/db.yml": "",
        },
    )
    sealed = f"name: {CANARY}\npin: 123456\nansible_user: {CANARY}\nlist: [{{a: {CANARY}}}]\non: true\n"
    (folder / "group_vars/web/vault.yml").write_bytes(by_ansible(sealed))
    (folder / "group_vars/db.yml").write_bytes(by_ansible("a: b\n", "db", "other"))
    loaded = load(["inv.yml"], cwd=folder)
    web1, db1 = loaded.hosts.values()
    assert web1.vars["port"] == 80 and web1.vars["name"] == Secret(CANARY)
    assert web1.vars["list"] == [{"a": Secret(CANARY)}] and web1.vars["pin"] == 123456
    assert web1.connection.user == CANARY
    assert str(web1.origin("name")) == "group_vars/web/vault.yml:1"
    assert shown_vars(web1) == {
        "port": 80,
        "name": MASK,
        "pin": MASK,
        "ansible_user": MASK,
        "list": [{"a": MASK}],
        "on": MASK,
    }
    assert {CANARY, "123456"} == set(secrets_in(web1))
    assert errors(lambda: db1.vars["a"]) == [
        "group_vars/db.yml:1: is encrypted with the vault id 'db', and no password of 'default' opens it"
    ]


def test_an_inventory_file_may_be_a_vault(tmp_path: Path) -> None:
    text = "web:\n  vars: {roles: [base], ansible_host: 192.0.2.1}\n  hosts: {web1: , web2: {port: 5}}\n"
    (tmp_path / "hosts.yml").write_bytes(by_ansible(text))
    web1, web2 = load(["hosts.yml"], cwd=tmp_path).hosts.values()
    assert web1.connection.address == "192.0.2.1" and web1.roles == ("base",) and web2.vars["port"] == 5


def test_errors_in_a_vault_quote_nothing_of_it(tmp_path: Path) -> None:
    said = []
    for text in (
        f"a: [{CANARY}",
        f"a: *{CANARY}",
        f"a: !!timestamp {CANARY}",
        f"a: !{CANARY} b",
        f"- {CANARY}",
    ):
        (tmp_path / "hosts.yml").write_text("all: {hosts: {web1: }}\n")
        (tmp_path / "group_vars").mkdir(exist_ok=True)
        (tmp_path / "group_vars/all.yml").write_bytes(by_ansible(text + "\n"))
        said += errors(lambda: load(["hosts.yml"], cwd=tmp_path).hosts["web1"].vars["a"])
    assert len(said) == 5 and all(line.startswith("group_vars/all.yml:") for line in said)
    assert CANARY not in "\n".join(said).replace(f"!{CANARY}", "")  # a tag says a type


class Model(Params):
    word: Secret | None = None
    plain: str = ""
    count: int = 0
    choice: str = ""
    place: Path | None = None


def test_a_vaults_text_may_be_any_parameter(tmp_path: Path) -> None:
    lines = (
        f"      r:\n        word: {inline(CANARY, blanks=10)}\n        plain: {inline(CANARY, blanks=10)}\n"
    )
    lines += f"        place: {inline('/a/b', blanks=10)}"
    web1 = inventory(tmp_path, one(tmp_path, lines)).hosts["web1"]
    found = validate(Model, web1.vars["r"], web1, ("r",))
    assert found.word == Secret(CANARY) and found.plain == CANARY and found.place == Path("/a/b")
    wrong = one(tmp_path, f"      r:\n        count: {inline(CANARY, blanks=10)}")
    web1 = inventory(tmp_path, wrong).hosts["web1"]
    assert errors(lambda: validate(Model, web1.vars["r"], web1, ("r",))) == [
        "inv.yml:5 web1.r.count: must be a whole number"
    ]


def test_connections_take_texts_of_vaults_and_quote_none(tmp_path: Path) -> None:
    lines = f"      ansible_host: {inline('192.0.2.7')}\n      ansible_password: {inline(CANARY)}"
    connection = inventory(tmp_path, one(tmp_path, lines)).hosts["web1"].connection
    assert connection.address == "192.0.2.7" and connection.password == Secret(CANARY)
    web1 = inventory(tmp_path, one(tmp_path, f"      ansible_port: {inline(CANARY)}")).hosts["web1"]
    assert errors(lambda: web1.connection) == [
        f"inv.yml:4 web1.ansible_port: must be a port (1 to 65535), not '{MASK}'"
    ]


def test_applications_of_other_hosts_open_nothing(tmp_path: Path) -> None:
    secret = inline("x", "none", "unknown", blanks=20)
    text = "all:\n  hosts:\n    web1: \n    web2:\n      apps:\n        shop:\n          environment: {}\n"
    text += f"          secrets:\n            KEY: {secret}\n"
    loaded = inventory(tmp_path, text)
    fleet = Fleet(loaded, lambda name: dict)
    assert fleet.apps(loaded.hosts["web1"]) == () and fleet.leads(loaded.hosts["web2"]) == {"shop"}
    assert fleet.provided(loaded.hosts["web1"]) == ()
    assert errors(lambda: fleet.apps(loaded.hosts["web2"])) == [
        "inv.yml:9 web2.apps.shop.secrets.KEY: is encrypted with the vault id 'none', and no password of 'default' "
        "opens it"
    ]


# -- where passwords come from


def opened(tmp_path: Path, vault_id: str | None = None, password: str = PASSWORD) -> str:
    text = one(tmp_path, f"      token: {inline(CANARY, vault_id, password)}")
    web1 = inventory(tmp_path, text).hosts["web1"]
    found: str = web1.vars["token"].reveal()
    return found


def test_without_a_password_the_error_says_how_to_give_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE")
    assert errors(lambda: opened(tmp_path, "prod")) == [
        "inv.yml:4 web1.token: is encrypted with the vault id 'prod', and no vault password is given"
    ]


def test_a_wrong_password_is_said(tmp_path: Path) -> None:
    assert errors(lambda: opened(tmp_path, password="another")) == [
        "inv.yml:4 web1.token: the vault password of 'default' is wrong, or the vault is damaged"
    ]


def test_several_ids_each_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    COMMAND_LINE.ids = [
        f"dev@{password_file(tmp_path, 'd', 'dev')}",
        f"prod@{password_file(tmp_path, 'p', 'prod')}",
    ]
    assert opened(tmp_path, "prod", "p") == opened(tmp_path, "dev", "d") == CANARY
    # an id is a hint: Ansible tries the others, too
    assert opened(tmp_path, "renamed", "d") == opened(tmp_path) == CANARY
    COMMAND_LINE.ids = []
    monkeypatch.setenv("ANSIBLE_VAULT_IDENTITY_LIST", f"dev@{tmp_path}/dev, prod@{tmp_path}/prod")
    assert opened(tmp_path, "prod", "p") == CANARY


def test_settings_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE")
    password_file(tmp_path, "p", "prod")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.prov]\nvault_password_file = "word"\nvault_identity_list = ["prod@prod"]\n'
    )
    assert opened(tmp_path) == opened(tmp_path, "prod", "p") == CANARY
    (tmp_path / "pyproject.toml").write_text('[tool.prov]\nvault_identity_list = "a@word, prod@prod"\n')
    assert opened(tmp_path, "prod", "p") == CANARY
    for name, value in (("vault_password_file", "7"), ("vault_identity_list", "[7]")):
        (tmp_path / "pyproject.toml").write_text(f"[tool.prov]\n{name} = {value}\n")
        assert errors(lambda: opened(tmp_path))[0].startswith(f"pyproject.toml tool.prov.{name}: must be")


def script(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return str(folder / name)


def test_programs_print_passwords(tmp_path: Path) -> None:
    COMMAND_LINE.files = [script(tmp_path, "pass.sh", f'echo "{PASSWORD}"')]
    assert opened(tmp_path) == CANARY
    COMMAND_LINE.files = []
    COMMAND_LINE.ids = [f"prod@{script(tmp_path, 'my-client.sh', 'test $1 = --vault-id && echo for-$2')}"]
    assert opened(tmp_path, "prod", "for-prod") == CANARY


BAD_SOURCES = {
    "missing": "the vault password file cannot be read: No such file or directory",
    "empty": "gives an empty vault password",
    "fails": "the program for the vault password ended with status 3",
    "none": "the program for the vault password did not start: Exec format error",
}


@pytest.mark.parametrize("name", BAD_SOURCES)
def test_bad_sources_are_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").write_text("\n")
    script(tmp_path, "fails", "exit 3")
    (tmp_path / "none").write_text("word\n")
    (tmp_path / "none").chmod(0o755)
    COMMAND_LINE.files = [str(tmp_path / name)]
    assert errors(lambda: opened(tmp_path)) == [f"inv.yml:4 web1.token: {BAD_SOURCES[name]}"]


def test_a_prompt_needs_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.vault.terminal_prompt.has_terminal", lambda: False)
    COMMAND_LINE.ask = True
    assert errors(lambda: opened(tmp_path)) == [
        "inv.yml:4 web1.token: cannot ask for it, as there is no terminal: Vault password (default)"
    ]


def test_a_prompt_asks_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def getpass(question: str) -> str:
        asked.append(question)
        return PASSWORD

    monkeypatch.setattr("provision.vault.terminal_prompt.has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", getpass)
    COMMAND_LINE.ask = True
    text = one(tmp_path, f"      a: {inline('1')}\n      b: {inline('2')}")
    web1 = inventory(tmp_path, text).hosts["web1"]
    assert [web1.vars[name].reveal() for name in "ab"] == ["1", "2"]
    assert asked == ["Vault password (default): "]


def test_projects_without_vaults_import_no_cryptography(tmp_path: Path) -> None:
    program = (
        "import sys; from provision.inventory import load; load(['web1,'])\n"
        "assert not {'cryptography', 'getpass'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# -- templates


def test_what_templates_make_of_a_vault_is_a_secret(tmp_path: Path) -> None:
    lines = f"""      word: {inline(CANARY)}
      url: "postgres://shop:{{{{ word | urlencode }}}}@db/shop"
      all: [{{a: "{{{{ word | b64encode }}}}"}}, plain]
      size: "{{{{ word | length }}}}"
      quoted: "{{{{ [word] | to_json }}}}"
      plain: "{{{{ 'a' ~ 1 }}}}" """
    web1 = inventory(tmp_path, one(tmp_path, lines)).hosts["web1"]
    assert shown_vars(web1)["word"] == MASK
    assert web1.vars["url"] == Secret(f"postgres://shop:{CANARY}@db/shop")
    assert isinstance(web1.vars["all"][0]["a"], Secret) and web1.vars["all"][1] == "plain"
    assert isinstance(web1.vars["quoted"], Secret) and web1.vars["plain"] == "a1" and web1.vars["size"] == 11
    assert {CANARY, f"postgres://shop:{CANARY}@db/shop"} <= set(secrets_in(web1))


def test_templates_in_an_encrypted_file_are_worked_out(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    sealed = f'url: "x://{{{{ user }}}}:{CANARY}@h"\npin: 123456\nbad: "{CANARY} {{{{ missing }}}}"\n'
    (tmp_path / "group_vars/all.yml").write_bytes(by_ansible(sealed))
    text = 'all: {hosts: {web1: {user: me, line: "pin={{ pin }}"}}}\n'
    (tmp_path / "inv.yml").write_text(text)
    web1 = load(["inv.yml"], cwd=tmp_path).hosts["web1"]
    assert set(shown_vars(web1).values()) == {MASK, "me"}
    assert CANARY not in str(listed(web1.inventory, ["web1"]))
    assert web1.vars["url"] == Secret(f"x://me:{CANARY}@h") and web1.vars["line"] == Secret("pin=123456")
    said = errors(lambda: web1.vars["bad"])
    assert len(said) == 1 and said[0].startswith("group_vars/all.yml:3 web1.bad: '********'"[:32])
    assert CANARY not in said[0] and "missing" in said[0]


def test_a_vault_that_a_template_needs_is_named(tmp_path: Path) -> None:
    lines = f'      word: {inline(CANARY, "prod", "other")}\n      line: "a {{{{ word }}}}"'
    web1 = inventory(tmp_path, one(tmp_path, lines)).hosts["web1"]
    assert shown_vars(web1) == {"word": MASK, "line": "a {{ word }}"}
    assert errors(lambda: web1.vars["line"]) == [
        "inv.yml:4 web1.word: is encrypted with the vault id 'prod', and no password of 'default' opens it"
    ]


def test_what_a_role_reads_late_is_masked_from_then_on(tmp_path: Path) -> None:
    lines = f"      word: {inline(CANARY)}\n      other: [{{a: x}}, '{{{{ word }}}}!']\n      roles: []"
    web1 = inventory(tmp_path, one(tmp_path, lines)).hosts["web1"]
    masks = Assignment(web1).masks()
    assert masks.hide(CANARY) == CANARY, "nothing has read it, so prov can't have put it anywhere"
    assert web1.vars["other"]
    assert masks.hide(f"'{CANARY}!'") == f"'{MASK}'"
    assert web1.vars["word"] and masks.hide(f"a {CANARY}") == f"a {MASK}"
