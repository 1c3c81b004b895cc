"""How a host is taken out of the configuration of a balancer, and put back to the byte."""

from __future__ import annotations

import pytest

from provision.steps.balancer_members import BalancerMember

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
<Proxy balancer://app-shop-websockets>
    BalancerMember https://10.0.0.11:443 ttl=30 route=r1
    BalancerMember "https://10.0.0.12:443" ttl=30 route=r2
</Proxy>
"""
FRONTS = [
    (NGINX, ("server", "down"), "server {}:443 down", 1),
    (APACHE, ("BalancerMember", "status=+S"), "{}:443 status=+S", 2),
]


def changed(text: str, member: tuple[str, str], address: str, *, out: bool) -> tuple[str, bool]:
    hosts = [f"{address}:{port}" for port in (80, 443)]
    return BalancerMember("/etc/x", member, hosts, out, "x")._changed(text)


@pytest.mark.parametrize(("text", "member", "line", "count"), FRONTS)
def test_a_host_goes_out_and_comes_back(text: str, member: tuple[str, str], line: str, count: int) -> None:
    out, alone = changed(text, member, "10.0.0.11", out=True)
    assert not alone
    assert (
        out.count(line.format("10.0.0.11"))
        == out.count(f" {member[1]}") - text.count(f" {member[1]}")
        == count
    )
    assert changed(out, member, "10.0.0.11", out=True) == (out, False), "it is out already"
    assert changed(out, member, "10.0.0.11", out=False) == (text, False)
    assert changed(text, member, "10.0.0.99", out=True) == (text, False), "a host that it does not ask"


def test_an_address_in_quotes() -> None:
    out, _ = changed(APACHE, ("BalancerMember", "status=+S"), "10.0.0.12", out=True)
    assert out.count('"https://10.0.0.12:443" status=+S ttl=30') == 2
    assert changed(out, ("BalancerMember", "status=+S"), "10.0.0.12", out=False) == (APACHE, False)


def test_the_last_one_stays() -> None:
    member = ("server", "down")
    text, _ = changed(NGINX, member, "10.0.0.11", out=True)
    text, _ = changed(text, member, "10.0.0.1", out=True)
    assert changed(text, member, "10.0.0.12", out=True) == (text, True)
    assert changed(text, member, "10.0.0.12", out=False) == (text, False)
    alone = "upstream a {\n    server 10.0.0.11:443;\n}\nupstream b {\n    server 10.0.0.12:443;\n}\n"
    assert changed(alone, member, "10.0.0.11", out=True) == (alone, True)


def test_a_line_that_ends_behind_the_host() -> None:
    out, _ = changed(NGINX, ("server", "down"), "10.0.0.1", out=True)
    assert "    server 10.0.0.1:443 down;\n" in out
    assert changed(out, ("server", "down"), "10.0.0.1", out=False) == (NGINX, False)
