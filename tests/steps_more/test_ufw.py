"""ufw itself, in a network namespace of the agent's own, beside rules that an administrator has made."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Diff, Step
from provision.steps.support.ports import Opening, parse_opening
from provision.steps.support.ufw_rules import Rule, parsed, signatures, verdict
from provision.steps.ufw import Ufw
from provision.system.host import System

OPENINGS = ["80", "8000-8010/udp", "5432 from 10.0.0.0/8", "443 from 2001:db8::/32"]
#: of the package, before anybody has changed them
RULES = Path("/usr/share/ufw/iptables")
DEFAULTS = """\
IPV6=yes
DEFAULT_INPUT_POLICY="DROP"
DEFAULT_OUTPUT_POLICY="ACCEPT"
DEFAULT_FORWARD_POLICY="DROP"
DEFAULT_APPLICATION_POLICY="SKIP"
MANAGE_BUILTINS=no
IPT_SYSCTL=
IPT_MODULES=""
"""
PROFILES = """\
[Shell]
title=t
description=t
ports=22/tcp

[Shares]
title=t
description=t
ports=137,138/udp|139,445/tcp
"""

#: makes the past with words for ufw, and tells the rules that it has, those for IPv6 last
Past = Callable[..., None]


def tuples(bench: Bench) -> list[str]:
    folder = bench.root / "etc/ufw"
    lines = [
        line
        for name in ("user.rules", "user6.rules")
        for line in (folder / name).read_text().splitlines()
        if line.startswith("### tuple ### ")
    ]
    return [line.removeprefix("### tuple ### ") for line in lines]


@pytest.fixture
def past(bench: Bench) -> Past:
    """ufw as after its installation, in files of its own; each agent's namespace has the rules that it is to have."""
    bench.over("/etc")
    folder = bench.root / "etc/ufw"
    (folder / "applications.d").mkdir(parents=True)
    (folder / "applications.d/test").write_text(PROFILES)
    (folder / "ufw.conf").write_text("ENABLED=no\nLOGLEVEL=low\n")
    (bench.root / "etc/default").mkdir()
    (bench.root / "etc/default/ufw").write_text(DEFAULTS)
    for own in RULES.iterdir():
        (folder / own.name).write_bytes(own.read_bytes())

    def make(*commands: str) -> None:
        done = "".join(f"ufw {command} >/dev/null && " for command in commands)
        argv = ["unshare", "--mount", "--uts", "--net", "sh", "-c", f"{bench.script} {done} true"]
        subprocess.run(argv, check=True)

    # the kernel of a new namespace has no rules yet
    load = " && ".join(
        f"{each}tables-restore -n </etc/ufw/user{n}.rules" for each, n in (("ip", ""), ("ip6", 6))
    )
    bench.script += f"{{ ! grep -q ENABLED=yes /etc/ufw/ufw.conf || {{ {load}; }}; }} && "
    return make


def test_ssh_is_open_before_anything_is_closed(bench: Bench, past: Past) -> None:
    past("default allow incoming", "allow 99/tcp")
    done = bench.cycle(Ufw(OPENINGS))
    assert [c.what for c in done.diff] == ["opening"] * 5 + ["incoming", "enabled"]
    assert done.diff[0].after == "22/tcp"
    past("delete allow proto tcp from ::/0 to any port 80")
    assert [c.after for c in bench.cycle(Ufw(OPENINGS)).diff] == ["80/tcp"]
    assert [c.before for c in bench.cycle(Ufw(OPENINGS, exclusive=True)).diff] == [
        "allow tcp 99 0.0.0.0/0 any 0.0.0.0/0 in"
    ]
    assert len(tuples(bench)) == 4 + 4
    bench.cycle(Ufw(enabled=False))


