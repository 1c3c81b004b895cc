"""Secrets are found by their text and its usual encodings, and nothing else is taken for one."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
from agent_sessions import Agents
from hypothesis import given
from hypothesis import strategies as st

from provision.agent.secret_masks import Masks
from provision.secrets import MASK, Secret
from provision.steps.command import Command
from provision.steps.files import File

ENCODERS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": json.dumps,
    "JSON in Unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "Python": repr,
    "shell": shlex.quote,
    "URL": urllib.parse.quote,
    "form": urllib.parse.quote_plus,
    "URL, whole": lambda text: urllib.parse.quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a login": lambda text: base64.b64encode(f"me:{text}".encode()).decode(),
    "base64 in a text": lambda text: base64.b64encode(f"a{text} and more".encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"xyz{text}".encode()).decode(),
}


@pytest.mark.trust("6", "secrets-in-other-encodings")
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="*\r\n"), min_size=8).filter(str.strip))
def test_no_encoding_shows_a_secret(encoder: Callable[[str], str], text: str) -> None:
    shown = Masks([text]).hide(f"it says {encoder(text)}!")
    assert MASK in shown and text not in shown


@pytest.mark.parametrize("before", range(70))
def test_base64_in_several_lines_shows_no_secret(before: int) -> None:
    secret = "k3gbKQz1-hunter22/" * 6
    text = "x" * before + secret + " and more of it, and much more, to the end"
    said = base64.encodebytes(text.encode()).decode()
    shown = Masks([secret]).hide(f"$ base64 f\n{said}$ ")
    left = base64.b64decode(shown.replace("$ base64 f\n", "").replace("$ ", "").split(MASK)[0] + "====")
    assert MASK in shown and b"k3gbKQz1" not in left
    assert Masks(["other-word"]).hide(said) == said


def test_lines_and_logins_by_themselves() -> None:
    masks = Masks(["first line\nanother one", "postgres://shop:pa%2Fss1@db/shop"])
    assert masks.hide("another one: pa/ss1, pa%2Fss1; shop") == f"{MASK}: {MASK}, {MASK}; shop"


@pytest.mark.parametrize("text", ["a", "1", "yes", "", "  ", "****", "********"])
def test_short_texts_garble_nothing(text: str) -> None:
    said = "yes, 1 of 3: 0644 ******** a word"
    assert Masks([text]).hide(said) == said


def test_words_are_hidden_where_they_stand_alone() -> None:
    masks = Masks(["shop", "2048", "hunter2"])
    assert masks.hide("shopping for 12048 at shop, -phunter2") == f"shopping for 12048 at {MASK}, -p{MASK}"


@pytest.mark.trust("6", "secrets-known-by-the-inventory-alone")
def test_a_known_secret_in_plain_text_shows_nowhere(agents: Agents, root: Path) -> None:
    """A role that reveals one, or has it as text: in diffs, labels, arguments, answers and records."""
    word = "k3gbKQz1"
    session = agents.start()
    session.masks.add(word)
    steps = [
        File(f"{root}/conf", f"password = {word}\n"),
        Command(["true", word], creates=f"{root}/conf"),
        Command(["sh", "-c", f"echo {word}; echo {word} >&2; exit 3"], reason=word, ignore_errors="a test"),
    ]
    outcomes = [session.submit(step) for step in steps]
    session.finish()
    assert (root / "conf").read_text() == f"password = {word}\n"
    assert outcomes[0].diff[0].text.endswith(f"+password = {MASK}")
    records = "".join(
        p.read_text() for p in agents.ledger.rglob("*") if p.is_file() and "kept" not in p.parts
    )
    assert word not in records + repr(agents.events) + repr([o.answer for o in outcomes])
    assert all(word not in o.label for o in outcomes)


def test_a_secret_of_a_later_step_is_hidden_too(agents: Agents, root: Path) -> None:
    with agents.session() as session:
        session.submit(Command(["true"], environment={"A": Secret("k3gbKQz1")}, reason="a test")).wait()
        outcome = session.submit(File(f"{root}/conf", "k3gbKQz1\n"))
        assert "k3gbKQz1" not in repr(outcome.diff)


@pytest.mark.parametrize("line", ["0", "A/", "a-", "key=0", "x ", "=\n", "0" * 76 + "\n"])
def test_long_lines_take_no_more_time_than_short_ones(line: str) -> None:
    """In a process of its own, which ends: where each character began a search, this took hours."""
    script = (
        "import sys; from provision.agent.secret_masks import Masks\n"
        "text = sys.stdin.read() * 2_000_000\n"
        "text = text[:2_000_000]; assert Masks(['correct-horse']).hide(text) == text"
    )
    subprocess.run([sys.executable, "-c", script], input=line, text=True, check=True, timeout=60)
