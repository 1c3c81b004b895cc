"""What the tests need of a machine is said before the first one runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import needs
import pytest

ROOT = Path(__file__).parents[2]


def test_all_that_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "_PATH", "/nonexistent")
    said = needs.complaint(["unit", "agent"], 0)
    assert "logrotate" in said and "ssh-keygen" in said
    assert said.endswith("apt-get install git iproute2 logrotate nftables openssh-client openssl systemd")
    assert needs.missing(["bench"]).keys() == {"git", "rsync", "ssh", "ssh-keygen"}


def test_root_is_asked_for_where_it_is_needed() -> None:
    assert needs.complaint(["unit"], 1000) == ""
    assert "tests/agent needs root: `make agent-test`" in needs.complaint(["agent"], 1000)


def test_pytest_refuses_to_begin_without_what_the_tests_call(tmp_path: Path) -> None:
    """Neither thousands of failures nor skips."""
    code = (
        "import needs, sys; needs._PATH = '/nonexistent'; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    )
    argv = [sys.executable, "-c", code, "-p", "no:cacheprovider", "tests/unit/test_codec.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "apt-get install git openssh-client openssl" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_what_is_there_need_not_be_installed() -> None:
    argv = [sys.executable, str(ROOT / "tests/needs.py"), "unit"]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout == "\n"


def test_make_installs_for_every_folder_of_tests() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = {word for words in re.findall(r"\$\(call NEED,([a-z_ ]+)\)", makefile) for word in words.split()}
    folders = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py"))}
    assert named == set(needs.NEEDS) == folders | {"bench"}


def test_make_prove_runs_what_make_test_takes_a_sample_of() -> None:
    listed = re.findall(r"(?m)^(?:SAMPLED|DRAWN) \?= ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text())
    assert len(listed) == 2
    named = set(" ".join(listed).replace("\\\n", " ").split())
    folders = ("tests/agent", "tests/lab", "tests/unit", "tests/steps_more")
    sampled = {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("test_*.py")
        if re.search(r"helpers\.samples import sample|mark\.at_length", path.read_text())
    }
    assert sampled - named == set()
    assert [path for path in named if not (ROOT / path).exists()] == []
