"""Texts read as if written in English: words and constructions that give a translation away are found (STYLE.md).

Comments, docstrings and messages of all code, and the pages, are looked at; names in code are not.
"""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: pattern -> what to write instead. Each was found in this repository's own texts.
PATTERNS = {
    r"\banew\b": "again",
    # not the user of that name, in quotes or paths
    r"(?<![\w./\"'`@~{-])(?<!\{ )(?<!AllowUsers )(?<!shop: )(?<!User )(?<!acts as )nobody(?![\w\"'`:@.-])": "no one",
    r"\bsomebody\b": "say who: a user, another process, someone",
    r"(?<!-)\bmeanwhile\b": "say when, or leave it out",
    r"\bthe one before it\b": "the previous one",
    r"\bhow-manieth\b": "index",
    r"\btold of\b": "called with, shown",
    r"\bis had\b": "say who has it",
    r"\bmakes for\b": "is",
    r"(?<!there )\bis no (?!longer\b|more\b|one\b|other\b|matter\b|good\b)[a-z]+": "is not a ...",
    r"(?<!there )\bare no (?!longer\b|more\b|others?\b)[a-z]+": "are not ...",
    r"\b(is|are) there already\b": "already exists",
    r"\bgive it free\b": "release it",
    r"\b(has|have) the say\b": "decides, claims",
    r"\bdesign D\d": "docs/decisions has it: say what it means",
    r"\bcan't be told (of|to)\b": "could not",
    r"\bof which only\b": "that only",
    r"\bit wants to be\b": "an imperative",
    r"\bnothing that was asked for\b": "no matching ...",
    r"\bwhatever (that|it) is had\b": "what exists",
}
#: more, for what ships: what prov says, its pages, and the code of it; tests may still use these
SHIPPED_PATTERNS = {
    r"\bwhoever\b": "say who: the user who, a process that",
    r"\b(as|by|to|for|says|know|knows|ask) whom\b|\bwhom (to|prov|the|commands|we|it)\b": "the user that",
    r"\bwhat is there\b": "the current state, what exists",
}
SHIPPED = (
    "provision/",
    "roles/",
    "docs/",
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "Makefile",
    "mkdocs.yml",
)
#: written by programs from results, or quoted from elsewhere
LEFT_OUT = ("docs/security.md", "CHANGELOG.md", "STYLE.md", "tests/unit/test_voice.py", "bench/results/")
READ = (".py", ".md", ".yml", ".toml", ".j2", "Makefile")


def texts() -> list[str]:
    """Names of the files that git tracks and that people read."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [
        name
        for name in listed.stdout.split("\0")
        if name.endswith(READ) and not name.startswith(LEFT_OUT) and (ROOT / name).is_file()
    ]


def lines(name: str, text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of what a file says: all of a page; comments and strings of Python."""
    if not name.endswith(".py"):
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and " " in token.string):
            yield from enumerate(token.string.splitlines(), token.start[0])


def found(name: str, text: str) -> list[str]:
    """What a file says that reads translated, with what to write instead."""
    patterns = PATTERNS | (SHIPPED_PATTERNS if name.startswith(SHIPPED) else {})
    every = re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)
    return [
        f"{name}:{number}: {match.group()!r}: {instead}"
        for number, line in lines(name, text)
        if every.search(line)
        for pattern, instead in patterns.items()
        if (match := re.search(pattern, line, re.IGNORECASE))
    ]


def test_texts_read_as_english() -> None:
    said = [fault for name in texts() for fault in found(name, (ROOT / name).read_text(encoding="utf-8"))]
    assert said == [], "\n".join(said)


@pytest.mark.parametrize(
    "line",
    [
        "# logs in anew",
        "# nobody can tell",
        '"""Lines that somebody has changed."""',
        'raise StepError("%s is no JSON" % path)',
        "# the keys are no packages",
        'raise UsageError("roles/x is there already")',
        "# role, step, and the how-manieth of that name",
        '"""on_line: told of each line."""',
        '"""As design D5 says."""',
        '"""Whoever asks closes it."""',
        '"""user: whom commands run as."""',
        '"""record: takes what is there."""',
    ],
)
def test_what_is_found(line: str) -> None:
    assert found("provision/x.py", line + "\n")


@pytest.mark.parametrize(
    "line",
    [
        'owner = "nobody"',
        "\"the user 'nobody' has it\"",
        "# nobody: an account of every distribution",
        "# there is no user of that name",
        "# it is no longer there, and no more than that",
        "nobody = 65534",
        "# taken-meanwhile",
    ],
)
def test_what_is_not(line: str) -> None:
    assert found("provision/x.py", line + "\n") == []
