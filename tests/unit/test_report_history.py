"""What `prov history` prints, and how what is no longer declared is told."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from provision.controller.events import HostDone, PastRun, UndeclaredFound
from provision.report.history_report import HistoryShown, line
from provision.report.jsonl import JsonLines
from provision.report.plain_lines import PlainReport
from provision.report.reporting import Style
from provision.steps.support.served_releases import BACK, turned

RUN: dict[str, Any] = {
    "id": 13,
    "began": "2026-11-21T15:10:44Z",
    "ended": "2026-11-21T15:10:45Z",
    "seconds": 0.9,
    "state": "failed",
    "changed": ["file /etc/x"],
    "failed": ["service nginx"],
    "who": "ann@desk (pid 7)",
    "commit": "a1b2c3d4e5f6, modified",
    "undone": 14,
}
STEPS: list[dict[str, Any]] = [
    {"role": "nginx", "step": "file /etc/x", "state": "changed", "diff": [["mode", "0600", "0644", ""]]},
    {"role": "nginx", "step": "service nginx", "state": "failed", "error": "it\x1b died"},
]


def shown(*events: PastRun | HostDone, named: bool = False) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    report = HistoryShown(named=named, out=out, err=err)
    for event in events:
        report.take(event)
    return out.getvalue(), err.getvalue()


def test_a_line_a_run() -> None:
    undoing = {**RUN, "id": 12, "undoes": 11, "changed": ["undo the last run"]}
    assert line(undoing).startswith("12  2026-11-21 15:10:44  failed  1 step  0.9 s")
    dead = {"id": 14, "began": "2026-11-21T15:11:00Z", "ended": "", "changed": [], "failed": [], "who": "bob"}
    damaged = {"id": 15, "damaged": "its record is damaged", "began": "", "changed": []}
    out, _ = shown(*(PastRun("web1", run) for run in (RUN, dead, damaged)), named=True)
    assert out.splitlines() == [
        "web1: 13  2026-11-21 15:10:44  failed  1 step: file /etc/x  0.9 s  ann@desk (pid 7)"
        "  a1b2c3d4e5f6, modified  failed at service nginx  undone by 14",
        "web1: 14  2026-11-21 15:11:00  cut off  0 steps  bob",
        "web1: 15  its record is damaged",
    ]


def test_a_run_is_told_by_the_applications_that_it_turned_or_by_its_roles() -> None:
    turned = {
        "app": "shop",
        "before": "c5fe8e168769",
        "after": "da15adf1172d",
        "why": "commit a2b791c -> 9c01f3e",
        "how": "",
    }
    first = {"app": "api", "before": "", "after": "da15adf1172d", "why": "", "how": ""}
    out, _ = shown(
        PastRun("web1", {**RUN, "apps": [turned, first], "roles": ["app", "nginx"]}),
        PastRun("web1", {**RUN, "apps": [], "roles": ["base", "nginx"]}),
    )
    assert out.splitlines()[0].startswith(
        "13  2026-11-21 15:10:44  failed  shop c5fe8e1 -> da15adf (commit a2b791c -> 9c01f3e)  api new da15adf  1 step"
    )
    assert "  1 step of base, nginx  " in out.splitlines()[1]


def test_a_rollback_and_a_build_are_called_so() -> None:
    link = "link /srv/shop/current"
    steps: list[dict[str, Any]] = [
        {
            "step": link,
            "state": "changed",
            "diff": [["target", "releases/bb", "releases/aa"]],
            "why": "commit b -> a",
        },
        {"step": "release of /srv/shop in service", "state": "changed", "diff": [], "why": BACK},
        {"step": "built release cc in /srv/api", "state": "changed", "diff": [["release", "", "built"]]},
    ]
    apps = turned(steps)
    assert [(each["app"], each["how"]) for each in apps] == [("shop", "rollback"), ("api", "built")]
    assert "  shop bb -> aa (rollback, commit b -> a)  api built cc, not in service  " in line(
        {**RUN, "apps": apps}
    )
    assert [each["how"] for each in turned(steps[:1])] == [""]


def test_one_run_with_its_differences() -> None:
    out, _ = shown(PastRun("web1", RUN, STEPS))
    assert out.splitlines()[1:] == [
        "  nginx: file /etc/x: changed",
        "      ~ mode 0600 -> 0644",
        "  nginx: service nginx: failed",
        out.splitlines()[-1],
    ]
    assert out.splitlines()[-1].startswith("      it")
    assert "\x1b" not in out, "nothing of a host's may steer the terminal"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("command /srv/shop/releases/da15adf/.venv/bin/python /srv/sh...", "a command of shop"),
        ("venv /srv/shop/venvs/10a792797528", "the packages of shop"),
        ("wait for http://s/ at /run/app-shop/81aee.sock", "the health check of shop"),
        ("service nginx", "service nginx"),
    ],
)
def test_a_failed_run_names_the_application_and_no_path_of_provs(step: str, said: str) -> None:
    out, _ = shown(PastRun("web1", {**RUN, "failed": [step]}))
    assert f"  failed at {said}  " in out


def test_new_files_of_provs_own_are_counted_and_those_of_the_source_are_whole() -> None:
    new = ["new file", "", "", "--- a\n+++ a\n@@ -0,0 +1,2 @@\n+a\n+b"]
    names = ("file /srv/shop/x.py", "tree /srv/shop/releases/da15adf")
    steps = [{"role": "app", "step": name, "state": "changed", "diff": [new]} for name in names]
    out, _ = shown(PastRun("web1", RUN, steps))
    assert out.splitlines()[2] == "      + new file, 2 lines"
    assert out.splitlines()[-2:] == ["      +a", "      +b"]


def test_a_host_without_runs() -> None:
    assert shown(HostDone("web1", 0.1)) == ("", "web1: no run has changed anything yet\n")


def test_scripts_get_objects() -> None:
    out = io.StringIO()
    report = JsonLines(out)
    report.take(PastRun("web1", RUN, STEPS))
    report.take(UndeclaredFound("web1", "nginx", "file /etc/x", "file /etc/x"))
    run, undeclared = map(json.loads, out.getvalue().splitlines())
    assert (run["event"], run["id"], run["steps"][0]["diff"][0]["after"]) == ("run", 13, "0644")
    assert undeclared == {
        "event": "undeclared", "host": "web1", "role": "nginx", "what": "file /etc/x", "step": "file /etc/x",
        "stays": False,
    }  # fmt: skip


def test_what_is_no_longer_declared_is_told_to_people() -> None:
    out = io.StringIO()
    report = PlainReport(out, Style())
    report.take(UndeclaredFound("web1", "nginx", "file /etc/x", "file /etc/x"))
    report.take(UndeclaredFound("web1", "app", "folder /var/lib/app-shop", "directory", stays=True))
    report.take(HostDone("web1", 1.0))
    assert out.getvalue().splitlines() == [
        "web1: nginx: file /etc/x: no longer declared (--prune removes it)",
        "web1: app: folder /var/lib/app-shop: no longer declared (kept, as there is something else in it)",
        "web1: done, 1.00 s",
    ]
