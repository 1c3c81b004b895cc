"""Which hosts stand before which, and how mistakes in `balance` are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventories import errors, inventory

from provision.apps.balancing import address_of, addresses_of, balanced_of, balancers_of
from provision.errors import ProvError
from provision.inventory import Inventory

GIT = "source: https://git.example.com/x.git, target: x:y"
HOSTS = f"""
    front:
      hosts:
        lb1:
          balance: %s
    web:
      vars:
        apps:
          shop: {{{GIT}, domains: [shop.example]}}
      hosts:
        web1: {{ansible_host: 192.0.2.1}}
        web2: {{ansible_host: 192.0.2.2, internal_address: 10.0.0.2}}
    other:
      hosts:
        db1: {{ansible_connection: lab}}
        old1:
          apps:
            shop: {{{GIT}, domains: [old.example]}}
"""


def given(folder: Path, balance: str) -> Inventory:
    return inventory(folder, HOSTS % balance)


def test_a_group_by_its_name_is_enough(tmp_path: Path) -> None:
    found = given(tmp_path, "{shop: web}")
    (balanced,) = balanced_of(found.hosts["lb1"])
    assert balanced.app.domains == ("shop.example",)
    assert [host.name for host in balanced.hosts] == ["web1", "web2"]
    assert (balanced.balance.method, balanced.balance.front) == ("least_conn", "nginx")


def test_who_stands_before_whom(tmp_path: Path) -> None:
    found = given(tmp_path, "{shop: {hosts: web, weights: {web1: 3}, backup: [web2]}}")
    assert [host.name for host in balancers_of(found.hosts["web1"])] == ["lb1"]
    assert balancers_of(found.hosts["lb1"]) == balancers_of(found.hosts["old1"]) == []


def test_hosts_reach_each_other_by_their_inner_addresses(tmp_path: Path) -> None:
    hosts = given(tmp_path, "{shop: web}").hosts
    assert [address_of(hosts[name]) for name in ("web1", "web2")] == ["192.0.2.1", "10.0.0.2"]
    with pytest.raises(ProvError, match="db1 is not known"):
        address_of(hosts["db1"])
    assert addresses_of([hosts["db1"], hosts["web1"]]) == ["192.0.2.1"]


BAD = {
    "[shop]": "balance: must be a mapping of applications to hosts, not a list",
    "{shop: nobody}": "balance.shop.hosts: no host or group 'nobody'.",
    "{shop: {hosts: 'web,db1'}}": "balance.shop.hosts: db1 has no application 'shop'",
    "{shop: {hosts: 'web,old1'}}": "balance.shop.hosts: web1 and old1 differ in domains, tls or path of 'shop'",
    "{shop: {hosts: web, method: fastest}}": "balance.shop.method: 'fastest' is not one of round_robin, least_conn, "
    "ip_hash.",
    "{shop: {hosts: web, weights: {web3: 2}}}": "balance.shop.weights: 'web3' is none of its hosts (web1, web2). "
    "Did you mean 'web2'?",
    "{shop: {hosts: web, weights: {web1: 0}}}": "balance.shop: a weight is 1 or more; to leave a host out, leave it "
    "out of `hosts`",
    "{shop: {hosts: web, backup: [web1, web2]}}": "balance.shop.backup: leaves no host that is not a backup",
    "{shop: {hosts: web, method: ip_hash, backup: [web1]}}": "balance.shop: ip_hash knows no backup: it always sends "
    "a client to the same host",
    "{shop: web, shop2: {hosts: web, front: apache}}": "balance.shop2.hosts: web1 has no application 'shop2'",
    "{}": "",
}


@pytest.mark.parametrize(("balance", "message"), BAD.items())
def test_bad_balances(tmp_path: Path, balance: str, message: str) -> None:
    lb1 = given(tmp_path, balance).hosts["lb1"]
    if not message:
        assert balanced_of(lb1) == ()
        return
    (error,) = errors(lambda: balanced_of(lb1))
    assert error == f"inv.yml:4 lb1.{message}"
