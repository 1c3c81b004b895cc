"""How long prov takes to read a large inventory, and how much memory."""

from __future__ import annotations

from pathlib import Path

from bench.lab import Bench
from bench.log import say
from bench.measure import Command, run
from bench.record import alternating
from bench.tools.prov import PROV

PART = "inventory"
#: hosts, and groups that they are in
SIZES = ((1_000, 50), (100_000, 5_000))
REGIONS = 10


def measure(bench: Bench) -> None:
    """The hosts of a group, and all hosts and groups with their variables, of inventories in INI and YAML."""
    bench.record.begin(PART)
    cases: dict[str, tuple[Path, list[str]]] = {}
    for hosts, groups in SIZES:
        for name, text in (("hosts.ini", as_ini(hosts, groups)), ("hosts.yml", as_yaml(hosts, groups))):
            file = bench.folder() / name
            file.write_text(text)
            (file.parent / "group_vars").mkdir(exist_ok=True)
            (file.parent / "group_vars/all.yml").write_text("domain: example.com\nfqdn: '{{ domain }}'\n")
            kind = file.suffix[1:].upper().replace("YML", "YAML")
            cases[f"{hosts:,} hosts in {groups:,} groups, {kind}, one group"] = file, ["g1"]
            cases[f"{hosts:,} hosts in {groups:,} groups, {kind}, --list"] = file, ["--list"]

    def once(name: str) -> None:
        file, words = cases[name]
        done = run(Command([str(PROV), "hosts", "-i", str(file), *words], {}, file.parent), timeout=120)
        bench.record.add(PART, case=name, seconds=done.seconds, cpu=done.cpu, memory=done.rss)

    alternating(list(cases), bench.rounds, once)
    say(f"{PART}: done")


def members(hosts: int, groups: int) -> dict[str, list[str]]:
    """The hosts of each group."""
    each = hosts // groups
    return {f"g{n}": [f"host{n * each + i:06}" for i in range(each)] for n in range(groups)}


def as_ini(hosts: int, groups: int) -> str:
    """An inventory with three variables for each host, one for each group, and regions of groups."""
    found: list[str] = []
    for number, (group, names) in enumerate(members(hosts, groups).items()):
        found += [
            f"[{group}]",
            *(f"{name} ansible_host=192.0.2.{i} rack={number} tier='a b'" for i, name in enumerate(names)),
        ]
        found += [f"[{group}:vars]", f"level={number}"]
    for region in range(REGIONS):
        found += [f"[region{region}:children]", *(f"g{n}" for n in range(region, groups, REGIONS))]
    return "\n".join(found) + "\n"


def as_yaml(hosts: int, groups: int) -> str:
    """The same in YAML."""
    found = ["all:", "  children:"]
    for region in range(REGIONS):
        found += [f"    region{region}:", "      children:"]
        found += [f"        g{n}:" for n in range(region, groups, REGIONS)]
    for number, (group, names) in enumerate(members(hosts, groups).items()):
        found += [f"{group}:", "  vars:", f"    level: {number}", "  hosts:"]
        for i, name in enumerate(names):
            found += [
                f"    {name}:",
                f"      ansible_host: 192.0.2.{i}",
                f"      rack: {number}",
                "      tier: a b",
            ]
    return "\n".join(found) + "\n"
