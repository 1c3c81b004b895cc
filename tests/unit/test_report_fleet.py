"""Several hosts in one report: what they share is said once, and the odd one stands out."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from report_events import FAILURE

from provision.controller.events import About, Event, HostDone, StepDone, Summary, Tally
from provision.report.console import Console
from provision.report.drift_report import DriftShown
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style
from provision.report.shared_steps import SharedSteps, merged, whom
from provision.report.terminal import Terminal
from provision.steps.base import Change

HOSTS = [f"web{n}" for n in range(1, 31)]


def changed(host: str, text: str, step: str = "file /etc/x.conf") -> StepDone:
    return StepDone(host, "nginx", step, "changed", diff=[Change("content", text=f"@@ -1 +1 @@\n+{text}")])


def summary(events: Sequence[Event], hosts: Sequence[str] = HOSTS) -> Summary:
    tallies = {host: Tally() for host in hosts}
    for event in events:
        tallies[event.host].count(event)
    return Summary(tallies, 1.0)


def plain(events: Sequence[Event], style: Style, hosts: Sequence[str] = HOSTS) -> list[str]:
    out = io.StringIO()
    report = PlainReport(out, style)
    for event in events:
        report.take(event)
    report.finish(summary(events, hosts))
    return [
        line
        for line in out.getvalue().splitlines()
        if not line.endswith(("ok, 1 would change", "ok, 1 changed"))
    ]


ODD = [changed(host, "odd" if host == "web7" else "same") for host in HOSTS]


def test_a_plan_says_once_what_29_hosts_share_and_then_the_odd_one() -> None:
    assert plain(ODD, Style(plan=True, fleet=True)) == [
        "nginx: file /etc/x.conf: would change: 29 of 30 hosts, all but web7",
        "    @@ -1 +1 @@",
        "    +same",
        "  only web7: would change",
        "    @@ -1 +1 @@",
        "    +odd",
        "30 steps would change on 30 of 30 hosts, 1.0 s",
    ]


def test_a_deploy_says_what_happens_at_once_and_the_differences_at_the_end() -> None:
    lines = plain(ODD[:2], Style(fleet=True), HOSTS[:2])
    assert lines == [
        "web1: nginx: file /etc/x.conf: changed",
        "web2: nginx: file /etc/x.conf: changed",
        "nginx: file /etc/x.conf: changed: all 2 hosts",
        "    @@ -1 +1 @@",
        "    +same",
        "2 steps changed on 2 of 2 hosts, 1.0 s",
    ]
    assert len(plain(ODD[:2], Style(fleet=True, diff_lines=0), HOSTS[:2])) == 3


def test_a_failure_in_a_plan_is_told_at_once_and_only_then() -> None:
    event = StepDone("web1", "nginx", "service nginx", "failed", error=FAILURE)
    lines = plain([event, ODD[1]], Style(plan=True, fleet=True), HOSTS[:2])
    assert lines[0] == "web1: nginx: service nginx: failed"
    assert sum("service nginx" in line for line in lines) == 1
    assert "nginx: file /etc/x.conf: would change: only web2" in lines


def test_the_console_says_it_the_same_way() -> None:
    screen = Terminal(file=io.StringIO(), width=100, highlight=False)
    report = Console(Style(plan=True, fleet=True), HOSTS, ["nginx"], screen)
    for event in ODD:
        report.take(event)
    report.finish(summary(ODD))
    assert isinstance(screen.file, io.StringIO)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    at = lines.index("nginx  file /etc/x.conf  29 of 30 hosts, all but web7  would change")
    assert lines[at + 3] == "  only web7  would change"
    assert sum("+same" in line for line in lines) == 1


def test_steps_come_in_the_order_in_which_hosts_ran_them() -> None:
    a, b, c, d = (("r", name, 0) for name in "abcd")
    assert merged([[a, c], [a, b, c], [b, d]]) == [a, b, d, c]
    assert merged([[], [a]]) == [a]
    assert merged([[a, b], [c, b]]) == [a, c, b]
    assert merged([[a, b], [c]]) == [a, b, c]


def test_the_same_step_twice_on_a_host_stays_two() -> None:
    fleet = SharedSteps()
    for host in ("a", "b"):
        fleet.take(changed(host, "one"))
        fleet.take(changed(host, "two"))
    assert [(s.step.diff[0].text[-3:], s.hosts) for s in fleet.shared(["a", "b"])] == [
        ("one", "all 2 hosts"),
        ("two", "all 2 hosts"),
    ]


@pytest.mark.parametrize(
    ("names", "of", "words"),
    [
        (["a"], ["a"], "a"),
        (["a"], ["a", "b"], "only a"),
        (["a", "b"], ["a", "b"], "all 2 hosts"),
        (HOSTS[:2], HOSTS, "web1, web2 (2 of 30)"),
        (HOSTS[3:], HOSTS, "27 of 30 hosts, all but web1, web2, web3"),
        (
            HOSTS[:14],
            HOSTS,
            "web1, web2, web3, web4, web5, web6, web7, web8, web9, web10, web11, web12 and 2 more (14 of 30)",
        ),
    ],
)
def test_hosts_in_words(names: list[str], of: list[str], words: str) -> None:
    assert whom(names, of) == words


def test_drift() -> None:
    out, err = io.StringIO(), io.StringIO()
    report = DriftShown(Style(plan=True, fleet=True), out, err)
    owed = Change(
        "reload", "", "running with the configuration of 2026-11-21T14:02:07Z; changed since: file /a"
    )
    events = [
        changed("web1", "one"),
        changed("web2", "two"),
        StepDone("web2", "nginx", "service nginx", "changed", diff=[owed]),
        StepDone("web2", "base", "user bob", "changed", diff=[Change("shell", "/bin/sh", "/bin/bash")]),
        StepDone("web3", "base", "command ls", "maybe", why="it lists"),
        StepDone("web3", "base", "command touch /x", "changed", diff=[Change("command", "", "touch /x")]),
        HostDone("web1", 1.0),
    ]
    for event in events:
        report.take(event)
    report.finish(summary(events))
    assert out.getvalue().splitlines() == [
        "nginx: file /etc/x.conf: content  web1, web2 (2 of 30)",
        "nginx: service nginx: reload owed, running with the configuration of 2026-11-21T14:02:07Z; "
        "changed since: file /a  only web2",
        "base: user bob: shell /bin/sh -> /bin/bash  only web2",
        "base: command touch /x: has to run  only web3",
    ]
    assert err.getvalue().splitlines() == [
        "1 command cannot be checked without running them; not counted as drift (prov plan)",
        "drift on 3 of 30 hosts, 1.0 s",
    ]


def test_no_drift_is_not_worth_a_mail() -> None:
    out, err = io.StringIO(), io.StringIO()
    report = DriftShown(Style(plan=True, fleet=True), out, err)
    events = [StepDone("web1", "base", "command ls", "maybe"), HostDone("web1", 1.0)]
    for event in events:
        report.take(event)
    report.finish(summary(events))
    assert out.getvalue() + err.getvalue() == ""


def test_drift_of_an_application_is_a_block_as_in_a_plan() -> None:
    out = io.StringIO()
    report = DriftShown(Style(plan=True, fleet=True, diff_lines=20), out, io.StringIO())
    about = About("shop", "source")
    folder = "tree /srv/shop/releases/7c73a094b3c6"
    events = [
        *(
            StepDone(
                host, "app", folder, "changed", diff=[Change("changed file", "", "shop.py")], about=about
            )
            for host in ("web1", "web2")
        ),
        StepDone("web2", "base", "user bob", "changed", diff=[Change("shell", "/bin/sh", "/bin/bash")]),
        StepDone("web2", "app", "command x", "maybe", about=About("shop", "command")),
    ]
    for event in events:
        report.take(event)
    report.finish(summary(events))
    assert out.getvalue().splitlines() == [
        "shop: its release was changed on the host, 1 file  web1, web2 (2 of 30)",
        "    ~ shop.py",
        "base: user bob: shell /bin/sh -> /bin/bash  only web2",
    ]
