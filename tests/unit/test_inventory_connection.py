"""How a host is reached, from its ansible_* variables; and its roles."""

from __future__ import annotations

import copy
import json
import pickle
from functools import partial
from pathlib import Path

import pytest
from inventories import errors, host, inventory, project
from pydantic import BaseModel

from provision.errors import ConfigErrors
from provision.inventory import ConnectionSettings, load
from provision.inventory.masking import is_secret, masked
from provision.secrets import Secret

SETTINGS = {
    "a: 1": {},
    "ansible_host: 192.0.2.7": {"address": "192.0.2.7"},
    "ansible_ssh_host: 192.0.2.7": {"address": "192.0.2.7"},
    "ansible_host: 2001:db8::1": {"address": "2001:db8::1"},
    "ansible_port: 2222": {"port": 2222},
    'ansible_port: "2222"': {"port": 2222},
    "ansible_ssh_port: 2222": {"port": 2222},
    "ansible_user: deploy": {"user": "deploy"},
    "ansible_ssh_user: deploy": {"user": "deploy"},
    # Ansible's plugin ssh: of a setting's several names, the last in its list wins
    "{ansible_user: new, ansible_ssh_user: old}": {"user": "old"},
    "ansible_user:": {},
    "ansible_password: s3cret": {"password": Secret("s3cret")},
    "ansible_ssh_pass: s3cret": {"password": Secret("s3cret")},
    "ansible_become_password: s3cret": {"become_password": Secret("s3cret")},
    "ansible_become_pass: s3cret": {"become_password": Secret("s3cret")},
    "ansible_sudo_pass: s3cret": {"become_password": Secret("s3cret")},
    "ansible_become: yes": {"become": True},
    'ansible_become: "yes"': {"become": True},
    "ansible_become: 0": {"become": False},
    'ansible_become: "False"': {"become": False},
    "ansible_become_user: root": {},
    "ansible_become_method: sudo": {},
    "ansible_python_interpreter: auto_silent": {},
    "ansible_python_interpreter: /usr/bin/env python3": {},
    "ansible_python_interpreter: /opt/python/bin/python3": {"python_interpreter": "/opt/python/bin/python3"},
    "ansible_connection: smart": {},
    "ansible_connection: paramiko": {"paramiko": True},
    "ansible_connection: ansible.builtin.paramiko_ssh": {"paramiko": True},
    "ansible_ssh_args: -C -o Ciphers=aes128-ctr": {"ssh_arguments": ("-C", "-o", "Ciphers=aes128-ctr")},
    "{ansible_ssh_common_args: '-o ProxyCommand=\"ssh -W %h:%p gate\"', ansible_ssh_extra_args: '-4'}": {
        "more_ssh_arguments": ("-o", "ProxyCommand=ssh -W %h:%p gate", "-4")
    },
    "ansible_ssh_executable: /opt/ssh/bin/ssh": {"ssh_executable": "/opt/ssh/bin/ssh"},
    "ansible_ssh_executable: ssh9": {"ssh_executable": "ssh9"},
    "prov_persist: 0": {"persist": 0},
    "ansible_connection: ansible.builtin.ssh": {},
    "ansible_connection: lab": {"kind": "lab"},
    "ansible_pipelining: true": {},
    'ansible_ssh_common_args: ""': {},
    "prov_guard_seconds: 2.5": {"guard_seconds": 2.5},
    "ansible_ssh_private_key_file: /keys/id": {"private_key_file": Path("/keys/id")},
}


@pytest.mark.parametrize(("variables", "expected"), SETTINGS.items())
def test_settings(tmp_path: Path, variables: str, expected: dict[str, object]) -> None:
    text = f"web: {{hosts: {{web1: {variables}}}}}" if variables.startswith("{") else None
    web1 = inventory(tmp_path, text).hosts["web1"] if text else host(tmp_path, variables)
    assert web1.connection == ConnectionSettings(**{"kind": "ssh", "address": "web1", **expected})  # type: ignore[arg-type]


