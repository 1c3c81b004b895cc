"""Names that files of tests must not share.

Files of lab tests run beside each other, and a host that two of them have is made again under one of them. pytest takes
one file of a name in a run (pytest's docs, import modes), and `make prove` takes files of several folders.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
LAB = TESTS / "lab"
NAME = re.compile(r'^[A-Z_0-9]+ = "(t-[a-z0-9-]+)"$', re.MULTILINE)


def test_each_file_has_hosts_of_its_own() -> None:
    named = Counter(name for file in LAB.glob("test_*.py") for name in NAME.findall(file.read_text("utf-8")))
    assert len(named) > 20
    assert [name for name, files in named.items() if files > 1] == []


def test_each_file_has_a_name_of_its_own() -> None:
    named = Counter(file.name for file in TESTS.rglob("test_*.py") if "cases" not in file.parts)
    assert len(named) > 300
    assert [name for name, files in named.items() if files > 1] == []
