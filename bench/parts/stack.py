"""The stack on some hosts: first deploy, nothing to change, one template changed."""

from __future__ import annotations

from bench import state
from bench.lab import Bench
from bench.log import say
from bench.measure import Failed, run
from bench.record import alternating
from bench.tools import Floor


def part_name(hosts: int) -> str:
    """Of this part in the record."""
    return f"stack on {hosts}"


def measure(bench: Bench, hosts: int, deploys: int) -> None:
    """All three figures. hosts: their number.  deploys: rounds of the first deploy."""
    part = part_name(hosts)
    bench.record.begin(part)
    first(bench, part, hosts, deploys)
    rounds = bench.rounds

    points = bench.settled(hosts)

    def same(name: str) -> None:
        if name == Floor.name:
            floor(bench, part, phase="same", hosts=hosts)
        else:
            bench.measured(part, name, points, unchanged=True, phase="same", hosts=hosts)

    def change(name: str) -> None:
        bench.upload_mb += 1
        bench.measured(part, name, points, phase="change", hosts=hosts)

    alternating([*bench.tools, Floor.name], rounds, same)
    alternating(bench.tools, rounds, change)


def first(bench: Bench, part: str, hosts: int, deploys: int) -> None:
    """First deploys, each on hosts as new; the states that they leave are compared."""
    states: dict[str, dict[str, str]] = {}

    def deploy(name: str) -> None:
        points = bench.fresh(hosts)
        bench.measured(part, name, points, phase="first", hosts=hosts)
        states[name] = state.probe(points[0])

    for number in range(deploys):
        alternating(bench.tools, 1, deploy)
        differences = state.compare(states)
        say(f"states after first deploys: {'equal' if not differences else 'NOT EQUAL'}")
        for line in differences:
            say(line)
        bench.record.add(
            part, phase="state", hosts=hosts, round=number, things=len(states), unequal=differences
        )


def floor(bench: Bench, part: str, **row: object) -> None:
    """`ssh host true` to the same hosts."""
    try:
        done = run(Floor().prepare(bench.points, 0, bench.folder()), timeout=60)
    except Failed as error:
        bench.record.add(part, tool=Floor.name, **row, failed=str(error)[-2000:])
        return
    say(f"{part} {row} {Floor.name}: {done.seconds:.2f} s")
    bench.record.add(part, tool=Floor.name, **row, seconds=done.seconds, cpu=done.cpu, rss=done.rss)