def test_what_the_administrator_has_made_stays(bench: Bench, past: Past) -> None:
    past(
        "limit 22/tcp",
        "allow 53",
        "deny from 203.0.113.7 to any port 80",
        "allow in on lo to any port 7 proto udp",
    )
    before = tuples(bench)
    bench.cycle(Ufw(["80", "53/udp", "7/udp on lo"]))
    after = tuples(bench)
    assert [line for line in after if line in before] == before, "nothing of theirs has changed, nor moved"
    assert [line for line in after if line not in before] == [
        "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in",
        "allow tcp 80 ::/0 any ::/0 in",
    ]


@pytest.mark.parametrize(
    "denied",
    [
        "deny 80",
        "reject 80/tcp",
        "deny log proto tcp from any to any port 79,80",
        "deny proto tcp from any to any",
    ],
)
def test_a_denial_that_comes_first_is_overtaken(bench: Bench, past: Past, denied: str) -> None:
    past("limit 22/tcp", denied, "allow 443/tcp")
    before = [line for line in tuples(bench) if not line.startswith("reject tcp 80 ")]
    done = bench.cycle(Ufw(["80"]))
    assert [c.what for c in done.diff] == ["opening 80/tcp", "enabled"]
    after = tuples(bench)
    assert [line for line in after if line in before] == before
    for anywhere in ("0.0.0.0/0", "::/0"):
        held = [
            rule
            for rule in map(parsed, (f"### tuple ### {line}" for line in after))
            if rule and rule.dst == anywhere
        ]
        assert verdict(held, parse_opening("80"), ["allow"]) is None


def test_an_own_rule_behind_a_denial_is_moved(bench: Bench, past: Past) -> None:
    past("allow Shares", "deny 80", "allow 80/tcp comment 'a web page, ### tuple ###'", "deny 22")
    done = bench.cycle(Ufw(["80"]))
    assert [c[:3] for c in done.diff] == [
        ("opening 22/tcp", "behind deny any 22 0.0.0.0/0 any 0.0.0.0/0 in", "before it"),
        ("opening 80/tcp", "behind deny any 80 0.0.0.0/0 any 0.0.0.0/0 in", "before it"),
        ("enabled", "no", "yes"),
    ]
    four = [line.split(" 0.0.0.0/0")[0] for line in tuples(bench) if "::/0" not in line]
    assert four[-4:] == ["allow tcp 80", "deny any 80", "allow tcp 22", "deny any 22"]


def test_a_denial_of_one_application_is_overtaken_as_a_whole(bench: Bench, past: Past) -> None:
    past("allow 1/tcp", "deny Shares", "allow 2/tcp")
    bench.cycle(Ufw(["445", "137/udp"]))
    four = [" ".join(line.split()[:3]) for line in tuples(bench) if "::/0" not in line]
    assert four.index("allow tcp 445") < four.index("deny udp 137,138") < four.index("deny tcp 139,445")


def test_ufw_without_ipv6_settles(bench: Bench, past: Past) -> None:
    defaults = bench.root / "etc/default/ufw"
    defaults.write_text(defaults.read_text().replace("IPV6=yes", "IPV6=no"))
    bench.cycle(Ufw(["8081"]))
    assert not [line for line in tuples(bench) if "::" in line]
    bench.fails(Ufw(["443 from 2001:db8::/32"]), "about IPv6")


def test_limits_and_denials(bench: Bench, past: Past) -> None:
    past("allow 22/tcp", "allow 3306")
    step = Ufw(["80"], limited=["22"], denied=["3306", "80 from 203.0.113.0/24"])
    done = bench.cycle(step)
    assert [c.what for c in done.diff] == [
        "limited opening 22/tcp",
        "opening",
        "denial 3306/tcp",
        "denial",
        "enabled",
    ]
    four = [line.split()[:3] + line.split()[5:6] for line in tuples(bench) if "::/0" not in line]
    assert [" ".join(each) for each in four] == [
        "limit tcp 22 0.0.0.0/0",
        "deny tcp 3306 0.0.0.0/0",
        "allow any 3306 0.0.0.0/0",
        "deny tcp 80 203.0.113.0/24",
        "allow tcp 80 0.0.0.0/0",
    ]
    bench.fails(Ufw(denied=["22"]), "22/tcp can't be denied")


