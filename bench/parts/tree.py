"""One file changed in an application of 2,000 files and 50 MB: prov's tree step beside rsync over ssh."""

from __future__ import annotations

import random
import time
from pathlib import Path

from bench.hosts import on_all, write_ssh
from bench.lab import Bench
from bench.log import say
from bench.measure import Command, run
from bench.record import alternating
from bench.tools.prov import deploy

PART = "tree"
#: seconds; an application has usually been there for longer than a file system's clock is coarse, within which no
#: hash of a file may be remembered
AGE = 3.0
FILES, BYTES = 2000, 50_000_000
SAME = "find /srv/tree-%s -type f -exec sha256sum {} + | sed s/tree-%s// | LC_ALL=C sort | sha256sum"


def measure(bench: Bench) -> None:
    """Each takes the same changes, one after the other, and the two folders are equal at the end."""
    points = bench.points[:1] or bench.fresh(1)
    bench.record.begin(PART)
    source = bench.folder() / "source"
    grow(source)
    ssh = write_ssh(points, bench.folder())
    rsync = [
        "rsync",
        "-a",
        "--delete",
        "-e",
        f"ssh -F {ssh}",
        f"{source}/",
        f"{points[0].name}:/srv/tree-rsync/",
    ]
    variables = {"roles": ["tree"], "tree": {"source": str(source), "path": "/srv/tree-prov"}}
    commands = {
        "rsync over ssh": Command(rsync),
        "prov": deploy(points, bench.folder(), variables),
    }
    for name, command in commands.items():
        say(f"all of the files: {name}: {run(command, timeout=120).seconds:.2f} s")
    time.sleep(AGE)
    # none of the two is measured while it looks at all of the files for the first time
    for command in commands.values():
        run(command, timeout=60)

    def once(name: str) -> None:
        done = run(commands[name], timeout=60)
        say(f"one file changed: {name}: {done.seconds:.2f} s")
        bench.record.add(PART, case=name, seconds=done.seconds, cpu=done.cpu)

    for number in range(bench.rounds):
        change(source, number)
        # each is first in turn
        names = list(commands)
        alternating(names if number % 2 else names[::-1], 1, once)
    sums = [on_all(points, SAME % (name, name), timeout=60) for name in ("rsync", "prov")]
    if sums[0] != sums[1]:
        bench.record.add(PART, case="prov", failed="the two folders are not equal")
        say("the two folders are NOT EQUAL")


def grow(source: Path) -> None:
    """Files in folders, with contents that do not compress."""
    some = random.Random(1)
    for number in range(FILES):
        path = source / f"package{number % 40}" / f"module{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(some.randbytes(BYTES // FILES))


def change(source: Path, number: int) -> None:
    """Other contents for one of them."""
    path = source / f"package{number % 40}" / f"module{number}.py"
    path.write_bytes(random.Random(1000 + number).randbytes(BYTES // FILES))
