"""Checkouts in which people have worked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from forked import Host, Hosts
from hypothesis import strategies as st
from past import drawn, hold
from pictures import Picture, others

from provision.steps.git import Checkout
from provision.steps.undo import Undo

ENVIRONMENT = {
    **{f"GIT_{who}_{what}": "t@t.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "PATH": os.environ["PATH"],
}
#: what the first commit and the second one have
FIRST = {"a": "1", ".gitignore": "ignored\n"}
SECOND = {"a": "2", ".gitignore": "ignored\n", "config.local": "theirs", "d/x": "theirs"}
mine = st.sampled_from(["config.local", "d", "d/x", "d/y", "ignored", "mine"])


def git(folder: Path, *words: str) -> str:
    argv = ["git", "-C", str(folder), *words]
    return subprocess.run(argv, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two tags and a branch."""
    at = tmp_path_factory.mktemp("origin")
    git(at, "init", "-q", "-b", "main")
    for number, files in enumerate((FIRST, SECOND), 1):
        for path, text in files.items():
            (at / path).parent.mkdir(exist_ok=True)
            (at / path).write_text(text)
        git(at, "add", "-A")
        git(at, "commit", "-q", "-m", str(number))
        git(at, "tag", f"v{number}")
    return at


def seen(host: Host) -> Picture:
    """All but what git keeps for itself, and what is checked out."""
    at = host.root / "src"
    head = git(at, "rev-parse", "HEAD") + (at / ".git/HEAD").read_text() if (at / ".git").exists() else ""
    return {**others(host.picture(), "src/.git"), "checked out": (head, "")}


@drawn(
    files=st.dictionaries(mine, st.sampled_from(["mine", "theirs"]), max_size=3),
    edited=st.booleans(),
    force=st.booleans(),
    branch=st.booleans(),
)
def test_checkout(
    hosts: Hosts, origin: Path, files: dict[str, str], edited: bool, force: bool, branch: bool
) -> None:
    host = hosts.new()
    at = host.root / "src"
    (real,) = host.run(Checkout(str(origin), str(at), "v1"))
    assert real.state == "changed", real.error
    for path, text in files.items():
        if not (at / path).exists() and not any(parent.is_file() for parent in (at / path).parents):
            (at / path).parent.mkdir(exist_ok=True)
            (at / path).write_text(text)
    if branch:
        git(at, "switch", "-q", "-c", "ours")
    if edited:
        (at / "a").write_text("by hand")
    step = Checkout(str(origin), str(at), "v2", force=force)
    held = hold(host, step, picture=lambda: seen(host))
    lost = {
        p
        for p, text in SECOND.items()
        if f"src/{p}" in held.before and held.before[f"src/{p}"][4] != text.encode()
    }
    in_the_way = lost - {"a"} or (at / "d").is_file()
    if held.failed:
        assert not force and (edited or in_the_way), held.failed
        assert edited or "does not track" in held.failed
        return
    assert force or not (edited or in_the_way)
    for path, text in SECOND.items():
        assert held.after[f"src/{path}"][4] == text.encode()
    for path, what in held.before.items():
        if path.removeprefix("src/") not in (*SECOND, "checked out") and not path.endswith("/d"):
            assert held.after[path] == what, path


def test_a_plan_leaves_nothing_of_what_it_has_fetched(hosts: Hosts, origin: Path) -> None:
    host = hosts.new()
    at = host.root / "src"
    host.run(Checkout(f"file://{origin}", str(at), "v1", depth=1))
    (at / "config.local").write_text("MY-SECRET")
    before = host.picture(), sorted(Path("/tmp").glob("tmp.*"))
    (planned,) = host.run(Checkout(f"file://{origin}", str(at), "v2", depth=1), plan=True)
    assert planned.error is not None and "config.local" in planned.error.message
    assert (host.picture(), sorted(Path("/tmp").glob("tmp.*"))) == before


def test_depth_and_remote(hosts: Hosts, origin: Path) -> None:
    host = hosts.new()
    at = host.root / "src"
    step = Checkout(f"file://{origin}", str(at), "v2", depth=1, remote="origin")
    held = hold(host, step, picture=lambda: seen(host), undone=False)
    assert [change[0] for change in held.outcomes[0].diff] == ["commit", "remote origin"]
    assert git(at, "rev-list", "--count", "HEAD") == "1"
    assert git(at, "remote", "get-url", "origin") == f"file://{origin}"
    git(at, "remote", "set-url", "origin", "https://elsewhere.test/x")

    def is_so() -> None:
        assert git(at, "remote", "get-url", "origin") == f"file://{origin}"

    held = hold(host, step, effect=is_so, picture=lambda: seen(host))
    assert held.outcomes[0].diff[0][:2] == ("remote origin", "https://elsewhere.test/x")
    assert git(at, "remote", "get-url", "origin") == "https://elsewhere.test/x"


def test_undo_of_a_checkout_in_which_someone_has_worked(hosts: Hosts, origin: Path) -> None:
    host = hosts.new()
    at = host.root / "src"
    host.run(Checkout(str(origin), str(at), "v1"))
    host.run(Checkout(str(origin), str(at), "v2"))
    (at / "a").write_text("by hand")
    (said,) = host.run(Undo())
    assert said.error is not None and f"{at} (changed: a)" in said.error.message
    git(at, "checkout", "-q", "a")
    git(at, "switch", "-q", "-c", "ours")
    (said,) = host.run(Undo())
    assert said.error is not None and f"{at} (now at ours)" in said.error.message
    git(at, "switch", "-q", "--detach", "v2")
    (said,) = host.run(Undo())
    assert said.error is None and git(at, "describe", "--tags") == "v1"
    (said,) = host.run(Undo(1))
    assert said.error is not None and f"{at} (has refs/heads/ours)" in said.error.message
    git(at, "branch", "-q", "-D", "ours")
    (at / "ignored").write_text("a log")
    (said,) = host.run(Undo(1))
    assert said.error is None and f"{at} (not empty)" in said.why
    assert [path.name for path in at.iterdir()] == ["ignored"]


def test_undo_of_a_new_checkout_leaves_nothing_of_it(hosts: Hosts, origin: Path) -> None:
    for there in (False, True):
        host = hosts.new()
        at = host.root / "src"
        if there:
            at.mkdir()
        host.run(Checkout(str(origin), str(at), "v1"), Checkout(str(origin), str(at), "v2", remote="origin"))
        planned, (said,) = host.run(Undo(), plan=True), host.run(Undo())
        assert said.error is None and "stays" not in said.why
        assert (planned[0].diff, planned[0].why) == (said.diff, said.why)
        assert at.exists() == there and not (there and list(at.iterdir()))
        (again,) = host.run(Checkout(str(origin), str(at), "v2"))
        assert again.error is None


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("index.lock", "/.git/index.lock exists: git is at work there, or was killed"),
        ("HEAD", "/.git is damaged"),
    ],
)
def test_what_a_killed_git_has_left_is_named_before_anything_changes(
    hosts: Hosts, origin: Path, file: str, message: str
) -> None:
    host = hosts.new()
    at = host.root / "src"
    host.run(Checkout(str(origin), str(at), "v1"))
    (at / ".git" / file).write_text("")
    held = hold(host, Checkout(str(origin), str(at), "v2"))
    assert f"{at}{message}" in held.failed
