"""How long prov takes to say something without a host."""

from __future__ import annotations

import sys

from bench.lab import Bench
from bench.log import say
from bench.measure import Command, run
from bench.record import alternating
from bench.tools.base import HERE
from bench.tools.prov import PROV

PART = "startup"
WRONG = "web:\n  hosts:\n    web1:\n      roles: [shop]\n      shop: {domain: shop.test, wrkers: 3}\n"


def measure(bench: Bench) -> None:
    """Help, completion and a configuration error, beside a Python that does nothing."""
    bench.record.begin(PART)
    inventory = bench.folder() / "inventory.yml"
    inventory.write_text(WRONG)
    project = HERE / "prov"
    completion = {"_PROV_COMPLETE": "bash_complete", "COMP_WORDS": "prov dep", "COMP_CWORD": "1"}
    cases = {
        "python -c pass": (Command([sys.executable, "-c", "pass"]), 0),
        "prov --help": (Command([str(PROV), "--help"]), 0),
        "completion": (Command([str(PROV)], completion), 0),
        "a configuration error": (
            Command([str(PROV), "deploy", "web", "-i", str(inventory)], {}, project),
            2,
        ),
    }

    def once(name: str) -> None:
        command, status = cases[name]
        done = run(command, timeout=30, expect=status)
        bench.record.add(PART, case=name, seconds=done.seconds, cpu=done.cpu)

    alternating(list(cases), 2 * bench.rounds, once)
    say("startup: done")
