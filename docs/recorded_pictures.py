"""Makes the pictures of docs/pictures: what prov shows in real runs on lab hosts. `make pictures` records and draws.

A recording is what a run says with `--json`. The report that people read is drawn from it, so that a test can draw it
again without a host.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.terminal_theme import MONOKAI

from provision.cli.diff_lines import PLAN_DIFF, SHORT_DIFF
from provision.controller.events import (
    About,
    Event,
    HostDone,
    Notice,
    PastRun,
    Served,
    StepDone,
    Summary,
    Tally,
)
from provision.controller.outcome import StepFailed
from provision.declared.role_folders import BUILTIN
from provision.report.console import Console
from provision.report.drift_report import DriftShown
from provision.report.history_report import HistoryShown
from provision.report.reporting import Report, Style
from provision.report.terminal import Terminal
from provision.steps.base import Change

TOP = Path(__file__).parents[1]
FOLDER = Path(__file__).with_name("pictures")
PROV = str(Path(sys.executable).with_name("prov"))
COLUMNS = 120
#: recordings, and the command of each
COMMANDS = {
    "first_deploy": ("deploy", "web1"),
    "one_line_change": ("plan", "web1"),
    "odd_host": ("plan", "web1,web2"),
    "failure": ("deploy", "web1"),
    "nginx_refuses": ("deploy", "web1"),
    "port_held": ("deploy", "web1"),
    "drift": ("drift", "web1"),
    "history": ("history", "web1"),
}
INVENTORY = """\
all:
  vars:
    ansible_connection: lab
    roles: [base, python, app]
    apps:
      shop: {source: ../shop, target: "shop:app", domains: [shop.test], health: /}
  hosts: {web1: , web2: }
