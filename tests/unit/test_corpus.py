"""Inputs that parsers once failed on (tests/corpus), and a short search near them: `make prove` has a long one."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "fuzz"))

from parsers import PARSERS  # noqa: E402

CORPUS = TESTS / "corpus"
KEPT = sorted(path for path in CORPUS.rglob("*") if path.is_file())
#: mutated inputs for each parser
TRIES = 60

pytestmark = pytest.mark.trust("7", "fuzz")


def test_every_kept_input_has_its_parser() -> None:
    assert {path.parent.name for path in KEPT} <= set(PARSERS)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once(path: Path) -> None:
    PARSERS[path.parent.name].check(path.read_bytes())


@pytest.mark.parametrize("name", PARSERS)
def test_parsers_take_their_seeds_and_what_is_near(name: str, tmp_path: Path) -> None:
    parser, rng = PARSERS[name], random.Random(13)
    seeds = parser.seeds()
    for index, seed in enumerate(seeds):
        parser.check(seed)
        (tmp_path / str(index)).mkdir()
        if name not in ("inventory", "ini", "vault", "plan", "stream", "messages"):
            parser.run(seed, tmp_path / str(index))
    for _ in range(TRIES):
        parser.check(parser.near(rng.choice(seeds), rng))
