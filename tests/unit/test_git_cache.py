"""What is kept of repositories: private, whole, of one process at a time, and never older than the remote."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from git_objects import Raw

from provision.errors import ProvError
from provision.sources import checkouts as gitsource


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Raw:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = Raw(tmp_path / "repository", branch="master")
    found.write({"version": "old"})
    return found


def version(url: str, ref: str | None = None) -> str:
    return (gitsource.checkout(url, ref) / "version").read_text()


def start(url: str) -> subprocess.Popen[str]:
    """A checkout in a process of its own."""
    code = "import sys; from provision.sources.checkouts import checkout; print(checkout(sys.argv[1], None))"
    argv = [sys.executable, "-c", code, url]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


# -- the default branch


@pytest.mark.trust("1", "git-default-branch-stale")
def test_another_default_branch_is_noticed(raw: Raw) -> None:
    assert version(raw.url) == "old"
    raw.git("checkout", "--quiet", "-b", "main")
    raw.write({"version": "new"})
    assert (
        version(raw.url) == "new"
        and version(raw.url, "HEAD") == "new"
        and version(raw.url, "master") == "old"
    )
    raw.git("branch", "--quiet", "-D", "master")
    assert version(raw.url) == "new"
    with pytest.raises(ProvError, match="has no 'master'") as raised:
        gitsource.checkout(raw.url, "master")
    assert raised.value.hint == "It has: main"


@pytest.mark.trust("1", "git-default-branch")
def test_a_default_branch_that_is_not_there(raw: Raw) -> None:
    raw.git("symbolic-ref", "HEAD", "refs/heads/gone")
    with pytest.raises(ProvError, match="has no default branch") as raised:
        gitsource.checkout(raw.url, None)
    assert raised.value.hint == "It has: master"


def test_a_branch_that_becomes_a_folder_of_branches(raw: Raw) -> None:
    raw.git("branch", "x")
    assert version(raw.url, "x") == "old"
    raw.git("branch", "-D", "x")
    raw.git("branch", "x/y")
    raw.write({"version": "new"})
    assert version(raw.url, "x/y") == "old" and version(raw.url) == "new"


def test_refs_beside_branches_and_tags(raw: Raw) -> None:
    first = raw.git("rev-parse", "HEAD")
    pull = raw.write({"version": "of a pull request"})
    raw.git("update-ref", "refs/pull/7/head", pull)
    raw.git("reset", "--quiet", "--hard", first)
    assert version(raw.url, "refs/pull/7/head") == version(raw.url, "pull/7/head") == "of a pull request"


# -- dead runs, and others side by side


@pytest.mark.trust("1", "git-cache-race")
def test_two_first_checkouts_at_once(raw: Raw) -> None:
    raw.write({f"f{n}": str(n) * 5000 for n in range(60)})
    for _ in range(2):
        both = [start(raw.url) for _ in range(3)]
        said = [p.communicate(timeout=60) for p in both]
        assert [p.returncode for p in both] == [0, 0, 0], said
        assert len({out for out, _ in said}) == 1 and len(list(Path(said[0][0].strip()).iterdir())) == 61


@pytest.mark.trust("1", "git-cache-race")
def test_a_clone_that_was_killed_is_made_whole(raw: Raw, tmp_path: Path) -> None:
    raw.write({f"f{n}": os.urandom(30_000).hex() for n in range(100)})
    for _ in range(4):
        dead = start(raw.url)
        until = time.monotonic() + 30
        while not list(tmp_path.glob("cache/prov/git/*.new.git")) and time.monotonic() < until:
            time.sleep(0.001)
        os.killpg(dead.pid, signal.SIGKILL)
        dead.communicate()
    assert len(list(gitsource.checkout(raw.url, None).iterdir())) == 101


@pytest.mark.trust("1", "git-cache-race")
def test_what_dead_runs_leave_in_a_clone_is_no_obstacle(raw: Raw, tmp_path: Path) -> None:
    gitsource.checkout(raw.url, None)
    (mirror,) = tmp_path.glob("cache/prov/git/*.git")
    for name in ("packed-refs.lock", "refs/heads/master.lock", "config.lock"):
        (mirror / name).write_text("")
    raw.write({"version": "newer"})
    assert version(raw.url) == "newer"
    for path in mirror.rglob("objects/*/*"):
        path.chmod(0o600)
        path.write_bytes(b"")
    raw.write({"version": "newest"})
    assert version(raw.url) == "newest"


def test_a_commit_that_is_kept_needs_no_network(raw: Raw) -> None:
    commit = raw.git("rev-parse", "HEAD")
    folder = gitsource.checkout(raw.url, commit)
    raw.folder.rename(raw.folder.with_name("gone"))
    assert gitsource.checkout(raw.url, commit) == folder
    with pytest.raises(ProvError):
        gitsource.checkout(raw.url, None)


# -- who may read it


@pytest.mark.trust("1", "git-caches-private")
def test_what_is_kept_is_for_its_user_only(raw: Raw, tmp_path: Path) -> None:
    older = tmp_path / "cache/prov/git"
    older.mkdir(parents=True, mode=0o755)
    (older / "of-an-older-prov").mkdir()
    before = os.umask(0)
    try:
        gitsource.checkout(raw.url, None)
    finally:
        os.umask(before)
    assert older.stat().st_mode & 0o777 == 0o700
    for path in [p for p in older.rglob("*") if "of-an-older" not in str(p)]:
        assert path.is_symlink() or path.stat().st_mode & 0o077 == 0, path


class Served:
    """A repository behind http that wants a login. said: what it heard."""

    def __init__(self, folder: Path, login: str) -> None:
        served = self
        self.said: list[str] = []

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                served.said.append(self.headers.get("Authorization", ""))
                if served.said[-1] == "Basic " + base64.b64encode(login.encode()).decode():
                    super().do_GET()
                    return
                self.send_response(401, "no")
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Not to be seen in tests."""

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def token() -> str:
    return "ghp_" + hashlib.sha256(os.urandom(8)).hexdigest()[:20]


