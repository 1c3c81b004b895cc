"""How a host is taken out of the configuration of a balancer, and put back to the byte."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from provision.errors import StepError
from provision.steps import balancer_members
from provision.steps.balancer_members import ALONE, BalancerMember
from provision.steps.base import Diff

NGINX = """
upstream app-shop {
    least_conn;
    server 10.0.0.11:443 weight=1 max_fails=1;
    server 10.0.0.12:443 weight=1 max_fails=1;
    server 10.0.0.1:443;
}
upstream app-other {
    server unix:/run/app-other/a.sock max_fails=0;
}
server {
    server_name shop.test;
}
"""
APACHE = """
<Proxy balancer://app-shop>
    BalancerMember https://10.0.0.11:443 ttl=30 route=r1
    BalancerMember "https://10.0.0.12:443" ttl=30 route=r2 status=+H
    ProxySet lbmethod=byrequests
</Proxy>
BalancerMember balancer://app-shop-without-r1 https://10.0.0.12:443 ttl=30
BalancerMember balancer://app-shop-without-r2 https://10.0.0.11:443 ttl=30
<Proxy balancer://app-shop-websockets>
    BalancerMember https://10.0.0.11:443 ttl=30 route=r1
    BalancerMember "https://10.0.0.12:443" ttl=30 route=r2
</Proxy>
"""
FRONTS = [
    (NGINX, ("server", "down"), "server {}:443 down", 1),
    (APACHE, ("BalancerMember", "status=+S"), "{}:443 status=+S", 2),
]


def changed(
    text: str, member: tuple[str, str], address: str, *, out: bool, urls: Sequence[str] = ()
) -> tuple[str, str]:
    hosts = [f"{address}:{port}" for port in (80, 443)]
    return BalancerMember("/etc/x", member, hosts, out, "x", urls)._changed(text)


@pytest.mark.parametrize(("text", "member", "line", "count"), FRONTS)
def test_a_host_goes_out_and_comes_back(text: str, member: tuple[str, str], line: str, count: int) -> None:
    out, alone = changed(text, member, "10.0.0.11", out=True)
    assert not alone
    assert (
        out.count(line.format("10.0.0.11"))
        == out.count(f" {member[1]}") - text.count(f" {member[1]}")
        == count
    )
    assert changed(out, member, "10.0.0.11", out=True) == (out, ""), "it is out already"
    assert changed(out, member, "10.0.0.11", out=False) == (text, "")
    assert changed(text, member, "10.0.0.99", out=True) == (text, ""), "a host that it does not ask"


def test_an_address_in_quotes() -> None:
    out, _ = changed(APACHE, ("BalancerMember", "status=+S"), "10.0.0.12", out=True)
    assert out.count('"https://10.0.0.12:443" status=+S ttl=30') == 2
    assert changed(out, ("BalancerMember", "status=+S"), "10.0.0.12", out=False) == (APACHE, "")


def test_the_last_one_stays() -> None:
    member = ("server", "down")
    text, _ = changed(NGINX, member, "10.0.0.11", out=True)
    text, _ = changed(text, member, "10.0.0.1", out=True)
    assert changed(text, member, "10.0.0.12", out=True) == (text, ALONE)
    assert changed(text, member, "10.0.0.12", out=False) == (text, "")
    alone = "upstream a {\n    server 10.0.0.11:443;\n}\nupstream b {\n    server 10.0.0.12:443;\n}\n"
    assert changed(alone, member, "10.0.0.11", out=True) == (alone, ALONE)


def test_a_line_that_ends_behind_the_host() -> None:
    out, _ = changed(NGINX, ("server", "down"), "10.0.0.1", out=True)
    assert "    server 10.0.0.1:443 down;\n" in out
    assert changed(out, ("server", "down"), "10.0.0.1", out=False) == (NGINX, "")


@pytest.mark.parametrize(("text", "member"), [front[:2] for front in FRONTS])
def test_a_host_stays_in_if_the_others_do_not_answer(
    monkeypatch: pytest.MonkeyPatch, text: str, member: tuple[str, str]
) -> None:
    asked = []

    def answer(url: str, address: str) -> dict[str, Any]:
        asked.append((url, address))
        return {"url": url, "said": "" if address == well else "status 502 Bad Gateway", "ms": 1}

    monkeypatch.setattr(balancer_members, "answer_of_front", answer)
    url, well = "https://shop.test/healthz", ""
    alone = changed(text, member, "10.0.0.12", out=True, urls=[url])
    assert alone[0] == text
    assert alone[1].endswith(" answers https://shop.test/healthz: status 502 Bad Gateway")
    assert len(asked) == len(set(asked)), "each is asked once"
    well = "10.0.0.11"
    out, why = changed(text, member, "10.0.0.12", out=True, urls=[url])
    assert (why, out.count(member[1])) == ("", text.count(member[1]) + (2 if text == APACHE else 1))
    well = ""
    assert changed(text, member, "10.0.0.12", out=False, urls=[url])[1] == "", (
        "to put it back, no one is asked"
    )


@pytest.mark.parametrize("out", [True, False])
def test_a_reload_that_fails_leaves_a_file_that_the_next_deploy_mends(
    monkeypatch: pytest.MonkeyPatch, out: bool
) -> None:
    def renew(*_: object, **__: object) -> None:
        raise StepError("still serves with its earlier configuration")

    written: list[dict[str, str]] = []
    monkeypatch.setattr(balancer_members, "renew", renew)
    monkeypatch.setattr(BalancerMember, "_write", lambda _, __, texts: written.append(texts))
    step = BalancerMember("/etc/x", ("server", "down"), ["10.0.0.11:443"], out, "x")
    texts = ("in", "out") if out else ("out", "in")
    step.scratch["texts"] = {"/etc/x/a.conf": texts}
    with pytest.raises(StepError):
        step.apply(SimpleNamespace(units=None, planned=False), Diff.none(""))  # type: ignore[arg-type]
    assert written[-1] == {"/etc/x/a.conf": "out"}
