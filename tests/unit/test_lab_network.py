"""Subnets, addresses, forwarding and firewalls of the lab, without touching the machine's."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from provision.errors import LabError
from provision.lab import firewall, forwarding, network, programs_run


def test_a_subnet_in_use_is_not_chosen() -> None:
    used = [IPv4Network("10.0.0.0/8"), IPv4Network("172.29.213.5/32")]
    assert network.choose(used) == IPv4Network("172.26.87.0/24")
    assert network.choose([]) == IPv4Network("10.213.77.0/24")


def test_there_are_subnets_for_many_labs() -> None:
    taken: list[IPv4Network] = []
    for _ in range(300):
        taken.append(network.choose(taken))
    assert len(set(taken)) == 300
    assert all(subnet.is_private and subnet.prefixlen == 24 for subnet in taken)
    assert len(list(network.candidates())) == len(set(network.candidates()))


def test_no_free_subnet_is_said() -> None:
    with pytest.raises(LabError, match=r"all of 10\.213\.0\.0/16, .*192\.168\.128\.0/17") as caught:
        network.choose([IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")])
    assert "ip -4 route" in caught.value.hint


def test_addresses_are_the_lowest_free_ones_until_there_are_none() -> None:
    subnet = IPv4Network("192.0.2.0/24")
    assert network.free_address(subnet, []) == "192.0.2.11"
    assert network.free_address(subnet, ["192.0.2.11", "192.0.2.13"]) == "192.0.2.12"
    with pytest.raises(LabError):
        network.free_address(subnet, [f"192.0.2.{n}" for n in range(11, 255)])


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for /proc/sys/net/ipv4/conf and /sys/class/net."""
    for name in ("all", "eth0", "wlan0", "prov-a", "prov-b"):
        (tmp_path / "conf" / name).mkdir(parents=True)
        (tmp_path / "conf" / name / "forwarding").write_text("0\n")
    monkeypatch.setattr(forwarding, "STATE", tmp_path / "run")
    monkeypatch.setattr(forwarding, "_SETTINGS", tmp_path / "conf")
    monkeypatch.setattr(forwarding, "_INTERFACES", tmp_path / "conf")
    return tmp_path / "conf"


def is_open(settings: Path, name: str) -> bool:
    return (settings / name / "forwarding").read_text().strip() == "1"


def gone(settings: Path, bridge: str) -> None:
    (settings / bridge / "forwarding").unlink()
    (settings / bridge).rmdir()


def test_the_last_lab_restores_what_the_first_one_changed(settings: Path) -> None:
    (settings / "wlan0/forwarding").write_text("1\n")
    forwarding.open_for("prov-a", ["eth0", "wlan0"])
    forwarding.open_for("prov-b", ["eth0", "wlan0"])
    forwarding.open_for("prov-b", ["eth0", "wlan0"])
    gone(settings, "prov-a")
    forwarding.close_for("prov-a")
    assert is_open(settings, "eth0")
    gone(settings, "prov-b")
    forwarding.close_for("prov-b")
    assert not is_open(settings, "eth0")
    assert is_open(settings, "wlan0"), "it forwarded before"
    assert not is_open(settings, "all")
    assert not forwarding.STATE.exists()


def test_a_lab_that_vanished_does_not_hold_an_uplink_open(settings: Path) -> None:
    forwarding.open_for("prov-a", ["eth0"])
    forwarding.open_for("prov-b", ["eth0"])
    gone(settings, "prov-a")
    gone(settings, "prov-b")
    forwarding.close_for("prov-b")
    assert not is_open(settings, "eth0")


def test_forwarding_that_somebody_turned_on_for_all_meanwhile_stays(settings: Path) -> None:
    forwarding.open_for("prov-a", ["eth0"])
    (settings / "all/forwarding").write_text("1\n")
    gone(settings, "prov-a")
    forwarding.close_for("prov-a")
    assert is_open(settings, "eth0")
    assert not forwarding.STATE.exists()


def test_firewalls_that_drop_are_opened_once_and_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def chain(table: str, **more: str) -> dict[str, object]:
        return {"chain": {"family": "ip", "table": table, "name": "FORWARD", "handle": 1, **more}}

    def rule(handle: int) -> dict[str, object]:
        where = {"family": "ip", "table": "filter", "chain": "FORWARD"}
        return {"rule": {**where, "handle": handle, "comment": "prov-lab", "expr": []}}

    ruleset: list[dict[str, object]] = [
        {"metainfo": {}},
        chain("filter", hook="forward", policy="drop"),
        chain("open", hook="forward", policy="accept"),
        chain("in", hook="input", policy="drop"),
        chain("bridged", family="bridge", hook="forward", policy="drop"),
        chain("plain"),
    ]
    applied: list[str] = []

    def run(argv: list[str], *, stdin: str = "") -> str:
        if argv == ["nft", "-f", "-"]:
            applied.extend(stdin.splitlines())
            return ""
        return json.dumps({"nftables": ruleset})

    monkeypatch.setattr(programs_run, "run", run)
    firewall.open_for("prov-lab")
    assert applied == [
        'insert rule ip filter FORWARD iifname "prov-lab" accept comment "prov-lab"',
        'insert rule ip filter FORWARD oifname "prov-lab" accept comment "prov-lab"',
    ]
    ruleset += [rule(7), rule(8)]
    applied.clear()
    firewall.open_for("prov-lab")
    assert applied == []
    firewall.close_for("prov-lab")
    assert applied == ["delete rule ip filter FORWARD handle 7", "delete rule ip filter FORWARD handle 8"]
