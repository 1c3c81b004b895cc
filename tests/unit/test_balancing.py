"""Which hosts stand before which, and how mistakes in `balance` are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from inventories import errors, inventory, no_roles

from provision.apps import fleet
from provision.apps.application import Application
from provision.apps.fleet import Fleet
from provision.apps.host_addresses import address_of, addresses_of
from provision.apps.reading import apps_of
from provision.errors import ConfigErrors, ProvError
from provision.inventory import Inventory, InventoryHost
from provision.roles.project import resolve
from provision.sources.manifests import Manifests

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
    (balanced,) = Fleet(found, no_roles).balanced(found.hosts["lb1"])
    assert balanced.app.domains == ("shop.example",)
    assert [host.name for host in balanced.hosts] == ["web1", "web2"]
    assert (balanced.balance.method, balanced.balance.front) == ("least_conn", "nginx")


def test_who_stands_before_whom(tmp_path: Path) -> None:
    found = given(tmp_path, "{shop: {hosts: web, weights: {web1: 3}, backup: [web2]}}")
    whole = Fleet(found, no_roles)
    assert [host.name for host in whole.balancers(found.hosts["web1"])] == ["lb1"]
    assert whole.balancers(found.hosts["lb1"]) == whole.balancers(found.hosts["old1"]) == ()


def test_hosts_reach_each_other_by_their_inner_addresses(tmp_path: Path) -> None:
    hosts = given(tmp_path, "{shop: web}").hosts
    assert [address_of(hosts[name]) for name in ("web1", "web2")] == ["192.0.2.1", "10.0.0.2"]
    with pytest.raises(ProvError, match="lab host db1 is not known, as it is not up"):
        address_of(hosts["db1"])
    assert addresses_of([hosts["db1"], hosts["web1"]]) == ["192.0.2.1"]


BAD = {
    "[shop]": "balance: must be a mapping of applications to hosts, not a list",
    "{shop: nobody}": "balance.shop.hosts: no host or group 'nobody'.",
    "{shop: {hosts: 'web,db1'}}": "balance.shop.hosts: db1 has no application 'shop'",
    "{shop: {hosts: 'web,old1'}}": "balance.shop.hosts: web1 and old1 differ in domains, tls or path of 'shop'",
    "{shop: {hosts: web, method: fastest}}": "balance.shop.method: 'fastest' is not one of round_robin, least_conn, "
    "ip_hash.",
    "{shop: {hosts: web, weights: {web3: 2}}}": "balance.shop.weights: 'web3' is not one of its hosts (web1, web2). "
    "Did you mean 'web2'?",
    "{shop: {hosts: web, weights: {web1: 0}}}": "balance.shop: a weight must be at least 1; to exclude a host, "
    "remove it from `hosts`",
    "{shop: {hosts: web, backup: [web1, web2]}}": "balance.shop.backup: every host is a backup; "
    "at least one must not be",
    "{shop: {hosts: web, method: ip_hash, backup: [web1]}}": "balance.shop: ip_hash has no backups: it always sends "
    "a client to the same host",
    "{shop: web, shop2: {hosts: web, front: apache}}": "balance.shop2.hosts: web1 has no application 'shop2'",
    "{}": "",
}


@pytest.mark.parametrize(("balance", "message"), BAD.items())
def test_bad_balances(tmp_path: Path, balance: str, message: str) -> None:
    found = given(tmp_path, balance)
    lb1 = found.hosts["lb1"]
    if not message:
        assert Fleet(found, no_roles).balanced(lb1) == ()
        return
    (error,) = errors(lambda: Fleet(found, no_roles).balanced(lb1))
    assert error == f"inv.yml:4 lb1.{message}"


def test_of_a_host_in_front_no_more_is_read_than_who_it_stands_before_and_where_it_is(tmp_path: Path) -> None:
    found = given(tmp_path / "a", "{shop: 'web,db1'}")
    assert [host.name for host in Fleet(found, no_roles).balancers(found.hosts["web1"])] == ["lb1"]
    with pytest.raises(ConfigErrors, match="db1 has no application 'shop'"):
        Fleet(found, no_roles).balanced(found.hosts["lb1"])
    for line in ("ansible_port: http", "internal_address: '10.0.0.1; return 200'"):
        found = given(tmp_path / line[:3], f"{{shop: web}}\n          {line}")
        (error,) = errors(lambda found=found: Fleet(found, no_roles).balancers(found.hosts["web1"]))  # type: ignore[misc]
        assert error.startswith(f"inv.yml:5 lb1.{line.split(':')[0]}: ")


@pytest.mark.parametrize("target", ["web1", "lb1"])
def test_what_is_wrong_between_hosts_is_found_before_the_first_connection(
    tmp_path: Path, target: str
) -> None:
    found = given(tmp_path, "{shop: nobody}")
    (error,) = errors(lambda: resolve([found.hosts[target]], project=tmp_path))
    assert error.startswith("inv.yml:4 lb1.balance.shop.hosts: no host or group 'nobody'.")


def test_each_host_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = given(tmp_path, "{shop: web}")
    read: list[str] = []

    def noted(host: InventoryHost, manifests: Manifests) -> list[Application]:
        read.append(host.name)
        return apps_of(host, manifests)

    monkeypatch.setattr(fleet, "apps_of", noted)
    resolved = {a.host.name: a.served for a in resolve(found.select("front,web"), project=tmp_path)}
    assert sorted(read) == ["lb1", "web1", "web2"]
    assert resolved["lb1"].balanced[0].app is resolved["web1"].apps[0]
    assert [host.name for host in resolved["web2"].balancers] == ["lb1"]
    read.clear()
    resolve([found.hosts["web1"]], project=tmp_path)
    assert read == ["web1"], "others are read only as far as the target needs them"
