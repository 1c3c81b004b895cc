"""What a host says of all its applications' units at once: a question each would take longer than the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from helpers.hosts import on

T = TypeVar("T")
SERVICES = "app-*@*.service"


def exposures(host: str, *patterns: str) -> dict[str, float]:
    """What `systemd-analyze security` gives units that are loaded, by name: 0 is best, 10 is worst."""
    listed = on(host, "systemctl", "list-units", "--plain", "--no-legend", *patterns)
    names = [line.split()[0] for line in listed.splitlines()]
    report = on(host, "systemd-analyze", "security", "--no-pager", *names)
    lines = [line for line in report.splitlines() if "Overall exposure level" in line]
    return {name: float(line.split(": ")[1].split()[0]) for name, line in zip(names, lines, strict=True)}


def main_processes(host: str) -> dict[str, str]:
    """The main process of each application's services: "0" for one that has none at the moment."""
    shown = on(host, "systemctl", "show", "-p", "Id", "-p", "MainPID", SERVICES)
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n")]
    return {block["Id"]: block["MainPID"] for block in blocks}


def sockets(host: str) -> dict[str, str]:
    """Mode, owner and group of the applications' sockets, by path."""
    listed = on(host, "sh", "-c", "stat -c '%n %a %U %G' /run/app-*/*.sock")
    return dict(line.split(" ", 1) for line in listed.splitlines())


def of(app: object, found: Mapping[str, T]) -> dict[str, T]:
    """Those of one application; found: by the names of units, or paths of sockets."""
    return {name: value for name, value in found.items() if f"app-{app}@" in name or f"app-{app}/" in name}
