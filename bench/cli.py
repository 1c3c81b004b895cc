"""The command line: python -m bench [PART...]."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.lab import Bench
from bench.log import say
from bench.parts import copies, inventories, kept, rtt, scale, stack, startup, steps, tree, wire
from bench.record import ResultRows
from bench.report import markdown
from bench.tools import TOOLS
from bench.tools.base import HERE, PEERS

PARTS = ("startup", "stack", "kept", "rtt", "wire", "steps", "tree", "copies", "scale", "inventory")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for; returns the exit status."""
    options = parse(arguments)
    if os.geteuid():
        say("the lab needs root")
        return 2
    if not (PEERS / "ansible-playbook").exists():
        say(
            "the peers are not installed: python3 -m venv bench/.venv; pip install -r bench/requirements.txt there"
        )
        return 2
    if {"tree", "copies"} & set(options.parts) and not shutil.which("rsync"):
        say("the parts `tree` and `copies` need rsync: apt-get install rsync   (`make bench` does that)")
        return 2
    # so that everything that was started is ended, and every host removed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    record = ResultRows(options.results / f"{options.name}.json")
    with Bench(record, options.tools, options.rounds) as bench:
        try:
            for part in options.parts:
                one(bench, part, options)
        finally:
            write(record, options)
    return 0


def one(bench: Bench, part: str, options: argparse.Namespace) -> None:
    """Run one part."""
    say(f"== {part}")
    if part == "startup":
        startup.measure(bench)
    elif part == "stack":
        for count in sorted(options.hosts):
            stack.measure(bench, count, options.deploys if count == 1 else options.deploys_many)
    elif part == "kept":
        kept.measure(bench, options.hosts, options.rtt)
    elif part == "rtt":
        rtt.measure(bench, options.rtt)
    elif part == "wire":
        wire.measure(bench)
    elif part == "steps":
        steps.measure(bench)
    elif part == "tree":
        tree.measure(bench)
    elif part == "copies":
        copies.measure(bench, options.megabytes)
    elif part == "inventory":
        inventories.measure(bench)
    elif part == "scale":
        scale.measure(bench, options.scale)


def write(record: ResultRows, options: argparse.Namespace) -> None:
    """The table, and the plot where there is something to plot."""
    path = options.results / f"{options.name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(markdown(record))
    say(f"written: {path}")
    from bench.plot import draw

    draw(options.results / f"{options.name}.json", options.results / f"{options.name}.svg")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, with what --quick stands for filled in."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)}; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="1 host, 2 rounds, up to 100 light hosts, RTT 0 and 100"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="measurements of each figure (default: 5)")
    parser.add_argument(
        "--deploys", type=int, metavar="N", help="first deploys on one host (default: as rounds)"
    )
    parser.add_argument(
        "--deploys-many", type=int, default=1, metavar="N", help="first deploys on several hosts"
    )
    parser.add_argument("--hosts", type=numbers, metavar="N,N", help="numbers of hosts (default: 1,8,32)")
    parser.add_argument(
        "--rtt", type=numbers, metavar="MS,MS", help="added round-trip times (default: 0,30,100)"
    )
    parser.add_argument("--scale", type=numbers, metavar="N,N", help="light hosts (default: 100,300,1000)")
    parser.add_argument(
        "--megabytes", type=int, metavar="N", help="of the large file that is copied (default: 2000)"
    )
    parser.add_argument("--only", metavar="TOOL,TOOL", help=f"of: {', '.join(TOOLS)}; default: all")
    parser.add_argument("--results", type=Path, default=HERE / "results", metavar="FOLDER")
    parser.add_argument("--name", metavar="NAME", help="of the files there (default: bench, or quick)")
    found = parser.parse_args(arguments)
    quick = found.quick
    found.rounds = found.rounds or (2 if quick else 5)
    found.deploys = found.rounds if found.deploys is None else found.deploys
    found.hosts = found.hosts or ([1] if quick else [1, 8, 32])
    found.rtt = [0, 100] if quick and found.rtt is None else found.rtt or [0, 30, 100]
    found.scale = found.scale or ([100] if quick else [100, 300, 1000])
    found.megabytes = found.megabytes or (200 if quick else 2000)
    found.name = found.name or ("quick" if quick else "bench")
    found.tools = found.only.split(",") if found.only else list(TOOLS)
    for name in found.tools:
        if name not in TOOLS:
            parser.error(f"no tool {name!r}; there are: {', '.join(TOOLS)}")
    for part in found.parts:
        if part not in PARTS:
            parser.error(f"no part {part!r}; there are: {', '.join(PARTS)}")
    found.parts = found.parts or list(PARTS)
    return found


def numbers(text: str) -> list[int]:
    """ "1,8,32" as a list."""
    return [int(word) for word in text.split(",")]
