"""`ufw route`, by ufw itself, in a network namespace of the agent's own, beside an administrator's rules."""

from __future__ import annotations

import pytest
from steps_bench import Bench, refuses
from test_ufw import Past, past, tuples

from provision.steps.ufw import Route, Ufw

__all__ = ["past"]


def four(bench: Bench) -> list[str]:
    return [line for line in tuples(bench) if "::/0" not in line and "route:" in line]


@pytest.mark.parametrize(
    ("route", "written"),
    [
        ("443 on eth0 to 10.0.0.5 out eth1", "tcp 443 10.0.0.5 any 0.0.0.0/0 in_eth0!out_eth1"),
        ("any on wg0 from 10.8.0.0/24 out eth0", "any any 0.0.0.0/0 any 10.8.0.0/24 in_wg0!out_eth0"),
        ("any/udp to 10.0.0.0/24", "udp any 10.0.0.0/24 any 0.0.0.0/0 in"),
        ("8000-8010/udp out eth1", "udp 8000:8010 0.0.0.0/0 any 0.0.0.0/0 out_eth1"),
        ("25", "tcp 25 0.0.0.0/0 any 0.0.0.0/0 in"),
    ],
)
@pytest.mark.parametrize("on", [False, True])
def test_a_route_comes_and_goes(bench: Bench, past: Past, route: str, written: str, on: bool) -> None:
    past("allow 22/tcp", "route allow in on eth7 out on eth8", *(["--force enable"] if on else []))
    before = tuples(bench)
    assert bench.cycle(Route(route)).diff[0][:3] == (f"route {route}", "", "allow")
    assert four(bench)[-1] == f"route:allow {written}"
    assert bench.cycle(Route(route, action="deny")).diff[0][:3] == (f"route {route}", "allow", "deny")
    assert four(bench)[-1] == f"route:deny {written}"
    bench.cycle(Route(route, present=False))
    assert tuples(bench) == before
    bench.settled(Route(route, action="limit", present=False))


def test_a_route_goes_before_one_that_decides_otherwise(bench: Bench, past: Past) -> None:
    mine = "route allow in on eth0 proto tcp from any to 10.0.0.5 port 80 comment 'a page'"
    past("route deny in on eth0", mine, "route allow proto tcp from any to any port 25")
    done = bench.cycle(Route("80 on eth0 to 10.0.0.5"))
    assert four(bench)[0].endswith(" comment=612070616765")
    assert done.diff[0].before == "behind a rule that says deny"
    assert [line.split()[0] for line in four(bench)] == ["route:allow", "route:deny", "route:allow"]
    past(
        "route allow in on eth0 from any to any port 99",
        "route insert 1 deny in on eth0 from any to any port 99",
    )
    bench.cycle(Route("99 on eth0 out eth1"))
    bench.settled(Route("25 on eth9"))
    bench.cycle(Ufw(["80"]))
    bench.settled(Route("80 on eth0 to 10.0.0.5"))


def test_routes_that_the_kernel_has_lost_are_loaded_again(bench: Bench, past: Past) -> None:
    past("allow 22/tcp", "--force enable")
    bench.cycle(Route("80 on eth0 out eth1"))
    lost = "iptables -F ufw-user-forward"
    bench.script += f"/lib/ufw/ufw-init flush-all >/dev/null && /lib/ufw/ufw-init start && {lost} && "
    planned, again = bench.run(*[Route("80 on eth0 out eth1")] * 2, plan=True)
    real, after = bench.run(*[Route("80 on eth0 out eth1")] * 2)
    assert [o.error for o in (planned, again, real, after)] == [None] * 4
    assert [c[:3] for c in planned.diff] == [("running", "other rules", "these")]
    assert real.diff == planned.diff
    assert (again.state, after.state) == ("ok", "ok")


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("any", "matches everything"),
        ("80 to 10.0.0.5/24", "host bits"),
        ("80 out eth0 out eth1", "twice"),
        ("http", "not an opening"),
        ("80 via eth0", "not a route"),
        ("80 out eth+", "not the name"),
        ("70000 out eth0", "from 1 to 65535"),
        ("80 from 10.0.0.0/8 to fd00::5", "10.0.0.0/8 is IPv4 and fd00::5 is IPv6: no packet has both"),
        ("any from fd00::/8 to 10.0.0.5 out eth0", "fd00::/8 is IPv6 and 10.0.0.5 is IPv4"),
    ],
)
def test_bad_routes_are_refused(route: str, message: str) -> None:
    refuses(Route(route), message)


def test_a_host_without_ufw(bench: Bench) -> None:
    bench.over("/etc")
    bench.script += "rm -rf /etc/ufw && "
    bench.fails(Route("80"), "this host has no ufw")
    bench.settled(Route("80", present=False))
