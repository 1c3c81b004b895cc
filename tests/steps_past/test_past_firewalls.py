"""Rules of firewalls that administrators and other programs have made, in network namespaces that last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from forked import Host, Hosts
from hypothesis import example
from hypothesis import strategies as st
from past import drawn, hold
from pictures import Picture

from provision.steps.nftables import Firewall, OwnTable
from provision.steps.ufw import Ufw

MAIN = [
    "#!/usr/sbin/nft -f",
    "flush ruleset",
    "# Fr\xfchling",
    'include "/etc/nftables.d/other.nft"',
    "table ip mine { }",
]
#: what is in the kernel besides, by hand or of another program
BESIDE = [
    "add table inet filter",
    "add table ip nat; add chain ip nat o { type nat hook postrouting priority 100 ; }; add rule ip nat o masquerade",
    "add table ip6 prov",
    "add table inet prov; add chain inet prov input; add rule inet prov input tcp dport 81 accept",
]
OPENINGS = ["80", "8000-8010/udp", "5432 from 10.0.0.0/8", "443 from 2001:db8::/32", "any on wg0"]
openings = st.lists(st.sampled_from(OPENINGS), max_size=3, unique=True)


def kernel(host: Host) -> dict[str, Any]:
    """The tables that the kernel has."""
    return tables(host.tells("nft", "-j", "list", "ruleset"))


def tables(ruleset: str) -> dict[str, Any]:
    """What nft says in JSON: table -> chains and rules, without the handles and counts."""

    def bare(what: Any) -> Any:
        if isinstance(what, dict):
            return {k: bare(v) for k, v in what.items() if k not in ("handle", "packets", "bytes")}
        return [bare(each) for each in what] if isinstance(what, list) else what

    found: dict[str, Any] = {}
    for each in json.loads(ruleset)["nftables"]:
        ((kind, what),) = each.items()
        if kind != "metainfo":
            name = what["name"] if kind == "table" else what["table"]
            found.setdefault(f"{what['family']} {name}", []).append((kind, bare(what)))
    return found


def pictured(host: Host, *paths: str) -> Picture:
    """Files, and all rules in the kernel."""

    def look() -> Picture:
        files = [at for path in paths for at in [Path(path), *sorted(Path(path).rglob("*"))] if at.is_file()]
        return {str(at): (at.stat().st_mode, at.read_bytes(), "") for at in files}

    return {**host.sees(look), "kernel": (kernel(host), "")}


def deciding(rules: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What of a table decides on packets.

    Not the empty chains, and jumps to them, that ufw leaves when it is off; nor chains that no rule leads to: ufw
    makes some with its first rule, and never removes them.
    """
    while True:
        reached = {
            (part.get(verb) or {}).get("target")
            for kind, what in rules
            if kind == "rule"
            for part in what["expr"]
            for verb in ("jump", "goto")
        }
        filled = {what["chain"] for kind, what in rules if kind == "rule"}
        empty = {
            what["name"]
            for kind, what in rules
            if kind == "chain"
            and (
                (what["name"] not in filled and what.get("policy", "accept") == "accept")
                or ("hook" not in what and what["name"] not in reached)
            )
        }
        left = [
            (kind, what)
            for kind, what in rules
            if not (kind == "chain" and what["name"] in empty)
            and not (kind == "rule" and what["chain"] in empty)
            and not (kind == "rule" and what["expr"][-1].get("jump", {}).get("target") in empty)
        ]
        if left == rules:
            return [] if all(kind == "table" for kind, _ in rules) else rules
        rules = left


def nft_host(hosts: Hosts, main: list[str], beside: list[str]) -> Host:
    host = hosts.new("/etc", kept=True)
    host.write("/etc/nftables.d/other.nft", "table ip other { }\n")
    host.write("/etc/nftables.conf", "".join(line + "\n" for line in main).encode("latin-1"))
    for rules in beside:
        host.write("/etc/beside.nft", rules.replace("; add", "\nadd") + "\n")
        host.sh("nft -f /etc/beside.nft; rm /etc/beside.nft")
    return host


def admits(rules: list[tuple[str, Any]]) -> set[int]:
    """The single TCP ports that the rules accept from everywhere."""
    found = set()
    for kind, what in rules:
        if kind == "rule" and any("accept" in each for each in what["expr"]):
            matches = [each["match"] for each in what["expr"] if "match" in each]
            if len(matches) == 1 and isinstance(matches[0]["right"], int):
                found.add(matches[0]["right"])
    return found


@drawn(
    main=st.lists(st.sampled_from(MAIN), max_size=4, unique=True),
    beside=st.lists(st.sampled_from(BESIDE), max_size=3, unique=True),
    ports=openings,
    denied=st.sampled_from([[], ["443 from 203.0.113.0/24"]]),
    present=st.sampled_from([True, True, True, False]),
)
def test_firewall(
    hosts: Hosts, main: list[str], beside: list[str], ports: list[str], denied: list[str], present: bool
) -> None:
    host = nft_host(hosts, main, beside)
    before = kernel(host)
    step = Firewall(ports, denied=denied) if present else Firewall(present=False)

    def is_so() -> None:
        now = kernel(host)
        assert {k: v for k, v in now.items() if k != "inet prov"} == {
            k: v for k, v in before.items() if k != "inet prov"
        }
        assert ("inet prov" in now) == present
        if present:
            assert {22, *(int(each) for each in ports if each.isdigit())} <= admits(now["inet prov"])
            assert 81 not in admits(now["inet prov"])
            # at the next boot as well
            boot = "nft -f /etc/nftables.conf; nft -j list ruleset"
            assert tables(host.tells("unshare", "--net", "sh", "-ec", boot))["inet prov"] == now["inet prov"]

    look = lambda: pictured(host, "/etc/nftables.conf", "/etc/nftables.d")  # noqa: E731
    # rules that another program had in a table of this name are not kept
    kept = not any("inet prov" in rules for rules in beside)
    held = hold(host, step, effect=is_so, picture=look, undone=kept)
    assert not held.failed


