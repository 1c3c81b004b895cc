"""The processes of an application on its host: their units, states and health. Shipped to hosts (Python 3.8)."""

import calendar
import re
import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence

from provision.steps.support.unit_judging import UNIT, UNIT_FOLDER
from provision.steps.waiting import Url

if TYPE_CHECKING:
    from provision.system.host import System

#: what systemctl(1) is asked of each unit
ASKED = (
    "Id,ActiveState,SubState,Result,MainPID,MemoryCurrent,NRestarts,NeedDaemonReload,ActiveEnterTimestampMonotonic,"
    "ExecMainExitTimestamp,NextElapseUSecRealtime"
)
#: how it writes times (systemd.time(7)); with its environment, in UTC
TIME = "%a %Y-%m-%d %H:%M:%S UTC"
HEALTH = re.compile(r"^X-Prov-Health=(.*)$", re.MULTILINE)
#: what stands for the web process where processes are named
WEB = "web"


def units_of(host: "System", app: str) -> List[str]:
    """Return the units of an application: services, sockets and timers, its web process's first."""
    names = filter(UNIT.fullmatch, host.files.list(UNIT_FOLDER))
    ours = re.compile(r"(app-%s(_[a-z0-9-]+)?|job-%s)@.+\.(service|socket|timer)" % (app, app))
    found = [name for name in names if ours.fullmatch(name)]
    return sorted(found, key=lambda name: (name.startswith("job-"), "_" in name.split("@")[0], name))


def process_of(unit: str) -> str:
    """Return the name of a process or job as in the inventory; WEB for the web process."""
    prefix, _, instance = unit.partition("@")
    if prefix.startswith("job-"):
        return instance.rpartition(".")[0]
    return prefix.partition("_")[2] or WEB


def is_web(app: str, unit: str) -> bool:
    """Return whether a unit is a web process of an application."""
    return unit.startswith("app-%s@" % app) and unit.endswith(".service")


def expected(entry: "Mapping[str, Any]") -> Sequence[int]:
    """Return the statuses that count as healthy for an instance; () for the usual ones. entry: its record."""
    found: Sequence[int] = entry.get("about", {}).get("settings", {}).get("expect", ())
    return found


def health(host: "System", app: str, unit: str, expect: Sequence[int]) -> Dict[str, Any]:
    """Ask a web process for its health path on its own socket, as a deploy does.

    expect: the statuses that count as healthy; by default those below 400. Returns unit, url, ms, and what is
    wrong under "said".
    """
    text = host.files.read("%s/%s" % (UNIT_FOLDER, unit)).decode("utf-8", "replace")
    line = HEALTH.search(text)
    if line is None:
        return {"unit": unit, "url": unit, "said": "", "ms": 0}
    scheme, _, rest = line.group(1).partition("://")
    socket = "/run/app-%s/%s.sock" % (app, unit[len("app-%s@" % app) : -len(".service")])
    headers = {"Host": rest.partition("/")[0], "X-Forwarded-Proto": scheme}
    began = time.monotonic()
    said = Url("http://" + rest, socket=socket, headers=headers, expect=list(expect)).asked()
    return {"unit": unit, "url": line.group(1), "said": said, "ms": round((time.monotonic() - began) * 1000)}


def shown(host: "System", names: Sequence[str]) -> "Dict[str, Dict[str, Any]]":
    """Return what systemd says of units, by name."""
    if not names:
        return {}
    argv = ("systemctl", "show", "-p", ASKED, "--", *names)
    answer = host.ask(argv, environment={"TZ": "UTC"}, timeout=30).require("systemctl show")
    blocks = answer.stdout.strip().split("\n\n")
    return {name: state_of_unit(name, block) for name, block in zip(names, blocks)}


def state_of_unit(name: str, block: str) -> Dict[str, Any]:
    """Return a unit's state from a block of `systemctl show`: see ApplicationStates."""
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    memory, began = values.get("MemoryCurrent", ""), values.get("ActiveEnterTimestampMonotonic", "")
    since = time.monotonic() - int(began) / 1e6 if began.isdigit() and began != "0" else 0
    active = values.get("ActiveState", "")
    detail = values.get("SubState", "")
    result = values.get("Result", "success")
    return {
        "unit": name,
        "state": "%s (%s)" % (active, result if active == "failed" else detail),
        "active": active,
        "result": result,
        "pid": int(values.get("MainPID") or 0),
        # systemd.resource-control(5): as many ones as a number has, where it is not counted
        "memory": int(memory) if memory.isdigit() and int(memory) < 1 << 62 else 0,
        "restarts": int(values.get("NRestarts") or 0),
        "seconds": round(since) if active in ("active", "reloading") else 0,
        "stale": values.get("NeedDaemonReload") == "yes",
        "ended": epoch(values.get("ExecMainExitTimestamp", "")),
        "next": epoch(values.get("NextElapseUSecRealtime", "")),
    }


def epoch(text: str) -> "Optional[int]":
    """Return a time that systemd has written, in seconds since 1970; None for none."""
    try:
        return calendar.timegm(time.strptime(text, TIME))
    except ValueError:
        return None


def bad(state: "Mapping[str, Any]") -> bool:
    """Return whether a unit is not as it should be. A job's service runs only at its times."""
    if state["unit"].startswith("job-") and state["unit"].endswith(".service"):
        return bool(state["active"] == "failed")
    return state["active"] not in ("active", "reloading")
