"""First copies: a tree of 2,000 files and 50 MB beside rsync over ssh, and one large file beside scp."""

from __future__ import annotations

from pathlib import Path

from bench.hosts import on_all, write_ssh
from bench.lab import Bench
from bench.log import say
from bench.measure import Command, run
from bench.parts.tree import SAME, grow
from bench.record import alternating
from bench.tools.prov import deploy

PART = "copies"
PIECE = 1 << 20
SAME_FILE = "sha256sum </srv/file-%s"
TREE_RSYNC, TREE_PROV = "tree, rsync over ssh", "tree, prov"


def measure(bench: Bench, megabytes: int) -> None:
    """Each copies to a host that has none of it, over a fresh connection. megabytes: of the large file."""
    points = bench.points[:1] or bench.fresh(1)
    bench.record.begin(PART)
    work = bench.folder()
    tree, file = work / "tree", work / "file"
    grow(tree)
    with file.open("wb") as f, Path("/dev/urandom").open("rb") as random:
        for _ in range(megabytes):
            f.write(random.read(PIECE))
    ssh = ["ssh", "-F", str(write_ssh(points, work))]
    name = points[0].name
    large = f"a file of {megabytes} MB"
    fresh = {"prov_persist": 0}
    commands = {
        TREE_RSYNC: Command(["rsync", "-a", "-e", " ".join(ssh), f"{tree}/", f"{name}:/srv/tree-rsync/"]),
        TREE_PROV: deploy(
            points,
            bench.folder(),
            {"roles": ["tree"], "tree": {"source": str(tree), "path": "/srv/tree-prov"}, **fresh},
        ),
        f"{large}, scp": Command(["scp", "-q", *ssh[1:], str(file), f"{name}:/srv/file-scp"]),
        f"{large}, prov": deploy(
            points,
            bench.folder(),
            {"roles": ["copy"], "copy": {"source": str(file), "path": "/srv/file-prov"}, **fresh},
        ),
    }

    def once(case: str) -> None:
        bench.timed(PART, case, lambda: run(commands[case], timeout=120 + megabytes / 5))

    for number in range(bench.rounds):
        on_all(points, "rm -rf /srv/tree-* /srv/file-*; sync", timeout=120)
        names = list(commands)
        # each is first in turn
        alternating(names if number % 2 else names[::-1], 1, once)
    sums = [on_all(points, SAME % (each, each), timeout=60) for each in ("rsync", "prov")]
    files = [on_all(points, SAME_FILE % each, timeout=120) for each in ("scp", "prov")]
    if sums[0] != sums[1] or files[0] != files[1]:
        bench.record.add(PART, case=TREE_PROV, failed="the copies are not equal")
        say("the copies are NOT EQUAL")