@drawn(
    main=st.lists(st.sampled_from(MAIN), max_size=4, unique=True),
    beside=st.lists(st.sampled_from(BESIDE), max_size=2, unique=True),
    name=st.sampled_from(["nat", "own"]),
    content=st.sampled_from(['chain out {\n oifname "e0" accept\n}', "set seen { type ipv4_addr; }", ""]),
)
def test_table(hosts: Hosts, main: list[str], beside: list[str], name: str, content: str) -> None:
    host = nft_host(hosts, main, beside)
    before = kernel(host)
    theirs = f"ip {name}" in before
    look = lambda: pictured(host, "/etc/nftables.conf", "/etc/nftables.d")  # noqa: E731
    held = hold(host, OwnTable(name, content, "ip"), picture=look)
    assert bool(held.failed) == (theirs and bool(content)), held.failed
    now = held.after["kernel"][0]
    assert {k: v for k, v in now.items() if k != f"ip {name}"} == {
        k: v for k, v in before.items() if k != f"ip {name}"
    }
    assert theirs or (f"ip {name}" in now) == bool(content)
    for line in main:
        assert line.encode("latin-1") in held.after["/etc/nftables.conf"][1]


UFW = [
    "limit 22/tcp", "deny 80", "allow 80/tcp comment 'a page'", "reject 5432", "allow from 10.0.0.0/8", "deny in on lo",
    "deny from 203.0.113.7 to any port 80", "allow out 53", "default allow incoming", "allow 99/tcp", "--force enable",
]  # fmt: skip


def ufw_host(hosts: Hosts, commands: list[str], six: bool) -> Host:
    """ufw as after its installation, and then as commands have left it."""
    host = hosts.new("/etc", kept=True)
    defaults = "\n".join(
        ["DEFAULT_INPUT_POLICY=\"DROP\"", "DEFAULT_OUTPUT_POLICY=\"ACCEPT\"", "DEFAULT_FORWARD_POLICY=\"DROP\"",
         "DEFAULT_APPLICATION_POLICY=\"SKIP\"", "MANAGE_BUILTINS=no", "IPT_SYSCTL=", "IPT_MODULES=\"\""]
    )  # fmt: skip
    host.write("/etc/default/ufw", f"IPV6={'yes' if six else 'no'}\n{defaults}\n")
    host.write("/etc/ufw/ufw.conf", "ENABLED=no\nLOGLEVEL=low\n")
    host.sh("cp /usr/share/ufw/iptables/* /etc/ufw; mkdir -p /etc/ufw/applications.d")
    for each in commands:
        host.sh(f"ufw {each} >/dev/null")
    if "--force enable" in commands:
        # as at each boot: with its first limit for IPv6, ufw leaves out rules that it has in its file
        host.sh("ufw reload >/dev/null")
    return host


def rules_of(host: Host) -> list[str]:
    """What ufw has by its own files."""
    text = host.read("/etc/ufw/user.rules").decode() + host.read("/etc/ufw/user6.rules").decode()
    return [line for line in text.splitlines() if line.startswith("### tuple ###")]


@example(commands=["--force enable"], six=True, ports=[], exclusive=False, enabled=True)
@example(commands=["deny 80", UFW[2]], six=True, ports=["80"], exclusive=False, enabled=True)
@example(commands=["--force enable", "limit 22/tcp"], six=True, ports=[], exclusive=True, enabled=False)
@example(commands=[], six=False, ports=["80"], exclusive=False, enabled=True)
@drawn(
    commands=st.lists(st.sampled_from(UFW), max_size=5, unique=True),
    six=st.sampled_from([True, True, False]),
    ports=st.lists(
        st.sampled_from(["80", "5432 from 10.0.0.0/8", "any on wg0", "53/udp"]), max_size=2, unique=True
    ),
    exclusive=st.booleans(),
    enabled=st.sampled_from([True, True, True, False]),
)
def test_ufw(
    hosts: Hosts, commands: list[str], six: bool, ports: list[str], exclusive: bool, enabled: bool
) -> None:
    host = ufw_host(hosts, commands, six)
    step = Ufw(ports, exclusive) if enabled else Ufw(enabled=False)
    before = rules_of(host)

    def is_so() -> None:
        assert ("Status: active" in host.tells("ufw", "status")) == enabled
        if enabled:
            shown = host.tells("iptables", "-S")
            assert "-P INPUT DROP" in shown
            now = rules_of(host)
            if not exclusive:
                # one that is an opening, and came behind a denial, is moved before that
                assert sorted(line for line in now if line in before) == sorted(before)
            assert any(" tcp 22 " in line for line in now)
        else:
            assert rules_of(host) == before

    def look() -> Picture:
        found = pictured(host, "/etc/ufw", "/etc/default/ufw")
        rules = {name: deciding(table) for name, table in found["kernel"][0].items()}
        return {**found, "kernel": ({name: table for name, table in rules.items() if table}, "")}

    hold(host, step, effect=is_so, picture=look)
