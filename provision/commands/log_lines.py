"""prov logs: what applications and fronts have logged."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from provision.cli.durations import seconds_of
from provision.cli.of_applications import served_apps, target_and_app
from provision.cli.platform_targets import platform_logs
from provision.cli.prepare import Scope, select_targets
from provision.cli.questions import ask
from provision.errors import Exit, UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provision.apps.application import Application
    from provision.roles.role_host import Host

#: seconds between two questions of --follow
PAUSE = 0.7
#: seconds by which a host's clock may differ before its times are corrected
SKEW = 2.0


@click.command(epilog="Example:  prov logs 'web*' shop -f --process worker")
@target_and_app
@click.option("-f", "--follow", is_flag=True, help="Show new lines as they come, until Ctrl-C.")
@click.option("--app", "by_option", default="", metavar="APP", help="The same as APP.")
@click.option(
    "--process",
    default="",
    metavar="NAME",
    help="Only this process or job; `web` is the web process, `front` the front's own logs.",
)
@click.option(
    "--since",
    "ago",
    default="",
    metavar="DURATION",
    callback=seconds_of,
    help="All lines since then: 10m, 2h.",
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="How many, without --since.",
)
def logs(
    scope: Scope, out: Format, app: str, follow: bool, by_option: str, process: str, ago: float, lines: int
) -> int:
    """Show what applications and their fronts have logged: the journal's lines and the front's logs, of all hosts,
    in the order of time.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Without APP, of all applications of the
    hosts. With --json, one object a line.

    Exit status: 0 done; 1 a host failed; 2 usage or configuration; 4 a host could not be reached; 130 interrupted.
    """
    if app and by_option and app != by_option:
        raise UsageError(f"two applications are named: {app} and --app {by_option}", hint="Name one.")
    app = app or by_option
    hosts, on_platforms = select_targets(scope)
    if on_platforms:
        from provision.platforms.platform_model import LogsWanted

        return platform_logs(hosts, app, LogsWanted(process, lines, ago, follow), out)
    apps = served_apps(hosts, app)
    for name, found in apps.items():
        known = {each for one in found for each in (*one.processes, *one.jobs)} | {"web", "front"}
        if process and process not in known:
            raise UsageError(f"{name} has no process {process!r}", hint=f"It has {', '.join(sorted(known))}.")

    def work(host: Host) -> None:
        from provision.run.host_answers import answer_of
        from provision.steps.application_logs import LogLines

        units, files = places(apps[host.name], process)
        wanted = 0 if ago else lines
        after, first = "", True
        while True:
            outcome = host.submit(LogLines(units, files, wanted if first else 0, ago if first else 0, after))
            asked = time.time()
            if outcome.state == "skipped":
                return
            answer = answer_of(outcome, log_answer)
            show(host, answer, (asked + time.time()) / 2, skewed=first)
            if not follow:
                return
            after, first = json.dumps(answer["next"]), False
            time.sleep(PAUSE)

    from provision.controller.run_options import ASIDE
    from provision.report.logs_report import LogsShown

    ended = ask(
        scope,
        out,
        work,
        lambda hosts: LogsShown(named=len(hosts) > 1, at_once=follow, most=0 if ago else lines),
        plan=False,
        opening=ASIDE,
        hosts=hosts,
    )
    return Exit.DONE if follow and ended == Exit.INTERRUPTED else ended


def places(apps: Sequence[Application], process: str) -> tuple[list[str], list[str]]:
    """Return units and files to read. process: only this one, "front" for the front, "" for all."""
    units: list[str] = []
    files: list[str] = []
    for app in apps:
        if process in ("", "web"):
            units.append(f"app-{app.name}@*")
        if process == "":
            units += [f"app-{app.name}_*@*", f"job-{app.name}@*"]
        elif process in app.processes:
            units.append(f"app-{app.name}_{process}@*")
        elif process in app.jobs:
            units.append(f"job-{app.name}@{process}.service")
        if process in ("", "front"):
            units.append(f"{app.front_role.unit}.service")
            files += app.front_role.logs
    return list(dict.fromkeys(units)), list(dict.fromkeys(files))


def log_answer(value: Any) -> dict[str, Any]:
    """Return a host's answer as it should be; see answer_of."""
    from provision.system.memory.records import TEXT
    from provision.system.shapes import having, listing

    line = listing(lambda value: value, 3, 3)
    found: dict[str, Any] = having({"lines": listing(line), "next": having({})})(value)
    found["lines"] = [(float(at), TEXT(source), str(said)) for at, source, said in found["lines"]]
    found["now"] = float(found["now"])
    return found


def show(host: Host, answer: dict[str, Any], here: float, *, skewed: bool) -> None:
    """Emit the lines of an answer. here: this machine's clock when the host answered. skewed: tell of its clock."""
    from provision.controller.events import Answered, Notice

    difference = answer["now"] - here
    off = difference if abs(difference) > SKEW else 0.0
    if off and skewed:
        word = "ahead" if off > 0 else "behind"
        text = f"its clock is {abs(off):.0f} s {word} of this machine's; its lines are put in order by this one's"
        host.emit(Notice(host.name, text))
    for at, source, said in answer["lines"]:
        host.emit(Answered(host.name, "log", {"time": at - off, "source": source, "text": said}))
