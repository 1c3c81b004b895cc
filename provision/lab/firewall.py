"""Let the lab's packets through this machine's own firewall, if it drops unknown packets.

A verdict "accept" counts for its own table only. If Docker, ufw or an administrator has a chain on the
forward hook with the policy drop, that chain must accept the lab's packets itself. The rules have the lab's
tag as their comment, and are removed with the lab.
Source: nft(8), "VERDICT STATEMENTS"; libnftables-json(5).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from provision.lab import programs_run

# the tables of libvirt since 10.4
_LIBVIRTS = {"ip libvirt_network", "ip6 libvirt_network"}


def _objects(kind: str) -> Iterator[dict[str, Any]]:
    """Return the chains, or the rules, of all tables."""
    listing = json.loads(programs_run.run(["nft", "--json", "list", "ruleset"]))
    for entry in listing["nftables"]:
        if kind in entry:
            yield entry[kind]


def open_for(bridge: str) -> None:
    """Accept packets from and to the bridge in every forward chain that drops by default. Idempotent."""
    done = {(rule["family"], rule["table"], rule["chain"]) for rule in _own_rules(bridge)}
    lines = [
        f'insert rule {chain["family"]} {chain["table"]} {chain["name"]} {side} "{bridge}" accept comment "{bridge}"'
        for chain in _objects("chain")
        if chain.get("hook") == "forward"
        and chain.get("policy") == "drop"
        and chain["family"] in ("ip", "inet")
        if (chain["family"], chain["table"], chain["name"]) not in done
        for side in ("iifname", "oifname")
    ]
    _apply(lines)


def close_for(bridge: str) -> None:
    """Remove the rules that open_for() made."""
    _apply(
        [
            f"delete rule {rule['family']} {rule['table']} {rule['chain']} handle {rule['handle']}"
            for rule in _own_rules(bridge)
        ]
    )


def tables() -> list[str]:
    """Return the existing tables, as "ip filter"."""
    return [f"{table['family']} {table['name']}" for table in _objects("table")]


def remove_libvirts(before: Collection[str]) -> None:
    """Remove the chains that a libvirtd leaves behind when it exits, and the tables that came with them.

    before: the tables from before it started. Newer versions have tables of their own.
    """
    chains = [chain for chain in _objects("chain") if chain["name"].startswith("LIBVIRT_")]
    jumps = [rule for rule in _objects("rule") if _target(rule).startswith("LIBVIRT_")]
    _apply([f"delete rule {_place(rule)} handle {rule['handle']}" for rule in jumps])
    _apply([f"flush chain {_place(chain)}" for chain in chains])
    _apply([f"delete chain {_place(chain)}" for chain in chains])
    ruled = {f"{rule['family']} {rule['table']}" for rule in _objects("rule")}
    touched = {f"{chain['family']} {chain['table']}" for chain in chains} | _LIBVIRTS
    empty = [name for name in tables() if name in touched and name not in before]
    _apply([f"delete table {name}" for name in empty if name in _LIBVIRTS or name not in ruled])


def _place(thing: dict[str, Any]) -> str:
    return f"{thing['family']} {thing['table']} {thing.get('chain') or thing['name']}"


def _target(rule: dict[str, Any]) -> str:
    """Return the chain that a rule jumps to; "" if it does not jump."""
    jumps = [part["jump"] for part in rule.get("expr", ()) if "jump" in part]
    return str(jumps[0]["target"]) if jumps else ""


def _own_rules(bridge: str) -> list[dict[str, Any]]:
    return [rule for rule in _objects("rule") if rule.get("comment") == bridge]


def _apply(lines: list[str]) -> None:
    if lines:
        programs_run.run(["nft", "-f", "-"], stdin="".join(f"{line}\n" for line in lines))
