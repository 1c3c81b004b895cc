"""The pictures of the docs are what prov shows of the recorded runs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"
NAMES = (
    "drift",
    "failure",
    "first_deploy",
    "history",
    "nginx_refuses",
    "odd_host",
    "one_line_change",
    "port_held",
)


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("recorded_pictures", DOCS / "recorded_pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(svg: str) -> list[str]:
    """The texts of a picture, in order."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_what_prov_shows(pictures: ModuleType, name: str) -> None:
    """If it differs on purpose: python docs/recorded_pictures.py."""
    picture = (DOCS / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    assert text_of(pictures.drawn(name)) == text_of(picture) != []
    assert len(picture) < 60_000
    assert "url(http" not in picture and "@import" not in picture, "it loads something from the network"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_it(pictures: ModuleType, name: str) -> None:
    assert sorted(pictures.COMMANDS) == sorted(NAMES)
    assert any(f"(pictures/{name}.svg)" in page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
