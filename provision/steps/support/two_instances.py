"""Memory for two instances of an application: one serves while the other starts. Shipped (Python 3.8).

Source: Linux, "Control Group v2" (Memory), and proc_meminfo(5).
"""

import os
import re
from typing import TYPE_CHECKING, Dict, Iterator, Mapping

from provision.steps.base import listed
from provision.steps.support.app_processes import shown, units_of
from provision.system.processes import said_of

if TYPE_CHECKING:
    from provision.system.host import System

CGROUPS = "/sys/fs/cgroup"
#: in a group's memory.stat: what the kernel can't drop when memory is short
STAYING = ("anon", "shmem", "slab_unreclaimable")
MB = 1000 * 1000


def memory_missing(host: "System", lives: Mapping[str, str]) -> str:
    """Return what the host lacks for new instances beside those that serve; "" for nothing.

    A new one is taken to need what the one in service has now, its workers included. What may be swapped out counts
    as available.

    lives: by application, the id of the instance in service.
    """
    services = [
        name
        for app, live in lives.items()
        for name in units_of(host, app)
        if "@%s" % live in name and name.endswith(".service")
    ]
    mains = [state["pid"] for state in shown(host, services).values() if state["pid"]]
    groups = sorted({found for found in map(group_of, mains) if found})
    needed = sum(staying_in(group) for group in groups)
    left = min([available(), *(room for group in groups for room in rooms_above(group))])
    if needed <= left:
        return ""
    apps = listed(sorted(lives))
    return "%s needs about %d MB more while two instances run, and %d MB are left" % (
        apps,
        -(-needed // MB),
        left // MB,
    )


def available() -> int:
    """Return the bytes that programs can have before memory and swap are used up (proc_meminfo(5))."""
    with open("/proc/meminfo", encoding="ascii") as f:
        found = dict(line.split()[:2] for line in f)
    return sum(int(found.get(name, 0)) for name in ("MemAvailable:", "SwapFree:")) * 1024


def group_of(pid: int) -> str:
    """Return the control group of a process, as a folder; "" if the host has no version 2 of them."""
    found = re.search(r"(?m)^0::(/.*)$", said_of(pid, "cgroup"))
    folder = CGROUPS + found.group(1) if found else ""
    return folder if os.path.exists("%s/memory.stat" % folder) else ""


def staying_in(group: str) -> int:
    """Return the bytes of a group that stay in memory or swap."""
    stat = numbers(group)
    return sum(stat.get(name, 0) for name in STAYING) + value(group, "memory.swap.current")


def rooms_above(group: str) -> Iterator[int]:
    """Yield the bytes that each group above one may still take, of those with a limit."""
    while group != CGROUPS:
        group = os.path.dirname(group)
        limit = value(group, "memory.max", -1)
        if limit >= 0:
            # files that were read count as well, and make way
            used = value(group, "memory.current") - numbers(group).get("inactive_file", 0)
            yield max(0, limit - used)


def numbers(group: str) -> Dict[str, int]:
    """Return a group's memory.stat."""
    try:
        with open("%s/memory.stat" % group, encoding="ascii") as f:
            return {name: int(number) for name, number in (line.split() for line in f)}
    except FileNotFoundError:
        return {}


def value(group: str, name: str, default: int = 0) -> int:
    """Return a number of a group; the default if it has none, as for "max"."""
    try:
        with open("%s/%s" % (group, name), encoding="ascii") as f:
            word = f.read().strip()
    except FileNotFoundError:
        return default
    return int(word) if word.isdigit() else default
