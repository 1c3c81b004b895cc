"""The report for a terminal: its text, its moving lines, its table."""

from __future__ import annotations

import io
import threading

import pytest
from report_events import EVENTS, summary

from provision.controller.events import Connecting, Event, HostDone, StepDone, StepRunning, Summary, Tally
from provision.report.console import Console
from provision.report.live_rows import LiveRows
from provision.report.reporting import Style
from provision.report.terminal import Terminal

HOSTS, ROLES = ["web1", "web2", "db1"], ["nginx"]


def terminal(*, colours: bool = False, height: int = 25) -> Terminal:
    return Terminal(
        file=io.StringIO(),
        force_terminal=colours,
        color_system="standard" if colours else None,
        width=80,
        height=height,
        highlight=False,
    )


def text(screen: Terminal) -> str:
    assert isinstance(screen.file, io.StringIO)
    return "\n".join(line.rstrip() for line in screen.file.getvalue().splitlines())


def report(screen: Terminal, events: list[Event], style: Style | None = None) -> Console:
    shown = Console(style or Style(), HOSTS, ROLES, screen)
    for event in events:
        shown.take(event)
    return shown


def test_a_whole_run() -> None:
    screen = terminal()
    report(screen, EVENTS).finish(summary())
    assert (
        text(screen).strip()
        == """\
web1  nginx  file /etc/x.conf  changed
    --- /etc/x.conf
    +++ /etc/x.conf
    @@ -1,2 +1,2 @@
     a
    --old
    +new
    ~ mode 0600 -> 0644
db1   unreachable
    192.0.2.9 port 22: no route to host

    Is it up?
web2  the ledger was damaged
web2  nginx  service nginx  failed
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

host  ok  changed  failed  skipped  unreachable   time
──────────────────────────────────────────────────────
web1   1        1       0        0            0  1.2 s
web2   0        0       1        1            0  1.0 s
db1    0        0       0        0            1  0.5 s

1 step changed on 1 of 3 hosts, 1 host failed, 1 host unreachable, 1.3 s"""
    )


def test_the_words_of_a_plan() -> None:
    screen = terminal()
    done = StepDone("web1", "nginx", "file /x", "changed")
    events: list[Event] = [done, StepDone("web1", "nginx", "command x", "maybe"), HostDone("web1", 0.2)]
    report(screen, events, Style(plan=True)).finish(summary(events))
    assert "web1  nginx  file /x  would change" in text(screen)
    assert "web1  nginx  command x  may change" in text(screen)
    assert "host  ok  would change  may change  failed   time" in text(screen)


def test_the_widest_table_fits_80_columns() -> None:
    screen = terminal()
    tally = Tally(1, 1, 1, 1, 1, 1)
    report(screen, [], Style(plan=True)).finish(Summary({"staging-app1": tally}, 1.0))
    assert max(map(len, text(screen).splitlines())) <= 80
    assert "staging-app1 " in text(screen)


def test_verbose_shows_unchanged_steps() -> None:
    screen = terminal()
    report(screen, EVENTS, Style(verbose=True)).close()
    assert "web1  nginx  packages nginx  ok  installed: nginx 1.22  2 ms" in text(screen)


def test_long_lines_are_left_whole() -> None:
    screen = terminal()
    label = "file /" + "x" * 200
    report(screen, [StepDone("web1", "nginx", label, "changed")]).close()
    assert label + "  changed" in text(screen)


def test_names_in_brackets_are_no_markup() -> None:
    screen = terminal()
    report(screen, [StepDone("web1", "nginx", "file /[red]x[/red]", "changed")]).close()
    assert "file /[red]x[/red]  changed" in text(screen)


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    def colours() -> bool:
        screen = terminal(colours=True)
        report(screen, EVENTS).finish(summary())
        return "\x1b[31m" in text(screen) or "\x1b[32m" in text(screen)

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours()


def test_the_cursor_comes_back_when_closed() -> None:
    screen = terminal(colours=True)
    shown = report(screen, EVENTS[:6])
    shown.close()
    shown.close()
    raw = screen.file.getvalue()  # type: ignore[attr-defined]
    assert raw.rindex("\x1b[?25h") > raw.rindex("\x1b[?25l")


def test_nothing_is_printed_while_somebody_is_asked() -> None:
    screen = terminal()
    shown = report(screen, [])
    thread = threading.Thread(target=shown.take, args=[StepDone("web1", "nginx", "file /x", "changed")])
    with shown.paused():
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert "file /x" not in text(screen)
    thread.join(5)
    shown.close()
    assert "file /x" in text(screen)


def rows(count: int, height: int) -> list[str]:
    """The moving lines while `count` hosts run a step, at 5 s on a clock that began at 0."""
    now = [0.0]
    screen = terminal(height=height)
    moving = LiveRows(count + 2, screen, clock=lambda: now[0])
    moving.take(Connecting("gone"))
    moving.take(HostDone("gone", 1.0))
    for n in range(count):
        moving.take(Connecting(f"web{n}"))
        moving.take(StepRunning(f"web{n}", "nginx", "packages nginx", "Get:1 \x1b[1mnginx\x1b[0m\r"))
    now[0] = 5.0
    screen.print(moving)
    return text(screen).splitlines()


def test_moving_lines() -> None:
    first, second, footer = rows(2, height=25)
    assert first.split() == ["-", "web0", "nginx", "packages", "nginx", "Get:1", "nginx", "5", "s"] or (
        first.split()[1:] == ["web0", "nginx", "packages", "nginx", "Get:1", "nginx", "5", "s"]
    )
    assert "web1" in second
    assert footer == "2 hosts running, 1 waiting, 1 done"


@pytest.mark.parametrize(
    ("hosts", "height", "shown"), [(100, 50, 15), (100, 12, 8), (100, 3, 1), (15, 50, 15)]
)
def test_moving_lines_stay_within_the_screen(hosts: int, height: int, shown: int) -> None:
    lines = rows(hosts, height)
    assert len(lines) == shown + 1
    assert max(map(len, lines)) <= 80
    hidden = f" ({hosts - shown} not shown)" if hosts > shown else ""
    assert lines[-1] == f"{hosts} hosts running{hidden}, 1 waiting, 1 done"
