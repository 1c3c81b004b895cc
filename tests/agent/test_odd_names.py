"""Names that are as long as they may be, other locales, and files that can't be replaced, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from agent_sessions import Agents
from test_cases import submit

from provision.controller.outcome import Outcome
from provision.steps.base import Step
from provision.steps.files import Directory, File, Link
from provision.steps.tree import Tree
from provision.system.source import Source


def deployed(agents: Agents, step: Step) -> Outcome:
    """What came of a step, which was planned first: the plan has said it."""
    with agents.session(plan=True) as session:
        planned = submit(session, step)
    with agents.session() as session:
        real = submit(session, step)
    if real.state != "failed":
        assert (planned.state, planned.diff) == (real.state, real.diff)
        with agents.session() as session:
            assert submit(session, step).state == "ok"
    return real


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def refused(agents: Agents, step: Step) -> tuple[str, str]:
    error = deployed(agents, step).error
    assert error is not None
    return error.message, error.hint


# -- names


@pytest.mark.trust("11", "long-names")
@pytest.mark.parametrize("name", ["n" * 246, "n" * 255, "日" * 85])
def test_a_name_may_be_as_long_as_the_kernel_lets_it(agents: Agents, root: Path, name: str) -> None:
    assert deployed(agents, File(f"{root}/{name}", "old")).state == "changed"
    assert deployed(agents, File(f"{root}/{name}", "new")).state == "changed"
    assert (root / name).read_text() == "new"
    (root / name).unlink()
    assert deployed(agents, Link(f"{root}/{name}", "end")).state == "changed"
    assert deployed(agents, Tree(f"{root}/tree", [(name, 0o644, Source.of("x"), "")])).state == "changed"
    assert names(root / "tree") == [name]
    assert names(root) == sorted([name, "tree"])


@pytest.mark.trust("11", "long-names")
def test_a_name_that_is_too_long_is_said_to_be(agents: Agents, root: Path) -> None:
    message, hint = refused(agents, File(f"{root}/{'n' * 256}", ""))
    assert message == f"file name too long: {root}/{'n' * 256}"
    assert "255 bytes" in hint


@pytest.mark.trust("11", "latin1-locale")
def test_the_agent_speaks_utf8_in_any_locale(agents: Agents, root: Path, tmp_path: Path) -> None:
    # a Python whose locale is not UTF-8, as far as it may look at the locale
    python = tmp_path / "python"
    code = "import sys; sys.argv[1:3] == ['-X', 'utf8'] or sys.exit('the locale decides')"
    python.write_text(f'#!/bin/sh\n{sys.executable} -c "{code}" "$@" || exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with agents.session(interpreter=str(python)) as session:
        assert submit(session, File(f"{root}/größe 日本", "ü")).state == "changed"
    assert [os.fsencode(path.name) for path in root.iterdir()] == ["größe 日本".encode()]


# -- what can't be replaced


@contextmanager
def mounted(*argv: str | Path) -> Iterator[None]:
    subprocess.run(["mount", *argv], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", argv[-1]], check=True)


@pytest.mark.trust("11", "bind-mounted-file")
def test_a_file_that_is_mounted_gets_new_contents(agents: Agents, root: Path) -> None:
    (root / "outside").write_text("as it was, and longer")
    (root / "hosts").touch()
    with mounted("--bind", root / "outside", root / "hosts"):
        assert deployed(agents, File(f"{root}/hosts", "new\n", mode=0o640)).state == "changed"
        assert (root / "hosts").read_text() == (root / "outside").read_text() == "new\n"
        assert (root / "hosts").stat().st_mode & 0o777 == 0o640
        message, hint = refused(agents, Link(f"{root}/hosts", "elsewhere"))
        assert message == f"device or resource busy: {root}/hosts"
        assert f"findmnt {root}/hosts" in hint
    assert names(root) == ["hosts", "outside"]


@pytest.mark.trust("11", "immutable-file")
def test_what_keeps_root_from_a_file_is_named(agents: Agents, root: Path) -> None:
    (root / "fixed").write_text("old")
    subprocess.run(["chattr", "+i", root / "fixed"], check=True)
    try:
        message, hint = refused(agents, File(f"{root}/fixed", "new"))
    finally:
        subprocess.run(["chattr", "-i", root / "fixed"], check=True)
    assert message == f"operation not permitted: {root}/fixed"
    assert hint == f"{root}/fixed is immutable, which binds root too: `chattr -i {root}/fixed` lifts that."
    (root / "folder").mkdir()
    subprocess.run(["chattr", "+i", root / "folder"], check=True)
    try:
        for step in (File(f"{root}/folder/new", "x"), Directory(f"{root}/folder/inner")):
            assert f"`chattr -i {root}/folder`" in refused(agents, step)[1]
    finally:
        subprocess.run(["chattr", "-i", root / "folder"], check=True)
    assert names(root) == ["fixed", "folder"]


@pytest.mark.trust("11", "no-inodes")
def test_a_file_system_without_inodes_is_named(agents: Agents, root: Path) -> None:
    (root / "small").mkdir()
    with mounted("-t", "tmpfs", "-o", "nr_inodes=3,size=1m", "none", root / "small"):
        (root / "small/a").touch()
        (root / "small/b").touch()
        message, hint = refused(agents, File(f"{root}/small/c", "x"))
        assert message == f"no space left on device: {root}/small/c"
        assert hint.startswith(f"The file system of {root}/small has room, but no inodes left")
        message, hint = refused(agents, Directory(f"{root}/small/d"))
        assert (message, "inodes" in hint) == (f"no space left on device: {root}/small/d", True)


@pytest.mark.trust("11", "read-only-file-system")
def test_a_read_only_file_system_is_named(agents: Agents, root: Path) -> None:
    (root / "fixed").mkdir()
    with mounted("-t", "tmpfs", "-o", "ro", "none", root / "fixed"):
        for step in (
            File(f"{root}/fixed/c", "x"),
            Directory(f"{root}/fixed/d"),
            Link(f"{root}/fixed/e", "x"),
        ):
            message, hint = refused(agents, step)
            assert message.startswith(f"read-only file system: {root}/fixed/")
            assert f"findmnt -T {root}/fixed/" in hint
