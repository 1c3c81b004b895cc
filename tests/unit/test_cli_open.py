"""prov open: where an application is, and how to reach it if its domain does not lead there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_project import command_line
from inventories import project

INVENTORY = """
web:
  vars: {roles: [python, app], ansible_host: 127.0.0.1}
  hosts:
    web1:
      apps:
        shop: {source: ../src, target: "shop:app", domains: [localhost], path: /shop/, tls: none}
        blog: {source: ../src, target: "shop:app", domains: [blog.invalid]}
    web2:
      ansible_host: "::1"
      apps:
        blog: {source: ../src, target: "shop:app", domains: [blog.invalid], tls: none}
    lb1: {roles: [base], balance: {blog: web2}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project(tmp_path, {"inventory/hosts.yml": INVENTORY, "src/requirements.txt": ""}))


def opened(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[object, str, str]:
    return command_line(monkeypatch, capsys)("open", *words)


def test_its_address_is_printed_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opened(capsys, monkeypatch, "web1", "shop") == (0, "http://localhost/shop/\n", "")


def test_a_domain_that_leads_nowhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = opened(capsys, monkeypatch, "web1", "blog")
    assert (status, err) == (1, "")
    assert "blog.invalid does not resolve; the host is 127.0.0.1" in out
    assert "curl --resolve blog.invalid:443:127.0.0.1 --cacert .prov/ca/ca.crt https://blog.invalid/" in out
    # an only application need not be named, nor one that the host balances
    _, out, _ = opened(capsys, monkeypatch, "web2")
    assert "curl --resolve 'blog.invalid:80:[::1]' http://blog.invalid/" in out
    assert (
        "line of this machine's /etc/hosts:  127.0.0.1 blog.invalid" in opened(capsys, monkeypatch, "lb1")[1]
    )


def test_one_of_several(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, err = opened(capsys, monkeypatch, "web1")
    assert status == 2 and "web1 serves shop, blog" in err and "prov open web1 APP" in err
    status, _, err = opened(capsys, monkeypatch, "web1", "shp")
    assert status == 2 and "Did you mean 'shop'?" in err


def test_programs_read_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status, out, _ = opened(capsys, monkeypatch, "web1", "shop", "--json")
    page = json.loads(out.splitlines()[0])
    assert (status, page["url"], page["reached"], page["authority"]) == (
        0,
        "http://localhost/shop/",
        True,
        "",
    )