"""
SHOP = """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return "one\\n"
"""
#: rich's own, without the fonts that it would load from the network
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }}
.{unique_id}-matrix {{ font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def drawn(name: str) -> str:
    """Return the picture of a recording, as SVG."""
    verb, target = COMMANDS[name]
    lines = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    *said, last = lines
    hosts = list(last["hosts"])
    plan = verb == "plan"
    builtin = frozenset(path.name for path in BUILTIN.iterdir() if path.is_dir())
    style = Style(plan, False, PLAN_DIFF if plan else SHORT_DIFF, len(hosts) > 1, builtin)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        terminal = Terminal(
            record=True,
            width=COLUMNS,
            file=nowhere,
            color_system="truecolor",
            highlight=False,
            legacy_windows=False,
        )
        terminal.print(f"$ prov {verb} {target}", style="bold")
        answers = io.StringIO()
        report: Report
        match verb:
            case "drift":
                report = DriftShown(Style(plan=True, diff_lines=PLAN_DIFF, builtin=builtin), answers, answers)
            case "history":
                report = HistoryShown(named=False, out=answers, err=answers)
            case _:
                report = Console(style, hosts, sorted({line.get("role", "") for line in said}), terminal)
        for event in events(said):
            report.take(event)
        report.finish(
            Summary({host: Tally(**tally) for host, tally in last["hosts"].items()}, last["seconds"])
        )
        if answers.getvalue():
            terminal.print(answers.getvalue(), end="", markup=False)
        return terminal.export_svg(title="prov", theme=MONOKAI, code_format=SVG, unique_id="prov")


def events(lines: list[dict[str, Any]]) -> Iterator[Event]:
    """Yield the events that a recording was made from, as far as they are shown."""
    for line in lines:
        match line["event"]:
            case "step":
                yield step(line)
            case "served":
                yield Served(**{name: value for name, value in line.items() if name != "event"})
            case "run":
                yield PastRun(
                    line["host"], {n: value for n, value in line.items() if n not in ("event", "host")}
                )
            case "note":
                yield Notice(line["host"], line["text"])
            case "host" if line["state"] != "connected":
                yield HostDone(line["host"], line["seconds"])


def step(line: Mapping[str, Any]) -> StepDone:
    """Return the event of a step."""
    error = StepFailed(**line["error"]) if "error" in line else None
    diff = [Change(**change) for change in line["diff"]]
    about = About(line.get("app", ""), line.get("part", ""))
    return StepDone(
        line["host"],
        line["role"],
        line["step"],
        line["state"],
        why=line["why"],
        diff=diff,
        error=error,
        about=about,
    )


def record(name: str, folder: Path) -> None:
    """Run a command of prov's and keep what it says, without steps that changed nothing and without this machine's
    paths."""
    done = subprocess.run(
        [PROV, *COMMANDS[name], "--json"], cwd=folder, stdout=subprocess.PIPE, text=True, check=False
    )
    text = done.stdout.replace(f"{TOP}/", "").replace(f"{folder}/", "")
    lines = [line for line in text.splitlines() if json.loads(line).get("state") not in ("ok", "skipped")]
    (FOLDER / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def record_more_failures(folder: Path) -> None:
    """Record deploys to a host whose nginx was broken by hand, and whose port is held."""
    on_host(folder, "echo 'proxy_bufers 8 4k;' > /etc/nginx/conf.d/my.conf")
    record("nginx_refuses", folder)
    on_host(folder, "rm /etc/nginx/conf.d/my.conf")
    deploy(folder)
    on_host(folder, "systemctl stop nginx")
    on_host(folder, "systemd-run --quiet --unit old-site python3 -m http.server 80")
    time.sleep(2)  # until it has the port
    record("port_held", folder)
    on_host(folder, "systemctl stop old-site")
    deploy(folder)


def record_looking_back(folder: Path) -> None:
    """Record what was changed by hand, and what runs have changed."""
    on_host(
        folder, "sed -i s/three/by-hand/ /srv/shop/current/shop.py; echo '# by hand' >> /etc/nginx/nginx.conf"
    )
    record("drift", folder)
    deploy(folder)
    subprocess.run([PROV, "undo", "web1"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    record("history", folder)


def on_host(folder: Path, script: str) -> None:
    """Run a script of a shell on the first host."""
    subprocess.run([PROV, "run", "web1", "--", "sh", "-c", script], cwd=folder, check=True)


def deploy(folder: Path) -> None:
    """Deploy to the first host."""
    subprocess.run([PROV, "deploy", "web1"], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def record_all() -> None:
    """Boot two hosts and record every run."""
    folder = Path(tempfile.mkdtemp())
    shop = folder / "shop/shop.py"
    for path, text in (
        (folder / "inventory/hosts.yml", INVENTORY),
        (shop, SHOP),
        (shop.with_name("requirements.txt"), "flask\n"),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    try:
        subprocess.run([PROV, "lab", "up", "web1", "web2"], check=True)
        record("first_deploy", folder)
        subprocess.run([PROV, "deploy", "web2"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        shop.write_text(SHOP.replace("one", "two"), encoding="utf-8")
        record("one_line_change", folder)
        spoil = "echo '# by hand' >> /etc/nginx/sites-enabled/shop.conf"
        subprocess.run([PROV, "run", "web2", "--", "sh", "-c", spoil], cwd=folder, check=True)
        record("odd_host", folder)
        shop.write_text(f"{SHOP}\n\ndef broken(\n", encoding="utf-8")
        record("failure", folder)
        shop.write_text(SHOP.replace("one", "three"), encoding="utf-8")
        record_more_failures(folder)
        record_looking_back(folder)
    finally:
        subprocess.run([PROV, "lab", "down", "web1", "web2"], check=True)
        shutil.rmtree(folder)


def main() -> None:
    """Record with `record`, and draw."""
    FOLDER.mkdir(exist_ok=True)
    if "record" in sys.argv[1:]:
        record_all()
    for name in COMMANDS:
        (FOLDER / f"{name}.svg").write_text(drawn(name), encoding="utf-8")


if __name__ == "__main__":
    main()
