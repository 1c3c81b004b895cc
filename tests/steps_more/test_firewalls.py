"""nftables in a network namespace of the agent's own."""

from __future__ import annotations

import pytest
from steps_bench import Bench, refuses

from provision.controller.outcome import Outcome
from provision.steps.base import Step
from provision.steps.nftables import Firewall, OwnTable
from provision.steps.support.ports import Opening, parse_opening

MAIN = "#!/usr/sbin/nft -f\nflush ruleset\n"
OPENINGS = ["80", "8000-8010/udp", "5432 from 10.0.0.0/8", "443 from 2001:db8::/32"]


def test_openings() -> None:
    assert parse_opening("443") == Opening(443, 443, "tcp", "")
    assert parse_opening("8000-8010/udp from 10.0.0.1") == Opening(8000, 8010, "udp", "10.0.0.1/32")


def test_nftables_loads_in_one_transaction_and_again_after_drift(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_text(MAIN)
    step, gone = Firewall(OPENINGS, rules=["tcp dport { 7, 9 } drop"]), Firewall(present=False)
    planned = bench.run(step, step, gone, gone, plan=True)
    assert [o.state for o in planned] == ["changed", "ok", "changed", "ok"], [o.error for o in planned]
    assert not (bench.root / "etc/nftables.d").exists()
    real = bench.run(step, step, gone, gone)
    assert [o.state for o in real] == ["changed", "ok", "changed", "ok"], [o.error for o in real]
    assert [o.diff for o in real] == [o.diff for o in planned]
    assert (bench.root / "etc/nftables.conf").read_text() == MAIN
    again = bench.run(step, Firewall(["80"]), step)
    assert [o.diff[-1][:3] for o in again] == [
        ("loaded", "no", "10 rules"),
        ("loaded", "older rules", "6 rules"),
        ("loaded", "older rules", "10 rules"),
    ]
    assert (bench.root / "etc/nftables.conf").read_text() == MAIN + 'include "/etc/nftables.d/prov*.nft"\n'
    text = (bench.root / "etc/nftables.d/prov.nft").read_text()
    assert "tcp dport 22 accept" in text and "policy drop" in text


def test_nftables_sees_what_somebody_has_changed(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_text(MAIN)
    bench.run(Firewall(["80"]))
    bench.script += "nft -f /etc/nftables.conf && nft add rule inet prov input tcp dport 81 accept && "
    assert [c[:3] for c in bench.run(Firewall(["80"]))[0].diff] == [("loaded", "other rules", "6 rules")]
    bench.script += "nft delete table inet prov && nft -f /etc/nftables.conf && "
    bench.settled(Firewall(["80"]))


@pytest.mark.parametrize(
    "changed",
    [
        # as many rules as before
        "replace rule inet prov input handle {last} tcp dport 1-65535 accept",
        "add set inet prov mine '{{ type ipv4_addr; }}'",
        "add chain inet prov input '{{ policy accept; }}'",
    ],
)
def test_nftables_compares_what_its_rules_do(bench: Bench, changed: str) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_text(MAIN)
    # words of programs, and of former versions of prov, in the comment of a rule
    words = 'tcp dport 7 counter accept comment "policy drop; prov 0123456789abcdef"'
    step = Firewall(rules=[words, "tcp dport 80 accept"])
    bench.run(step)
    plain = bench.script + "nft -f /etc/nftables.conf && "
    bench.script = plain
    bench.settled(step)
    last = "$(nft -a list table inet prov | sed -n 's/.*dport 80 .*handle //p')"
    bench.script = plain + f"nft {changed.format(last=last)} && "
    planned, again = bench.run(step, step, plan=True)
    real, after = bench.run(step, step)
    assert [c[:3] for c in real.diff] == [("loaded", "other rules", "7 rules")] and real.diff == planned.diff
    assert (again.state, after.state) == ("ok", "ok")


def test_nftables_limits_and_denies(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_bytes(MAIN.encode() + b"# Fr\xfchling\n")
    step = Firewall(
        ["any on wg0", "any/udp from 10.0.0.0/8", "443"], limited=["2222"], denied=["443 from 203.0.113.0/24"]
    )
    done = planned_then_done_in(bench, step)
    assert [c[:3] for c in done.diff if c.what == "loaded"] == [("loaded", "no", "12 rules")]
    assert (bench.root / "etc/nftables.conf").read_bytes().startswith(MAIN.encode() + b"# Fr\xfchling\n")
    bench.fails(Firewall(denied=["22 from 0.0.0.0/0", "22"]), "22/tcp can't be denied")


def test_an_own_table_beside_those_of_others(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_text(MAIN)
    bench.script += "nft add table ip nat && "
    chain = 'chain out {\n type nat hook postrouting priority srcnat\n oifname "e0" masquerade\n}'
    bench.fails(OwnTable("nat", chain, family="ip"), "and prov did not make it")
    own = OwnTable("own", "set seen { type ipv4_addr; flags timeout; timeout 1h; }\n" + chain)
    planned_then_done_in(bench, own)
    planned_then_done_in(bench, Firewall(["80"]))
    plain = bench.script + "nft -f /etc/nftables.conf && "
    bench.script = plain + "nft add element inet own seen '{ 10.0.0.1 }' && "
    bench.settled(own)
    bench.script = plain
    main = bench.root / "etc/nftables.conf"
    bench.run(Firewall(present=False))
    assert main.read_text().startswith(MAIN) and "include" in main.read_text(), (
        "the other table still needs it"
    )
    assert [c.what for c in bench.run(OwnTable("own", ""))[0].diff] == ["removed", "content", "loaded"]
    assert main.read_text() == MAIN


def planned_then_done_in(bench: Bench, step: Step) -> Outcome:
    """Planned and deployed twice each, by agents whose kernel has no rules yet."""
    planned, settled = bench.run(step, step, plan=True)
    real, again = bench.run(step, step)
    assert [o.error for o in (planned, settled, real, again)] == [None] * 4
    assert real.diff == planned.diff and [settled.state, again.state] == ["ok", "ok"]
    return real


def test_rules_that_nft_refuses_are_never_in_place(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_text(MAIN)
    bench.fails(Firewall(rules=["tcp dport no-such-service accept"]), "judging the new")
    assert not (bench.root / "etc/nftables.d/prov.nft").exists()
    bench.script += "rm -f /etc/nftables.conf && "
    bench.fails(Firewall(["80"]), "nftables is not installed")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Firewall(["http"]), "not an opening"),
        (Firewall(["0"]), "1 to 65535"),
        (Firewall(["90-80"]), "smaller one first"),
        (Firewall(["80 from 10.0.0.1/8"]), "host bits"),
        (Firewall("80"), "lists"),
        (Firewall(["80\n"]), "not an opening"),
        (Firewall(rules=["accept\ndrop"]), "one line"),
        (Firewall(rules=["accept }"]), "complete"),
        (Firewall(rules=["tcp dport { 1, 2 drop"]), "complete"),
        (Firewall(["80"], present=False), "cannot be combined"),
        (Firewall(["80"], denied=["80"]), "can't be denied"),
        (Firewall(limited=["any on eth0"]), "ports of tcp or udp"),
        (OwnTable("prov", "x"), "nftables.firewall"),
        (OwnTable("a b", "x"), "name of a table"),
        (OwnTable("a", "chain x {"), "complete"),
        (OwnTable("a", "x", family="ipx"), "family"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "ip saddr 10.0.0.0/8 ip6 daddr fd00::1 accept",
            "ip saddr 10.0.0.0/8 is IPv4 and ip6 daddr fd00::1 is IPv6",
        ),
        ("ip saddr != fd00::1 drop", "ip saddr != fd00::1 is IPv4 and fd00::1 is IPv6"),
        ("ip6 daddr { ::1, 10.0.0.5 } drop", "is IPv6 and 10.0.0.5 is IPv4"),
        ("ip6 daddr fd00::1 tcp dport { 80, 443 } dnat ip to 10.0.0.5:80", "dnat ip to 10.0.0.5:80 is IPv4"),
        ("ip daddr 192.0.2.1 dnat to [fd00::1]:80", r"192.0.2.1 is IPv4 and dnat to \[fd00::1\]:80"),
    ],
)
def test_rules_of_both_families_are_refused(rule: str, message: str) -> None:
    refuses(Firewall(rules=[rule]), message)
    refuses(OwnTable("a", f"chain x {{\n  ct state new accept\n  {rule}\n}}"), message)


def test_tables_of_one_family_take_no_other() -> None:
    refuses(
        OwnTable("a", "chain x { ip6 saddr ::1 drop; }", family="ip"),
        "the table's family ip is IPv4 and ip6 saddr ::1 is IPv6",
    )
    refuses(
        OwnTable("a", "set x {\n type ipv6_addr\n flags interval\n elements = { ::1, 10.0.0.0/8 }\n}"),
        "a set of type ipv6_addr is IPv6 and 10.0.0.0/8 is IPv4",
    )


def test_both_families_side_by_side_are_taken() -> None:
    inner = """
        set four { type ipv4_addr; elements = { 10.0.0.1 }; }
        set six {
            type ipv6_addr; elements = { ::1 }
        }
        chain input { ip saddr 10.0.0.1 accept; ip6 saddr ::1 drop; }
        chain more {
            ip saddr { 10.0.0.1,
                       10.0.0.2-10.0.0.9 } accept  # ip6 saddr ::1 is elsewhere
            ip6 daddr ::1 log prefix "ip saddr 10.0.0.1 "
            ip6 saddr . tcp dport { ::1 . 22 } drop
        }
    """
    OwnTable("a", inner).validate()
    OwnTable(
        "a", "chain x { ether saddr 02:00:00:00:00:01 ip saddr 10.0.0.1 drop; }", family="bridge"
    ).validate()
