"""Patterns of .gitignore: git is the judge of what they mean; no stranger's pattern takes long."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from provision.sources.patterns import Patterns

LETTERS = [
    "a",
    "b",
    "ab",
    "*",
    "**",
    "?",
    "/",
    "/",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-c]",
    "[]a]",
    "[[:alpha:]]",
    "\\*",
]
LETTERS += [
    "\\a",
    "!",
    "#",
    " ",
    "\\ ",
    ".",
    "[",
    "]",
    "[a-",
    "[[:no:]]",
    "-",
    "\\",
    "c",
    "[\\]b]",
    "[b-a]",
    "\u00fc",
]
NAMES = ["a", "b", "ab", "abc", "a b", "c", "#", "!a", "-", "]", "*", "a.", "[", "\u00fc", "a ", "\\"]


def ignored_by_git(folder: Path, text: bytes, paths: list[str]) -> dict[str, bool]:
    (folder / ".gitignore").write_bytes(text)
    argv = [
        "git",
        "-c",
        "core.excludesFile=/dev/null",
        "check-ignore",
        "--no-index",
        "--stdin",
        "-z",
        "-v",
        "-n",
    ]
    given = "\0".join(paths).encode()
    said = subprocess.run(argv, cwd=folder, input=given, capture_output=True, check=False).stdout.decode()
    fields = said.split("\0")
    found = zip(fields[2::4], fields[3::4], strict=False)
    return {path: pattern != "" and not pattern.startswith("!") for pattern, path in found}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_patterns_mean_what_git_takes_them_for(folder: Path) -> None:
    """Each text has one pattern, so that no folder above hides what it says of a path."""
    rng = random.Random(13)
    paths = sorted({"/".join(rng.choices(NAMES, k=k)) for k in (1, 2, 3, 4) for _ in range(30)})
    differing = []
    for _ in range(500):
        line = "".join(rng.choices(LETTERS, k=rng.randint(1, 7)))
        text = line.encode() + rng.choice([b"\n", b"", b"\r\n", b"  \n"])
        if text.startswith(b"!") or set(line) <= {"/", "*", " "}:
            continue
        git = ignored_by_git(folder, text, paths)
        patterns = Patterns(text)
        for path in paths:
            parts = path.split("/")
            folders = ["/".join(parts[:n]) for n in range(1, len(parts))]
            ours = bool(patterns.verdict(path, False)) or any(patterns.verdict(f, True) for f in folders)
            if ours != git[path]:
                differing.append((text, path, git[path]))
    shown = {t: (p, g) for t, p, g in differing}
    assert shown == {}


@pytest.mark.trust("1", "gitignore-takes-for-ever")
@pytest.mark.parametrize(
    "pattern", ["*a" * 40 + "*b", "/" + "*a" * 40 + "*b", "**/" * 60 + "b", "**/a/" * 60 + "b", "[" * 999]
)
def test_no_pattern_takes_long(pattern: str) -> None:
    patterns = Patterns(f"{pattern}\n".encode() * 20)
    begin = time.monotonic()
    for path in ("a" * 250, "/".join(["a"] * 120), "/".join(["a" * 250] * 12)):
        assert patterns.verdict(path, False) is None
    assert time.monotonic() - begin < 30
