"""Lets the lab's packets through this machine's own firewall, where one drops what it does not know.

A verdict "accept" counts for its own table only: where Docker, ufw or an administrator has a chain on the
forward hook with the policy drop, the lab's packets must be accepted in that chain itself. The rules carry
the lab's tag as their comment and go with the lab.
Source: nft(8), "VERDICT STATEMENTS"; libnftables-json(5).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from provision.lab import commands


def _objects(kind: str) -> Iterator[dict[str, Any]]:
    """The chains, or the rules, of all tables."""
    listing = json.loads(commands.run(["nft", "--json", "list", "ruleset"]))
    for entry in listing["nftables"]:
        if kind in entry:
            yield entry[kind]


def open_for(bridge: str) -> None:
    """Accept what comes from and goes to the bridge in every forward chain that drops by default. Idempotent."""
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


def _own_rules(bridge: str) -> list[dict[str, Any]]:
    return [rule for rule in _objects("rule") if rule.get("comment") == bridge]


def _apply(lines: list[str]) -> None:
    if lines:
        commands.run(["nft", "-f", "-"], stdin="".join(f"{line}\n" for line in lines))
