"""`!secret`: values that are fetched when a run uses them, once, and never quoted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pyrage
import pytest
from inventories import errors, inventory
from moto import mock_aws

from provision.inventory import InventoryHost
from provision.inventory.validation import validate
from provision.roles.role_model import Params
from provision.roles.shown_variables import secrets_in, shown_vars
from provision.secrets import MASK, Secret

CANARY = "c4nary-Wort"


def web1(folder: Path, *values: str) -> InventoryHost:
    """A host whose variables a, b, ... are these values."""
    lines = "".join(f"      {name}: {value}\n" for name, value in zip("abc", values, strict=False))
    return inventory(folder, f"all:\n  hosts:\n    web1:\n{lines}").hosts["web1"]


def script(folder: Path, text: str) -> Path:
    (folder / "store").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "store").chmod(0o755)
    return folder / "store"


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", CANARY)
    found = web1(tmp_path, "!secret {env: SHOP_TOKEN}", "[x, !secret {env: SHOP_NONE}]", '"<{{ a }}>"')
    assert found.vars["a"] == Secret(CANARY) and found.vars["c"] == Secret(f"<{CANARY}>")
    assert errors(lambda: found.vars["b"]) == [
        "inv.yml:5 web1.b.1: the environment variable SHOP_NONE is not set"
    ]
    assert secrets_in(found) == [CANARY, f"<{CANARY}>"]


def test_a_program_runs_with_the_first_use_and_once(tmp_path: Path) -> None:
    script(tmp_path, f"echo \"$@\" >> ran; echo '{json.dumps({'user': 'me', 'pin': 77, 'word': CANARY})}'")
    command = "command: [./store, show, 'a b; id']"
    found = web1(tmp_path, f"!secret {{{command}, field: word}}", f"!secret {{{command}, field: pin}}")
    assert shown_vars(found) == {"a": MASK, "b": MASK} and not (tmp_path / "ran").exists()
    assert secrets_in(found) == []
    assert (found.vars["a"], found.vars["b"]) == (Secret(CANARY), Secret("77"))
    assert (tmp_path / "ran").read_text() == "show a b; id\n"


def test_nothing_is_fetched_for_other_hosts_and_unused_variables(tmp_path: Path) -> None:
    script(tmp_path, f"echo $1 >> ran; echo {CANARY}")
    text = "all:\n  hosts:\n"
    for name in ("web1", "web2"):
        text += f"    {name}:\n      r: {{word: !secret {{command: [./store, {name}]}}}}\n"
        text += "      other: !secret {command: [./store, other]}\n"
    hosts = inventory(tmp_path, text).hosts

    class Model(Params):
        word: Secret

    host = hosts["web2"]
    assert host.connection and validate(Model, host.vars["r"], host, ("r",)).word == Secret(CANARY)
    assert (tmp_path / "ran").read_text() == "web2\n"


BAD_PROGRAMS = {
    "[no-such-program]": "the program 'no-such-program' was not found",
    "[./store, fail]": "'./store fail' ended with status 4: locked: log in",
    "[./store, nothing]": "the secret is empty: command ./store nothing",
    "[./store, bytes]": "the secret is not UTF-8 text",
    "[./plain]": "the program './plain' did not start: Permission denied",
}


@pytest.mark.parametrize("argv", BAD_PROGRAMS)
def test_programs_that_fail_are_said(tmp_path: Path, argv: str) -> None:
    script(
        tmp_path,
        "case $1 in nothing) echo;; bytes) printf '\\377';; "
        'fail) echo one >&2; echo "locked: log in" >&2; exit 4;; esac',
    )
    (tmp_path / "plain").write_text("x")
    found = web1(tmp_path, f"!secret {{command: {argv}}}")
    assert errors(lambda: found.vars["a"]) == [f"inv.yml:4 web1.a: {BAD_PROGRAMS[argv]}"]


REFUSED = {
    "x": "`!secret` takes a mapping such as {env: NAME} or {command: [pass, show, NAME]}",
    "[env]": "`!secret` takes a mapping such as {env: NAME} or {command: [pass, show, NAME]}",
    "{}": "`!secret` takes one of env, command, aws_secret, aws_parameter, age",
    "{env: A, age: b}": "`!secret` takes one of env, command, aws_secret, aws_parameter, age, not env and age",
    "{env: A, feild: b}": "`!secret` with 'env' takes no 'feild'. Did you mean 'field'?",
    "{env: A, region: b}": "`!secret` with 'env' takes no 'region'.",
    "{env: 7}": "'env' must be text",
    "{command: pass show x}": "`command` must be a list of texts: [pass, show, shop/token]; no shell is involved",
    "{command: []}": "`command` must be a list of texts: [pass, show, shop/token]; no shell is involved",
}


@pytest.mark.parametrize("written", REFUSED)
def test_bad_references_are_refused_when_the_file_is_read(tmp_path: Path, written: str) -> None:
    assert errors(lambda: web1(tmp_path, f"!secret {written}")) == [
        f"inv.yml:4 all.hosts.web1.a: {REFUSED[written]}"
    ]


# -- age


@pytest.fixture
def identity(tmp_path: Path) -> Any:
    found = pyrage.x25519.Identity.generate()
    (tmp_path / "key.txt").write_text(f"# created: today\n# public key: {found.to_public()}\n{found}\n")
    return found


@pytest.mark.parametrize("armored", [False, True])
def test_files_of_age(tmp_path: Path, identity: Any, monkeypatch: pytest.MonkeyPatch, armored: bool) -> None:
    (tmp_path / "w.age").write_bytes(
        pyrage.encrypt(f"{CANARY}\n".encode(), [identity.to_public()], armored=armored)
    )
    found = web1(tmp_path, "!secret {age: w.age, identity: key.txt}", "!secret {age: w.age}")
    assert found.vars["a"] == Secret(CANARY)
    assert errors(lambda: found.vars["b"]) == ["inv.yml:5 web1.b: no identity of age is named"]
    monkeypatch.setenv("PROV_AGE_IDENTITY", str(tmp_path / "key.txt"))
    assert found.vars["b"] == Secret(CANARY)


def test_files_of_age_that_cannot_be_had(tmp_path: Path, identity: Any) -> None:
    other = pyrage.x25519.Identity.generate()
    (tmp_path / "w.age").write_bytes(pyrage.encrypt(b"x", [other.to_public()]))
    (tmp_path / "bad").write_text("word\n")
    found = web1(
        tmp_path,
        "!secret {age: w.age, identity: key.txt}",
        "!secret {age: none.age, identity: key.txt}",
        "!secret {age: w.age, identity: bad}",
    )
    assert [errors(partial(found.vars.__getitem__, name)) for name in "abc"] == [
        [f"inv.yml:4 web1.a: {tmp_path}/w.age could not be decrypted: No matching keys found"],
        [f"inv.yml:5 web1.b: {tmp_path}/none.age cannot be read: No such file or directory"],
        [f"inv.yml:6 web1.c: {tmp_path}/bad has no identity of age"],
    ]


# -- AWS


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        manager = boto3.client("secretsmanager", "eu-central-1")
        manager.create_secret(Name="shop/prod", SecretString=json.dumps({"password": CANARY}))
        manager.create_secret(Name="bytes", SecretBinary=CANARY.encode())
        boto3.client("ssm", "eu-central-1").put_parameter(Name="/shop/key", Value=CANARY, Type="SecureString")
        yield


def test_aws(aws: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = web1(
        tmp_path,
        "!secret {aws_secret: shop/prod, field: password, region: eu-central-1}",
        "!secret {aws_secret: bytes}",
        "!secret {aws_parameter: /shop/key}",
    )
    assert found.vars["a"] == Secret(CANARY)
    assert errors(lambda: found.vars["b"]) == ["inv.yml:5 web1.b: no region of AWS is named"]
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert found.vars["b"] == found.vars["c"] == Secret(CANARY)


def test_secrets_that_aws_has_not(aws: None, tmp_path: Path) -> None:
    found = web1(
        tmp_path,
        "!secret {aws_secret: none, region: eu-central-1}",
        "!secret {aws_secret: shop/prod, field: user, region: eu-central-1}",
        "!secret {aws_parameter: /none, region: eu-central-1}",
    )
    said = [errors(partial(found.vars.__getitem__, name))[0] for name in "abc"]
    assert "ResourceNotFoundException" in said[0] and "ParameterNotFound" in said[2]
    assert said[1] == "inv.yml:5 web1.b: the secret has no text under 'user'"
    assert CANARY not in str(said)