@pytest.fixture(params=["{token}", "deploy:{token}", "{token}:x-oauth-basic", "oauth2:a%40b{token}"])
def login(request: pytest.FixtureRequest, token: str) -> str:
    return str(request.param).format(token=token)


@pytest.fixture
def served(raw: Raw, login: str) -> Iterator[Served]:
    raw.git("update-server-info")
    found = Served(raw.folder, (login if ":" in login else login + ":").replace("%40", "@"))
    yield found
    found.close()


@pytest.mark.trust("1", "git-url-token-leaks")
def test_a_login_in_the_url_works_and_is_kept_nowhere(
    raw: Raw, served: Served, login: str, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = tmp_path / "bin" / "git"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\nPATH={os.environ["PATH"]} exec git "$@"\n')
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{spy.parent}:{os.environ['PATH']}")
    assert version(f"http://{login}@{served.host}/.git") == "old"
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and "repository" not in p.parts]
    assert len(kept) > 8 and [p for p in kept if token.encode() in p.read_bytes()] == []


@pytest.mark.trust("1", "git-url-token-leaks")
def test_a_login_is_in_no_error(raw: Raw, served: Served, login: str, token: str) -> None:
    url = f"http://{login}@{served.host}/none.git"
    for bad in (url, url.replace("@127", "x@127"), url.replace("none.git", ".git").replace("_", "_wrong")):
        with pytest.raises(ProvError) as raised:
            gitsource.checkout(bad, "main")
        error = raised.value
        shown = f"{error.message} {error.where} {error.hint}"
        assert token not in shown and token[4:] not in shown and served.host in shown


@pytest.mark.trust("1", "git-url-token-leaks")
def test_a_login_is_for_its_host_only(raw: Raw, served: Served, token: str, login: str) -> None:
    other = Served(raw.folder, "nobody:")
    settings = f'[submodule "m"]\n\tpath = m\n\turl = http://{other.host}/.git\n'
    from git_objects import FILE, MODULE

    raw.commit([(FILE, b".gitmodules", raw.blob(settings.encode())), (MODULE, b"m", "4" * 40)], "master")
    raw.git("update-server-info")
    try:
        with pytest.raises(ProvError) as raised:
            gitsource.checkout(f"http://{login}@{served.host}/.git", None)
    finally:
        other.close()
    assert other.host in str(raised.value) and other.said and set(other.said) == {""}
