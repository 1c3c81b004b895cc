"""Formats of output: each is one file that declares itself, and every command takes them."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import provision
from provision.errors import ConfigError
from provision.report import formats

ROOT = Path(provision.__file__).parent
SHOUT = '''
"""Capitals."""

from provision.report.formats.as_plain import PlainFormat
from provision.report.screen import write


class Shout(PlainFormat):
    def show(self, events, lines=()):
        for line in lines:
            write(self._out, line.upper() + "!")


FORMAT = Shout
'''
INVENTORY = "all: {hosts: {web1: {ansible_host: 192.0.2.1}}}\n"


def test_a_new_format_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "as_shout.py").write_text(SHOUT)
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    code = (
        "import sys; from provision.report import formats; formats.__path__.append(sys.argv.pop(1));"
        "from provision.cli.main import main; main()"
    )
    words = ["hosts", "-i", "hosts.yml", "--format", "shout"]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "WEB1  192.0.2.1" in done.stdout
    assert all(line.endswith("!") for line in done.stdout.splitlines())


def test_the_default_comes_first() -> None:
    assert formats.names() == ["text", "json", "plain"]


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["hosts", "--json"], "Json"),
        (["hosts", "--format", "json"], "Json"),
        (["hosts", "--format=json", "--nope"], "Json"),
        (["hosts", "--format", "nope"], "Text"),
        (["hosts", "--format"], "Text"),
        (["run", "web1", "--", "x", "--json"], "Text"),
        (["hosts", "--format=plain"], "PlainFormat"),
    ],
)
def test_what_a_command_line_that_makes_no_sense_asks_for(words: list[str], kind: str) -> None:
    assert type(formats.asked_for(words)).__name__ == kind


def test_errors_are_objects_for_programs_only() -> None:
    said = {}
    for name in formats.names():
        out = io.StringIO()
        kind = type(formats.find(name))
        kind(out).errors([ConfigError("wrong", where="a.yml:3", hint="Mend it.")])
        said[name] = out.getvalue()
    error, summary = map(json.loads, said.pop("json").splitlines())
    assert error == {"event": "error", "message": "wrong", "where": "a.yml:3", "hint": "Mend it."}
    assert summary["event"] == "summary"
    assert set(said.values()) == {""}


def test_json_is_short_for_its_format(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    said = []
    for words in (["--json"], ["--format", "json"], ["--format", "plain", "--json"]):
        code = "from provision.cli.main import main; main()"
        argv = [sys.executable, "-c", code, "hosts", "-i", "hosts.yml", *words]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines[-1].pop("seconds") >= 0
        said.append(lines)
    assert said[0] == said[1] == said[2]
    assert [line["event"] for line in said[0]] == ["host", "summary"]


def test_one_place_writes_summaries_and_no_command_asks_for_json() -> None:
    summaries, flags = [], []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            here = path.relative_to(ROOT).as_posix()
            if isinstance(node, ast.Dict) and "'event': 'summary'" in ast.unparse(node):
                summaries.append(here)
            elif isinstance(node, ast.arg) and node.arg == "as_json":
                flags.append(here)
    assert summaries == ["report/jsonl.py"]
    assert flags == []
