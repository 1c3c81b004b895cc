"""prov tls ca, client, rotate and revoke, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_project import command_line
from cryptography import x509
from inventories import project

#: runs the command line; gives exit status, stdout and stderr
Prov = Callable[..., tuple[object, str, str]]

INVENTORY = """
    all:
      vars: {tls: {ca_passphrase: correct horse, ca_domains: [shop.test]}}
      hosts:
        web1: {ansible_host: 192.0.2.1}
        web2: {ansible_host: 192.0.2.2, tls: {ca: other}}
    """


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    monkeypatch.chdir(project(tmp_path, {"inventory/hosts.yml": INVENTORY}))
    return command_line(monkeypatch, capsys)


def test_a_key_for_a_person_and_the_authority_that_clients_trust(prov: Prov) -> None:
    status, out, err = prov("tls", "ca", "export", "web1")
    assert status == 2 and "there is no private CA yet" in err
    status, out, _ = prov("tls", "client", "web1", "ann", "--days", "30")
    assert (status, out) == (0, "ann.key\nann.crt: for ann, 30 days\n")
    assert Path("ann.key").stat().st_mode & 0o777 == 0o600
    status, out, _ = prov("tls", "ca", "export", "web1")
    root = x509.load_pem_x509_certificate(out.encode())
    x509.load_pem_x509_certificate(Path("ann.crt").read_bytes()).verify_directly_issued_by(root)
    assert b"ENCRYPTED" in Path(".prov/ca/ca.key").read_bytes()
    status, _, err = prov("tls", "client", "web1", "ann")
    assert status == 2 and "ann.key: already exists" in err
    status, _, err = prov("tls", "client", "web1", "Ann/..")
    assert status == 2 and "small letters" in err


def test_a_change_of_the_key_says_what_to_do_next(prov: Prov) -> None:
    prov("tls", "client", "web1", "ann")
    status, out, _ = prov("tls", "ca", "rotate", "web1")
    assert status == 0 and "prov tls ca rotate TARGET --switch" in out
    status, _, err = prov("tls", "ca", "rotate", "web1", "--finish")
    assert status == 1 and "--switch" in err
    status, out, _ = prov("tls", "ca", "rotate", "web1", "--switch", "--json")
    assert json.loads(out.splitlines()[0])["did"] == "switch"
    assert prov("tls", "ca", "rotate", "web1", "--finish")[0] == 0


def test_an_intermediate_signs_from_now_on(prov: Prov) -> None:
    status, out, _ = prov("tls", "ca", "intermediate", "web1", "--days", "30")
    assert status == 0 and "an intermediate signs, until 2" in out and "Then keep ca.key elsewhere" in out
    Path(".prov/ca/ca.key").unlink()
    assert prov("tls", "client", "web1", "ann")[0] == 0
    assert Path("ann.crt").read_text().count("BEGIN CERTIFICATE") == 2
    status, _, err = prov("tls", "ca", "intermediate", "web1")
    assert status == 1 and "ca.key: the authority's key can't be read: " in err and "bring it back" in err


def test_hosts_with_several_authorities_are_refused(prov: Prov) -> None:
    status, _, err = prov("tls", "ca", "export", "all")
    assert status == 2 and "2 private CAs, expected one: .prov/ca, other" in err


APPS = """
    all:
      hosts:
        web1:
          ansible_host: 192.0.2.1
          roles: [python, app]
          tls: {acme: {agree: true}}
          apps:
            shop: {source: ../shop, target: "shop:app", domains: [shop.test]}
            plain: {source: ../shop, target: "shop:app", domains: [plain.test], tls: none}
            own: {source: ../shop, target: "shop:app", domains: [own.test], tls: self-signed}
    """


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("revoke", "web1", "shop"),
            "shop has a certificate of the private CA, which has no list of revoked ones",
        ),
        (("revoke", "web1", "own"), "own has a self-signed certificate, which no authority can revoke"),
        (("revoke", "web1", "plain"), "no application 'plain' with a certificate"),
        (("rotate", "web1", "plain"), "no application 'plain' with a certificate"),
    ],
)
def test_what_can_not_be_replaced_or_revoked_is_refused(
    prov: Prov, words: tuple[str, ...], said: str
) -> None:
    Path("inventory/hosts.yml").write_text(APPS)
    Path("shop").mkdir()
    Path("shop/shop.py").write_text("app = 1\n")
    Path("shop/requirements.txt").write_text("")
    reason = ("--reason", "superseded") if words[0] == "revoke" else ()
    status, _, err = prov("tls", *words, *reason)
    assert status == 2 and said in err
