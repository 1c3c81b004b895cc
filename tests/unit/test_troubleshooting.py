"""docs/troubleshooting.md quotes messages that prov, or ssh, really has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs/troubleshooting.md"
#: in the page's tables, the first column
MESSAGE = re.compile(r"^\| `([^`]+)`", re.MULTILINE)
#: the end of a string and the start of the next one, which Python puts together
JOINED = re.compile(r'"\s*\n\s*f?"')


@pytest.fixture(scope="module")
def sources() -> str:
    files = [*(TOP / "provision").rglob("*.py"), *(TOP / "roles").rglob("*.py")]
    return "\n".join(JOINED.sub("", path.read_text()) for path in files)


@pytest.mark.parametrize("message", MESSAGE.findall(PAGE.read_text()))
def test_a_message_is_one_of_provs(message: str, sources: str) -> None:
    for part in filter(None, map(str.strip, message.split("..."))):
        assert part in sources
