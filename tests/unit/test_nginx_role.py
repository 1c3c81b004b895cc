"""What the role of nginx refuses before it changes anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import inventories
import pytest
from report_events import FACTS

from roles.nginx import Nginx


@pytest.mark.parametrize(
    ("distribution", "version", "refused"),
    [
        ("debian", "11", ["http3", "brotli"]),
        ("debian", "12", ["http3"]),
        ("debian", "13", []),
        ("ubuntu", "24.04", ["http3"]),
        ("ubuntu", "25.04", []),
    ],
)
def test_what_the_nginx_of_a_distribution_lacks(
    tmp_path: Path, distribution: str, version: str, refused: list[str]
) -> None:
    own = inventories.host(tmp_path, "nginx: {http3: true, brotli: true}")
    facts = replace(FACTS, distribution=distribution, version=version)
    host: Any = SimpleNamespace(inventory=own, facts=facts)
    found = list(Nginx(http3=True, brotli=True).unmet(host))
    assert [each.hint.split("`")[1] for each in found if each.hint] == refused
    assert all(f"nginx of {distribution} {version} lacks" in each.message and each.where for each in found)
    assert list(Nginx().unmet(host)) == []
