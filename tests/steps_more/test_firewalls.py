"""nftables in a network namespace of the agent's own; ufw with a tool that keeps its records only."""

from __future__ import annotations

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Step
from provision.steps.nftables import Firewall
from provision.steps.support.ports import Opening, parse_opening
from provision.steps.ufw import Ufw

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


def test_rules_that_nft_refuses_are_never_in_place(bench: Bench) -> None:
    bench.over("/etc")
    (bench.root / "etc/nftables.conf").write_text(MAIN)
    bench.fails(Firewall(rules=["tcp dport no-such-service accept"]), "judging the new", plan=False)
    assert not (bench.root / "etc/nftables.d/prov.nft").exists()
    bench.script += "rm -f /etc/nftables.conf && "
    bench.fails(Firewall(["80"]), "nftables is not installed")


UFW = r"""
echo "$@" >> /etc/ufw/asked
case "$1 $2" in
  "--force enable") sed -i s/ENABLED=.*/ENABLED=yes/ /etc/ufw/ufw.conf ;;
  "disable "*) sed -i s/ENABLED=.*/ENABLED=no/ /etc/ufw/ufw.conf ;;
  "default deny") sed -i 's/^DEFAULT_INPUT.*/DEFAULT_INPUT_POLICY="DROP"/' /etc/default/ufw ;;
  "delete allow") sed -i "/allow $4 ${10} /d" /etc/ufw/user.rules /etc/ufw/user6.rules ;;
  "allow proto")
    [ "$5" = any ] && v4=0.0.0.0/0 v6=::/0 || case $5 in *:*) v4= v6=$5 ;; *) v4=$5 v6= ;; esac
    [ -z "$v4" ] || echo "### tuple ### allow $3 $9 0.0.0.0/0 any $v4 in" >> /etc/ufw/user.rules
    [ -z "$v6" ] || echo "### tuple ### allow $3 $9 ::/0 any $v6 in" >> /etc/ufw/user6.rules ;;
esac
"""


def test_ufw_opens_ssh_before_it_closes_anything(bench: Bench) -> None:
    bench.over("/etc")
    bench.tool("ufw", UFW)
    folder = bench.root / "etc/ufw"
    folder.mkdir()
    (bench.root / "etc/default").mkdir()
    (folder / "ufw.conf").write_text("ENABLED=no\nLOGLEVEL=low\n")
    (folder / "user.rules").write_text("### tuple ### allow tcp 99 0.0.0.0/0 any 0.0.0.0/0 in\n")
    (folder / "user6.rules").write_text("")
    (bench.root / "etc/default/ufw").write_text('DEFAULT_INPUT_POLICY="ACCEPT"\n')
    bench.cycle(Ufw(OPENINGS))
    asked = (folder / "asked").read_text().splitlines()
    assert asked[0] == "allow proto tcp from any to any port 22"
    assert asked[-2:] == ["default deny incoming", "--force enable"]
    (folder / "user6.rules").write_text("")
    assert [c.what for c in bench.cycle(Ufw(OPENINGS)).diff] == ["opening"] * 4
    assert next(c.before for c in bench.cycle(Ufw(OPENINGS, exclusive=True)).diff).startswith("allow tcp 99")
    bench.cycle(Ufw(enabled=False))


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
        (Firewall(["80"], present=False), "no sense"),
        (Ufw(["80/icmp"]), "not an opening"),
        (Ufw("80"), "list"),
        (Ufw(["80"], enabled=False), "no sense"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