def test_exclusive_takes_away_all_that_lets_in_more(bench: Bench, past: Past) -> None:
    past(
        "allow 80",
        "limit 81/tcp",
        "allow Shell",
        "allow log 82/tcp",
        "deny 83",
        "allow out 84",
        "allow in on lo",
    )
    done = bench.cycle(Ufw(["80"], exclusive=True))
    assert len([c for c in done.diff if not c.after]) == 5
    left = [line.split(" 0.0.0.0/0")[0] for line in tuples(bench) if "::/0" not in line]
    assert left == ["deny any 83", "allow any 84", "allow tcp 22", "allow tcp 80"]


def test_rules_that_the_kernel_has_lost_are_loaded_again(bench: Bench, past: Past) -> None:
    bench.cycle(Ufw(["80"]))
    plain = bench.script + "/lib/ufw/ufw-init flush-all >/dev/null && /lib/ufw/ufw-init start && "
    for lost in (
        "iptables -D ufw-user-input 1",
        "iptables -R ufw-user-input 1 -j ACCEPT",
        "ip6tables -F ufw6-user-input",
        "nft flush ruleset",
    ):
        bench.script = plain + f"{lost} && "
        planned, again = bench.run(Ufw(["80"]), Ufw(["80"]), plan=True)
        real, after = bench.run(Ufw(["80"]), Ufw(["80"]))
        assert [o.error for o in (planned, again, real, after)] == [None] * 4
        assert [c[:3] for c in planned.diff] == [("running", "other rules", "these")]
        assert real.diff == planned.diff
        assert (again.state, after.state) == ("ok", "ok")


@pytest.mark.parametrize("yes", ["yes", "YES"])
def test_the_guard_turns_off_only_what_was_off(yes: str) -> None:
    files = SimpleNamespace(exists=lambda path: True, read=lambda path: f"ENABLED={yes}\n".encode())
    guard = Ufw(["80"]).guarded(cast(System, SimpleNamespace(files=files)), Diff([]))
    assert guard is not None and guard.commands == [["ufw", "reload"]]


def test_what_of_a_rule_counts() -> None:
    kernel = "-A c -s 10.0.0.0/8 -i eth0 -p tcp -m tcp --dport 5432 -j ACCEPT"
    assert signatures(kernel, "c") == signatures(
        "-A c -i eth0 -p tcp --dport 5432 -s 10.0.0.0/8 -j ACCEPT", "c"
    )
    assert parsed("### tuple ### too short") is None
    route = parsed("### tuple ### route:allow tcp 80 10.0.0.1 any 0.0.0.0/0 in_eth0!out_eth1")
    assert isinstance(route, Rule) and route.verb == ""
    assert parse_opening("any/udp from 10.0.0.0/8 on wg0") == Opening(0, 65535, "udp", "10.0.0.0/8", "wg0")
    assert parse_opening("any from 10.0.0.1").shown() == "any from 10.0.0.1/32"


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Ufw(["80/icmp"]), "not an opening"),
        (Ufw("80"), "list"),
        (Ufw(["80"], enabled=False), "no sense"),
        (Ufw(denied="80"), "list"),
        (Ufw(["any"]), "opens everything"),
        (Ufw(["80 on eth0 on eth1"]), "not an opening"),
        (Ufw(["80 on a/b"]), "interface"),
        (Ufw(["80"], denied=["70-90"]), "can't be denied"),
        (Ufw(["8000-8010"], denied=["8005"]), "can't be denied"),
        (Ufw(["5432 from 10.1.0.0/16"], denied=["any/tcp from 10.0.0.0/8"]), "can't be denied"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