REFUSED = {
    "ansible_port: 22a": "must be a port (1 to 65535), not '22a'",
    "ansible_port: 70000": "must be a port (1 to 65535), not 70000",
    "ansible_port: true": "must be a port (1 to 65535), not true",
    "ansible_user: 5": "must be text, not 5",
    "ansible_user: ' deploy'": "' deploy' begins with '-', has blanks around it, or contains a line break",
    "ansible_host: -oProxyCommand=x": "'-oProxyCommand=x' begins with '-', has blanks around it, or contains "
    "a line break",
    "ansible_user: '{{ me }}'": "'{{ me }}' could not be worked out: 'me' is undefined",
    "ansible_password: !vault x": "the vault is damaged: the first line is not one of Ansible Vault",
    "ansible_password: 0123": "must be text",
    "prov_guard_seconds: soon": "must be a number of seconds from 1 to 3600, not 'soon'",
    "prov_guard_seconds: 0": "must be a number of seconds from 1 to 3600, not 0",
    "prov_guard_seconds: true": "must be a number of seconds from 1 to 3600, not true",
    "ansible_become: maybe": "must be true or false, not 'maybe'",
    "ansible_become_user: app": "must be root, not 'app'",
    "ansible_become_method: doas": "'doas' is not supported",
    "ansible_become_flags: -n": "is not supported",
    "ansible_connection: winrn": "'winrn' is not one of ssh, local, lab. Did you mean 'winrm'?",
    "ansible_connection: sshh": "'sshh' is not one of ssh, local, lab. Did you mean 'ssh'?",
    "ansible_ssh_common_args: [-J, bastion]": "must be arguments of ssh on one line, not a list",
    "ansible_ssh_args: -o 'User": "can't be split into arguments: no closing quotation",
    "prov_persist: -1": "must be a number of seconds (0 to 86400), not -1",
    "ansible_private_key_passphrase: x": "is not supported",
    "ansible_ssh_private_key_file: ~nobody-here/id": "no such home folder: '~nobody-here/id'",
    "ansible_python_interpreter: python3.11": "must be an absolute path, not 'python3.11'",
}


@pytest.mark.parametrize(("variables", "message"), REFUSED.items())
def test_refused(tmp_path: Path, variables: str, message: str) -> None:
    name = variables.split(":")[0]
    web1 = host(tmp_path, variables)
    assert errors(lambda: web1.connection) == [f"inv.yml:4 web1.{name}: {message}"]


def test_all_errors_of_a_host_come_together(tmp_path: Path) -> None:
    web1 = host(tmp_path, "ansible_port: x\nansible_become: x\nansible_user: '{{ x }}'")
    assert len(errors(lambda: web1.connection)) == 3


def test_a_host_that_prov_cannot_reach_does_not_spoil_the_others(tmp_path: Path) -> None:
    loaded = inventory(tmp_path, "all: {hosts: {web1: , win1: {ansible_connection: winrm}}}")
    assert [h.name for h in loaded.select("all")] == ["web1", "win1"]
    assert loaded.hosts["web1"].connection.address == "web1"


def test_key_files_start_at_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    files = {
        "inventory/hosts.yml": """
            web:
              hosts:
                web1: {ansible_ssh_private_key_file: ../keys/id}
                web2:
                web3: {ansible_ssh_private_key_file: ~/.ssh/id}
            """,
        "group_vars/web.yml": "ansible_ssh_private_key_file: keys/id",
    }
    hosts = load(cwd=project(tmp_path, files)).hosts
    assert [h.connection.private_key_file for h in hosts.values()] == [
        tmp_path / "inventory/../keys/id",
        tmp_path / "group_vars/keys/id",
        Path("/home/me/.ssh/id"),
    ]


