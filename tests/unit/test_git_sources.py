"""Sources in git, with real repositories on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.errors import ProvError
from provision.sources import checkouts as gitsource


class Repository:
    """A repository that others clone by its url."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"file://{folder}"
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@a.test", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = Repository(tmp_path / "repository")
    found.commit(app="one")
    return found


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_the_default_branch(repository: Repository) -> None:
    folder = gitsource.checkout(repository.url, None)
    assert (folder / "app").read_text() == "one"
    assert names(folder) == ["app"], "no .git"


def test_a_new_commit_is_fetched(repository: Repository) -> None:
    first = gitsource.checkout(repository.url, None)
    repository.commit(app="two")
    second = gitsource.checkout(repository.url, None)
    assert ((first / "app").read_text(), (second / "app").read_text()) == ("one", "two")
    assert gitsource.checkout(repository.url, None) == second


def test_branches_tags_and_commits(repository: Repository) -> None:
    first = repository.git("rev-parse", "HEAD")
    repository.git("tag", "v1")
    repository.git("checkout", "--quiet", "-b", "feature/x")
    repository.commit(app="feature")
    for ref, text in (
        ("v1", "one"),
        ("main", "one"),
        (first, "one"),
        (first[:10], "one"),
        ("feature/x", "feature"),
    ):
        assert (gitsource.checkout(repository.url, ref) / "app").read_text() == text


def test_a_moved_tag_and_a_rewritten_branch(repository: Repository) -> None:
    repository.git("tag", "v1")
    gitsource.checkout(repository.url, "v1")
    repository.git("commit", "--quiet", "--amend", "--message=y")
    repository.commit(app="rewritten")
    repository.git("tag", "--force", "v1")
    assert (gitsource.checkout(repository.url, "v1") / "app").read_text() == "rewritten"
    assert (gitsource.checkout(repository.url, "main") / "app").read_text() == "rewritten"


def test_modes_and_links_are_kept(repository: Repository) -> None:
    (repository.folder / "run").write_text("#!/bin/sh\n")
    (repository.folder / "run").chmod(0o755)
    (repository.folder / "link").symlink_to("run")
    repository.commit()
    folder = gitsource.checkout(repository.url, None)
    assert (folder / "run").stat().st_mode & 0o111
    assert str((folder / "link").readlink()) == "run"


def test_no_such_ref(repository: Repository) -> None:
    repository.git("branch", "stable")
    with pytest.raises(ProvError, match="has no 'none'") as raised:
        gitsource.checkout(repository.url, "none")
    assert "main" in raised.value.hint
    assert "stable" in raised.value.hint


def test_a_ref_that_looks_like_an_option(repository: Repository) -> None:
    with pytest.raises(ProvError, match="has no '--all'"):
        gitsource.checkout(repository.url, "--all")


def test_no_such_repository(repository: Repository, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/none"
    with pytest.raises(ProvError) as raised:
        gitsource.checkout(url, None)
    assert raised.value.where == url
    assert "Can you clone it by hand" in raised.value.hint


def test_a_clone_that_failed_leaves_nothing_in_the_way(repository: Repository, tmp_path: Path) -> None:
    url = f"file://{tmp_path}/later"
    with pytest.raises(ProvError):
        gitsource.checkout(url, None)
    Repository(tmp_path / "later").commit(app="now")
    assert (gitsource.checkout(url, None) / "app").read_text() == "now"


def test_git_is_not_installed(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProvError, match="git is not installed"):
        gitsource.checkout(repository.url, None)
