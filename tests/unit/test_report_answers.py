"""What ping, facts and run show: answers on stdout, the rest on stderr."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from report_events import FACTS, FAILURE, summary

from provision.controller.events import Event, FactsKnown, HostDone, Notice, Output, StepDone, Stopping
from provision.errors import StepError, UnreachableError
from provision.report.facts_report import FactsShown
from provision.report.output import OutputShown
from provision.report.ping_report import Ping
from provision.report.reporting import Report

#: shows events with a report; gives the lines of both streams
Streams = Callable[[Report, list[Event]], tuple[list[str], list[str]]]

GONE = HostDone("db1", 0.5, UnreachableError("no answer", hint="Is it up?"), True)


@pytest.fixture
def streams(capsys: pytest.CaptureFixture[str]) -> Streams:
    """Shows events with a report; gives the lines of both streams."""

    def show(report: Report, events: list[Event]) -> tuple[list[str], list[str]]:
        for event in events:
            report.take(event)
        report.finish(summary([e for e in events if e.host]))
        out = capsys.readouterr()
        return out.out.splitlines(), out.err.splitlines()

    return show


def test_ping(streams: Streams) -> None:
    events: list[Event] = [
        FactsKnown("web1", FACTS),
        HostDone("web1", 0.123),
        GONE,
        StepDone("bare", "", "package python3", "changed"),
        HostDone("bare", 0.2),
    ]
    assert streams(Ping(width=4), events) == (
        [
            "web1  ok  debian 12, python 3.11.2, 0.12 s",
            "bare  ok  no python3 yet (a deploy installs it), 0.20 s",
        ],
        ["db1: unreachable", "    no answer", "", "    Is it up?", "1 host of 3 did not answer: db1"],
    )


def test_facts(streams: Streams) -> None:
    out, _ = streams(FactsShown(named=False), [FactsKnown("web1", FACTS)])
    assert out[0] == "distribution: debian"
    assert "addresses:    192.0.2.1 2001:db8::1" in out
    out, _ = streams(FactsShown(named=True), [FactsKnown("web1", FACTS)])
    assert out[:2] == ["web1:", "  distribution: debian"]


def test_a_host_without_python(streams: Streams) -> None:
    missing = StepDone("web1", "", "package python3", "changed")
    assert streams(FactsShown(named=False), [missing])[1] == [
        "web1: has no python3 yet; a deploy installs it"
    ]
    assert streams(OutputShown(named=False), [missing])[1] == ["web1: python3 was missing and was installed"]


def test_the_output_of_one_host_is_as_it_was(streams: Streams) -> None:
    failed = StepDone("web1", "", "command x", "failed", error=FAILURE)
    events: list[Event] = [failed, Output("web1", 1, "a\n\nb", "c\n"), HostDone("web1", 1.0)]
    assert streams(OutputShown(named=False), events) == (["a", "", "b"], ["c", "web1: exit status 1"])


def test_the_output_of_several_hosts_is_told_apart(streams: Streams) -> None:
    events: list[Event] = [Output("web1", 0, "a\nb\n", ""), Output("web2", 0, "a\n", "c\n"), GONE]
    out, err = streams(OutputShown(named=True), events)
    assert out == ["web1: a", "web1: b", "web2: a"]
    assert err[:2] == ["web2: c", "db1: unreachable"]


def test_a_command_that_could_not_run(streams: Streams) -> None:
    error = StepError("the command took longer than 600 s")
    out, err = streams(OutputShown(named=False), [StepDone("web1", "", "command x", "failed", error=error)])
    assert (out, err) == ([], ["web1: command x: failed", "    the command took longer than 600 s"])


def test_notes_and_stopping_go_to_stderr(streams: Streams) -> None:
    out, err = streams(OutputShown(named=False), [Notice("web1", "the ledger\nwas damaged"), Stopping("")])
    assert (out, err) == ([], ["web1: the ledger\\nwas damaged", Stopping.TEXT])
