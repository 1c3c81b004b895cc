"""The plain report, by its text."""

from __future__ import annotations

import io

from report_events import EVENTS, FAILURE, summary

from provision.controller.events import Event, HostDone, StepDone, Stopping, Summary, Tally
from provision.errors import ConfigError, ConfigErrors
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style
from provision.steps.base import Change


def shown(events: list[Event], style: Style | None = None) -> list[str]:
    """The lines for some events, without a summary."""
    out = io.StringIO()
    report = PlainReport(out, style or Style())
    for event in events:
        report.take(event)
    return out.getvalue().splitlines()


def test_a_whole_run() -> None:
    out = io.StringIO()
    report = PlainReport(out, Style())
    for event in EVENTS:
        report.take(event)
    report.finish(summary())
    assert (
        out.getvalue()
        == """\
web1: connected, 0.10 s
web1: nginx: file /etc/x.conf: changed
    --- /etc/x.conf
    +++ /etc/x.conf
    @@ -1,2 +1,2 @@
     a
    --old
    +new
    ~ mode 0600 -> 0644
db1: unreachable, 0.50 s
    192.0.2.9 port 22: no route to host

    Is it up?
web2: connected, 0.20 s
web2: the ledger was damaged
web2: nginx: service nginx: failed
    nginx refuses the configuration
    roles/nginx/__init__.py:14
        systemd.service(c, "nginx")
    command: nginx -t -c '/a b'
    exit status: 1
    stdout:
        checking
    stderr:
        one

        nginx: [emerg] unknown directive

    Look at the line it names.
    Then run again.
web2: failed, 1.00 s
web1: done, 1.25 s
web1: 1 ok, 1 changed
web2: 0 ok, 0 changed, 1 failed, 1 skipped
db1: 0 ok, 0 changed, 1 unreachable
1 step changed on 1 of 3 hosts, 1 host failed, 1 host unreachable, 1.3 s
"""
    )


def test_verbose_shows_why_nothing_changed() -> None:
    lines = shown(EVENTS, Style(verbose=True))
    assert "web1: nginx: packages nginx: ok (installed: nginx 1.22), 2 ms" in lines
    assert "web2: nginx: file /etc/y: skipped (service nginx failed), 0 ms" in lines


def test_a_plan_speaks_of_what_would_be() -> None:
    out = io.StringIO()
    report = PlainReport(out, Style(plan=True))
    # a plan shows the steps of a host together, after its applications
    events: list[Event] = [
        StepDone("a", "r", "file /x", "changed"),
        StepDone("a", "r", "command ls", "maybe", why="it lists"),
    ]
    for event in events:
        report.take(event)
    report.finish(summary(events))
    assert out.getvalue().splitlines() == [
        "a: r: file /x: would change",
        "a: r: command ls: may change (it lists)",
        "a: 0 ok, 1 would change, 1 may change",
        "1 step would change, 1 may change, 1.3 s",
    ]


def test_nothing_to_change() -> None:
    out = io.StringIO()
    PlainReport(out, Style(plan=True)).finish(summary([StepDone("a", "r", "file /x", "ok")]))
    assert out.getvalue() == "a: 1 ok, 0 would change\nnothing to change, 1.3 s\n"


def test_diffs_cut_and_left_out() -> None:
    long = "--- /x\n+++ /x\n@@ -0,0 +1,20 @@\n" + "\n".join(f"+{n}" for n in range(20))
    events: list[Event] = [StepDone("a", "r", "file /x", "changed", diff=[Change("content", text=long)])]
    cut = shown(events, Style(diff_lines=5))
    assert cut[4:] == ["    +0", "    ... 18 more lines (--diff shows all)", "    +19"]
    assert len(shown(events)) == 24
    assert shown(events, Style(diff_lines=0)) == ["a: r: file /x: changed"]


def test_a_diff_that_only_repeats_the_step() -> None:
    again = StepDone("a", "r", "command ls -l", "changed", diff=[Change("command", "", "ls -l")])
    assert shown([again]) == ["a: r: command ls -l: changed"]


def test_an_ignored_failure_says_why_the_role_goes_on() -> None:
    event = StepDone("a", "r", "service x", "failed", error=FAILURE, ignored="old hosts have none")
    assert "    continues: old hosts have none" in shown([event])
    assert shown([event, HostDone("a", 1.0)])[-1] == "a: done, 1.00 s"
    assert summary([event]).hosts["a"].failed == 0
    assert summary([event]).hosts["a"].skipped == 1


def test_configuration_errors_found_on_the_way_each_with_its_place() -> None:
    error = ConfigErrors(
        [ConfigError("no such file", where="a.yml:3"), ConfigError("no port", where="b.yml:1")]
    )
    assert shown([HostDone("a", 0.1, error)]) == [
        "a: failed, 0.10 s",
        "    no such file",
        "    a.yml:3",
        "    no port",
        "    b.yml:1",
    ]


def test_a_step_without_a_role_and_a_label_of_several_lines() -> None:
    assert shown([StepDone("a", "", "command sh -c 'x\ny'", "changed")]) == [
        "a: command sh -c 'x\\ny': changed"
    ]


def test_an_interrupted_run_does_not_claim_to_be_in_sync() -> None:
    out = io.StringIO()
    PlainReport(out, Style()).finish(Summary({"a": Tally(ok=1)}, 2.0, interrupted=True))
    assert out.getvalue().splitlines()[-1] == "interrupted, 2.0 s"


def test_stopping() -> None:
    assert shown([Stopping("")]) == ["stopping after the running steps; press Ctrl-C again to leave at once"]
