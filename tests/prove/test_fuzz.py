"""Parsers of what others have written, each with mutated inputs for FUZZ_SECONDS (ten minutes): no exception but its
own, no hang, little memory. What is found is kept in tests/corpus, which the unit tests run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WORKER = TESTS / "fuzz/worker.py"
SECONDS = float(os.environ.get("FUZZ_SECONDS", "600"))
#: one input may take 20 s before it counts as one that hangs; the start takes a few
PATIENCE = 60
NAMES = (
    *("inventory", "ini", "vault", "plan", "ledger", "history", "messages", "stream", "agent", "known_hosts"),
    *("ssh_config", "templates", "scripts"),
)


@pytest.mark.trust("7", "fuzz")
@pytest.mark.parametrize("name", NAMES)
def test_no_input_does_harm(name: str) -> None:
    seed = os.environ.get("FUZZ_SEED") or str(random.randrange(2**32))
    argv = [sys.executable, str(WORKER), name, str(SECONDS), seed, str(TESTS / "corpus")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS + PATIENCE)
    assert done.returncode == 0, f"FUZZ_SEED={seed}\n{done.stdout}{done.stderr}"
