"""The role `hello` on a lab host:  prov lab up web1  &&  pytest"""

from __future__ import annotations

import json
import subprocess
from typing import Any


def prov(*words: str) -> list[dict[str, Any]]:
    """What prov reports, an object for each line."""
    done = subprocess.run(["prov", *words, "--json"], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_hello_is_there_and_stays_as_it_is() -> None:
    prov("deploy", "web1", "--role", "hello")
    summary = prov("deploy", "web1", "--role", "hello")[-1]
    assert summary["hosts"]["web1"]["changed"] == 0
    done = subprocess.run(
        ["prov", "run", "web1", "--", "cat", "/etc/hello.conf"], capture_output=True, text=True, check=True
    )
    assert "from web1" in done.stdout
