"""Checkouts of a repository on this machine, and copies of a database in use."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
from steps_bench import Bench, refuses

from provision.steps.base import Step
from provision.steps.git import Checkout
from provision.steps.sqlite import Backup

ENVIRONMENT = {
    **{f"GIT_{who}_{what}": "t@t.test" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "PATH": os.environ["PATH"],
}


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str) -> str:
        argv = ["git", "-C", str(self.path), "-c", "protocol.file.allow=always", *words]
        return subprocess.run(
            argv, env=ENVIRONMENT, check=True, capture_output=True, text=True, timeout=30
        ).stdout.strip()

    def commit(self, text: str) -> str:
        (self.path / "file").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")


def test_checkout_follows_branches_tags_and_commits(bench: Bench) -> None:
    origin = Repository(bench.folder / "origin")
    first = origin.commit("one")
    origin.git("tag", "-a", "v1", "-m", "v1")
    at = bench.root / "srv/src"
    at.parent.mkdir()
    bench.cycle(Checkout(str(origin.path), str(at)))
    assert (at / "file").read_text() == "one"
    second = origin.commit("two")
    real = bench.cycle(Checkout(str(origin.path), str(at), "main"))
    assert real.diff[0][:3] == ("commit", first[:12], f"main {second[:12]}")
    (at / "mine").write_text("stays")
    bench.cycle(Checkout(str(origin.path), str(at), "v1"))
    assert (at / "file").read_text() == "one" and (at / "mine").exists()
    bench.cycle(Checkout(str(origin.path), str(at), second))
    bench.fails(Checkout(str(origin.path), str(at), "none"), "neither a branch nor a tag")
    bench.fails(Checkout(str(origin.path), str(at), "0" * 40), "no branch or tag", plan=False)


def test_checkout_keeps_edits_unless_told(bench: Bench) -> None:
    origin = Repository(bench.folder / "origin")
    origin.commit("one")
    at = bench.root / "srv/src"
    at.parent.mkdir()
    bench.run(Checkout(str(origin.path), str(at)))
    (at / "file").write_text("edited")
    bench.fails(Checkout(str(origin.path), str(at)), "have local changes")
    bench.cycle(Checkout(str(origin.path), str(at), force=True))
    assert (at / "file").read_text() == "one"
    other = bench.root / "srv/other"
    other.mkdir()
    (other / "x").write_text("x")
    bench.fails(Checkout(str(origin.path), str(other)), "not empty")
    bench.fails(Checkout(str(bench.folder / "none"), str(bench.root / "srv/x")), "asking", plan=False)


def test_checkout_with_submodules_of_another_user(bench: Bench) -> None:
    inner = Repository(bench.folder / "inner")
    inner.commit("inner")
    origin = Repository(bench.folder / "origin")
    origin.commit("one")
    origin.git("submodule", "add", "-q", str(inner.path), "lib")
    origin.commit("two")
    at = bench.root / "srv/src"
    at.parent.mkdir()
    # git refuses submodules from local paths since 2.38, but for those who say so
    bench.over("/etc")
    (bench.root / "etc/gitconfig").write_text('[protocol "file"]\nallow = always\n')
    bench.cycle(Checkout(str(origin.path), str(at), submodules=True))
    assert (at / "lib/file").read_text() == "inner"
    bench.run(Checkout(str(origin.path), str(at), submodules=True))


def test_backup_is_whole_and_old_ones_go(bench: Bench) -> None:
    at, to = bench.root / "db.sqlite3", bench.root / "backups"
    bench.settled(Backup(str(at), str(to)))
    with sqlite3.connect(at) as database:
        database.execute("PRAGMA journal_mode=wal")
        database.execute("CREATE TABLE t (x)")
        database.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
    writer = sqlite3.connect(at)
    writer.execute("INSERT INTO t VALUES (-1)")
    bench.run(Backup(str(at), str(to)))
    writer.rollback()
    writer.close()
    (copy,) = to.iterdir()
    assert sqlite3.connect(copy).execute("SELECT count(*) FROM t").fetchone() == (1000,)
    assert copy.stat().st_mode & 0o777 == 0o600 and to.stat().st_mode & 0o777 == 0o700
    for n in range(1, 4):
        copy.rename(to / f"db-2020010{n}T000000Z.sqlite3")
        copy = to / f"db-2020010{n}T000000Z.sqlite3"
        os.utime(copy, (1, 1))
        real = bench.cycle(Backup(str(at), str(to), keep=1, max_age=3600))
        assert [c.what for c in real.diff] == ["new copy", "old copy"]
        (copy,) = to.iterdir()


def test_backup_of_what_is_no_database(bench: Bench) -> None:
    at, to = bench.root / "db.sqlite3", bench.root / "backups"
    at.write_text("no database at all, but long enough to be looked at" * 100)
    bench.fails(Backup(str(at), str(to)), "could not be copied", plan=False)
    assert not list(to.iterdir()) and not list(Path("/var/tmp").glob("prov-backup-*"))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Checkout("shop.git", "/srv/x"), "url must be"),
        (Checkout("-oProxyCommand=x@y:z", "/srv/x"), "url must be"),
        (Checkout("https://me:pw@x/y", "/srv/x"), "login"),
        (Checkout("/a", "/srv"), "root"),
        (Checkout("/a", "srv/x"), "absolute"),
        (Checkout("/a", "/srv/x", "--upload-pack=x"), "not the name"),
        (Checkout("/a", "/srv/x", "a..b"), "not the name"),
        (Checkout("/a", "/srv/x", key_file="id"), "absolute"),
        (Backup("db", "/b"), "absolute"),
        (Backup("/db", "/b", keep=0), "keep"),
        (Backup("/db", "/b", max_age=0), "when"),
        (Backup("/db", "/b", mode=-1), "mode"),
    ],
)
def test_bad_arguments_are_refused(step: Step, message: str) -> None:
    refuses(step, message)