def test_roles(tmp_path: Path) -> None:
    assert host(tmp_path, "roles: [base, nginx]").roles == ("base", "nginx")
    assert host(tmp_path, "a: 1").roles == ()
    assert host(tmp_path, "roles:").roles == ()
    for variables, expected in (
        ("roles: nginx", ["inv.yml:4 web1.roles: must be a list of role names, not 'nginx'"]),
        (
            "roles: [nginx, 3, nginx]",
            [
                "inv.yml:4 web1.roles.1: must be the name of a role, not 3",
                "inv.yml:4 web1.roles.2: 'nginx' is listed twice",
            ],
        ),
        (
            "roles:\n  - base\n  - '{{ front }}'",
            ["inv.yml:6 web1.roles.1: '{{ front }}' could not be worked out: 'front' is undefined"],
        ),
    ):
        web1 = host(tmp_path, variables)
        assert errors(partial(getattr, web1, "roles")) == expected


def test_secrets_do_not_show() -> None:
    secret = Secret("hunter2")
    for text in (str(secret), repr(secret), f"{secret:>20}", f"{[secret]}", "%s" % secret):  # noqa: UP031
        assert "hunter2" not in text and "********" in text
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2") and secret != Secret("other") and secret != "hunter2"
    assert len({secret, Secret("hunter2")}) == 1
    assert copy.deepcopy([secret])[0] is secret and copy.copy(secret) is secret
    assert not Secret("")
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_secrets_in_models() -> None:
    class Params(BaseModel):
        password: Secret

    params = Params.model_validate({"password": "hunter2"})
    assert params.password == Secret("hunter2")
    assert Params(password=Secret("x")).password == Secret("x")
    assert "hunter2" not in repr(params) + params.model_dump_json()


def test_passwords_are_secrets_in_vars_too(tmp_path: Path) -> None:
    loaded = inventory(tmp_path, "web: {hosts: {web1: }, vars: {ansible_password: s3cret}}")
    assert loaded.hosts["web1"].vars["ansible_password"] == Secret("s3cret")
    assert "s3cret" not in repr(loaded) + repr(loaded.hosts["web1"].connection)


SECRETS = {
    ("SECRET_KEY", "x"): True,
    ("db_password", "x"): True,
    ("api-token", "x"): True,
    ("AWS_SECRET_ACCESS_KEY", "x"): True,
    ("DATABASE_URL", "postgres://me:pw@db/x"): True,
    ("DATABASE_URL", "sqlite:////var/lib/x.db"): False,
    ("keep_releases", "x"): False,
    ("ansible_ssh_private_key_file", "x"): False,
    ("compass", "x"): False,
    ("keyboard", "x"): False,
}


@pytest.mark.parametrize(("variable", "secret"), SECRETS.items())
def test_which_variables_are_secrets(variable: tuple[str, str], secret: bool) -> None:
    assert is_secret(*variable) is secret


def test_masked(tmp_path: Path) -> None:
    web1 = host(
        tmp_path,
        """
        ansible_password: a
        db: {password: b, users: [{token: c, name: d}], url: "postgres://u:e@db/x"}
        tokens: [f]
        vault: !vault g
        day: 2024-02-03
        """,
    )
    assert masked({name: web1.written(name) for name in web1.vars}) == {
        "ansible_password": "********",
        "db": {
            "password": "********",
            "users": [{"token": "********", "name": "d"}],
            "url": "postgres://db/x",
        },
        "tokens": ["********"],
        "vault": "********",
        "day": "2024-02-03",
    }


@pytest.mark.trust("7", "canonicalize")
@pytest.mark.parametrize("address", ["10.0.0.1:2222", "bob@10.0.0.1", "'[::1]:22'", "bob@web1:22"])
@pytest.mark.parametrize("more", ["a: 1", "ansible_port: 22", "ansible_user: ann"])
def test_an_address_has_neither_user_nor_port(tmp_path: Path, address: str, more: str) -> None:
    text = f"web: {{hosts: {{web1: {{ansible_host: {address}, {more}}}}}}}"
    with pytest.raises(ConfigErrors, match="must be a name or an address alone") as raised:
        assert inventory(tmp_path, text).hosts["web1"].connection
    assert "ansible_port" in raised.value.errors[0].hint
