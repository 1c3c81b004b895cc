"""The specification's bars, and whether the record meets them."""

from __future__ import annotations

from typing import Any

from bench.parts.kept import FLOOR, FRESH, KEPT
from bench.record import Row, median, select

#: the longest line of the `rtt` part, seconds
LONG = 0.1


def bars(parts: dict[str, Any]) -> list[list[str]]:
    """A row for each bar that there are figures for: what, measured, "met" or "MISSED"."""

    def rows(part: str) -> list[Row]:
        return list(parts.get(part, {}).get("rows", []))

    def stack(tool: str, phase: str, hosts: int = 1) -> float | None:
        return median(select(rows(f"stack on {hosts}"), tool=tool, phase=phase))

    def case(part: str, name: str, figure: str = "seconds") -> float | None:
        return median(select(rows(part), case=name), figure)

    def beside(part: str, text: str, ours: str, theirs: str, limit: float) -> None:
        most(text, case(part, ours), case(part, theirs), limit)

    found: list[list[str]] = []

    def most(text: str, value: float | None, base: float | None, limit: float, unit: str = "x") -> None:
        if value is not None and base:
            ratio = value / base
            found.append([text, f"{ratio:.3g} {unit}", "met" if ratio <= limit else "**MISSED**"])

    ours = stack("prov", "same")
    most("nothing to change: at most 1/10 of pyinfra's", ours, stack("pyinfra", "same"), 1 / 10)
    most("nothing to change: at most 1/15 of Mitogen's", ours, stack("Ansible + Mitogen", "same"), 1 / 15)
    most("nothing to change: at most 1/40 of Ansible's", ours, stack("Ansible", "same"), 1 / 40)
    most("nothing to change: at most 2 x `ssh host true`", ours, stack("ssh host true", "same"), 2)
    most("500 steps: under 2 x 40 steps", case("steps", "500 steps"), case("steps", "40 steps"), 2)
    rtt = rows("rtt")
    slow = median(select(rtt, tool="prov", phase="same", rtt=LONG))
    fast = median(select(rtt, tool="prov", phase="same", rtt=0))
    connect_slow = median(select(rtt, tool="connect", rtt=LONG))
    connect_fast = median(select(rtt, tool="connect", rtt=0))
    if slow and fast and connect_slow and connect_fast:
        # round trips by the time that they take: what is under way at the same time counts once
        own, all_of_them = (connect_slow - connect_fast) / LONG, (slow - fast) / LONG
        limit = 1.15 * (round(own) + 3) * LONG + fast
        most(
            f"100 ms: at most 1.15 x ({own:.1f} + 3) x 100 ms + {fast:.2f} s = {limit:.2f} s",
            slow,
            1,
            limit,
            "s",
        )
        text = (
            f"round trips once connected ({all_of_them:.1f} in all, {own:.1f} of them to connect): at most 3"
        )
        most(text, all_of_them - own, 1, 3.2, "")
    most("32 hosts: under 10 x one host", stack("prov", "same", 32), ours, 10)
    most("1,000 light hosts: at most 35 s", case("scale", "1000 hosts"), 1, 35, "s")
    most("1,000 light hosts: under 600 MB", case("scale", "1000 hosts", "memory"), 1, 600, "MB")
    first = stack("prov", "first")
    most("first deploy: no slower than the shell script", first, stack("shell script", "first"), 1)
    most("first deploy: under 0.6 x pyinfra's", first, stack("pyinfra", "first"), 0.6)
    most("one file of 2,000: no slower than rsync", case("tree", "prov"), case("tree", "rsync over ssh"), 1)
    for where, limit in (("1 host", 0.15), ("1 host, 100 ms", 0.45), ("32 hosts", 1.3)):
        seconds = case("kept", f"{where}: {KEPT}")
        most(f"kept, {where}: at most {limit} s", seconds, 1, limit, "s")
    beside("kept", "kept: at most 0.7 x a fresh `ssh host true`", f"1 host: {KEPT}", f"1 host: {FLOOR}", 0.7)
    beside("kept", "fresh: at most 1.2 x `ssh host true`", f"1 host: {FRESH}", f"1 host: {FLOOR}", 1.2)
    beside("copies", "first copy of a tree: at most 1.1 x rsync", "tree, prov", "tree, rsync over ssh", 1.1)
    large = "a file of 2000 MB"
    beside("copies", f"{large}: no slower than scp", f"{large}, prov", f"{large}, scp", 1)
    for kind in ("INI", "YAML"):
        small, large = (
            f"{n} groups, {kind}, one group" for n in ("1,000 hosts in 50", "100,000 hosts in 5,000")
        )
        most(f"1,000 hosts, {kind}: under 0.3 s", case("inventory", small), 1, 0.3, "s")
        most(f"100,000 hosts, {kind}: under 10 s", case("inventory", large), 1, 10, "s")
        most(f"100,000 hosts, {kind}: under 1 GB", case("inventory", large, "memory"), 1, 1000, "MB")
    bare = case("startup", "python -c pass")
    most("`prov --help`: under 6 x `python -c pass`", case("startup", "prov --help"), bare, 6)
    most("a configuration error: under 15 x", case("startup", "a configuration error"), bare, 15)
    return found
