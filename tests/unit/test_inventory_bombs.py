"""Inventories that would fill memory, or that YAML's reader fails on: refused with file and line."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from provision.errors import ConfigError
from provision.inventory import load

BOMB = "".join(f"    x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 8))
MERGES = "".join(f"    m{n}: &m{n}\n      <<: [*m{n - 1}, *m{n - 1}]\n      k{n}: 1\n" for n in range(1, 22))
BOMBS = {
    "aliases of aliases": f"all:\n  vars:\n    x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n{BOMB}",
    "the same in a long file": f"all:\n  vars:\n    # {'x' * 1_000_000}\n    x0: &x0 [a, a, a, a, a, a, a, a]\n{BOMB}",
    "merges of merges": f"all:\n  vars:\n    m0: &m0 {{a: 1}}\n{MERGES}",
    "a range": "all:\n  hosts:\n    web[1:999999999]:\n",
    "ranges of ranges": "all:\n  hosts:\n    a[1:9999]b[1:9999]c[1:9999]:\n",
    "many ranges": f"all:\n  hosts:\n    web{'[1:1]' * 2000}:\n",
    "a range of long numbers": f"all:\n  hosts:\n    web[{'0' * 5000}1:{'0' * 5000}9]:\n",
    "many hosts": "all:\n  hosts:\n" + "".join(f"    web{n}-[1:9999]:\n" for n in range(30)),
    "deep": f"all:\n  vars:\n    x: {'[' * 20000}{']' * 20000}\n",
    "deep enough for libyaml": f"all:\n  vars:\n    x: {'[' * 200}{']' * 200}\n",
    "groups in groups": "".join(f"g{n}: {{children: {{g{n + 1}: }}}}\n" for n in range(2000)) + "g2000: {}\n",
    "a huge number": f"all:\n  vars:\n    x: {'9' * 5000}\n",
    "a number of base 60": f"all:\n  vars:\n    x: 1{':30' * 3000}\n",
    "a date that is none": "all:\n  hosts: {web1: {x: !!timestamp abc}}\n",
    "an empty number": 'all:\n  hosts: {web1: {x: !!int ""}}\n',
    "a date as a key": "all:\n  hosts: {web1: {x: {2024-02-03: 1}}}\n",
    "a character at the end": "all:\n  hosts:\n    web1: \ufffe",
    "an alias to itself": "all:\n  vars: &v\n    x: *v\n",
}  # fmt: skip


@pytest.mark.trust("7", "yaml-bombs")
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_what_stands_for_more_than_any_memory_holds(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(text)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(ConfigError, match=r"hosts\.yml:\d+"):
        load([path])
    assert time.monotonic() - began < 60  # not for ever
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120_000
