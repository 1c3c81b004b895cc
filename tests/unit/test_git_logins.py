"""Logins in URLs of git repositories: used for the fetch, and seen nowhere."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from guarded import guarded
from test_git_sources import Repository

from provision.errors import ProvError
from provision.sources import checkouts as gitsource
from provision.sources.git_login import without_login
from provision.steps.fetch import Download
from provision.steps.git import Checkout

WORD = "k3gb@Qz1"
WRITTEN = "k3gb%40Qz1"


class Private(Repository):
    """A repository behind a password. host: where it is served.  seen: arguments of processes while it is."""

    host: str
    seen: set[bytes]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.commit(app="one", **{"requirements.txt": ""})
        subprocess.run(["git", "clone", "-q", "--bare", str(folder), f"{folder}.git"], check=True)
        subprocess.run(["git", "update-server-info"], cwd=f"{folder}.git", check=True)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Private]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    found = Private(tmp_path / "repository")
    with guarded(tmp_path, {"build": WORD, "token-of-20-characters": ""}) as (found.host, found.seen):
        yield found


@pytest.mark.trust("6", "git-url-token-leaks")
@pytest.mark.parametrize("login", [f"build:{WRITTEN}", "token-of-20-characters"])
def test_a_login_is_used_and_left_nowhere(private: Private, tmp_path: Path, login: str) -> None:
    url = f"http://{login}@{private.host}/repository.git"
    for _ in range(2):
        assert (gitsource.checkout(url, None) / "app").read_text() == "one"
    assert private.seen
    kept = b"".join(p.read_bytes() for p in (tmp_path / "cache").rglob("*") if p.is_file())
    for secret in (login, login.partition(":")[2] or login, WORD):
        assert secret.encode() not in kept + b"".join(private.seen)
    assert (tmp_path / "cache/prov/git").stat().st_mode & 0o777 == 0o700


@pytest.mark.trust("6", "git-token-shown")
@pytest.mark.parametrize(
    "login", ["build:hunter22secret", "ghp_0123456789abcdefTOKEN", "a:p/q#hunter22secret"]
)
def test_no_error_has_the_login(private: Private, login: str) -> None:
    for url, ref in (
        (f"http://{login}@{private.host}/repository.git", None),
        (f"http://{login}@127.0.0.1:9/repository.git", "v1"),
        (f"file://{login}@/none", None),
    ):
        with pytest.raises(ProvError) as raised:
            gitsource.checkout(url, ref)
        said = repr(vars(raised.value)) + str(raised.value)
        assert "hunter22" not in said and "TOKEN" not in said


def test_another_host_gets_no_login() -> None:
    url, options, values = without_login("https://me:s%0ac@git.example:8443/a/b.git".replace("%0a", "%41"))
    assert url == "https://git.example:8443/a/b.git"
    assert options[3].startswith("credential.https://git.example:8443.helper=!")
    assert set(values.values()) == {"me", "sAc"} and "sAc" not in repr(options)
    assert without_login("ssh://git@h/x") == ("ssh://git@h/x", [], {})
    with pytest.raises(ProvError, match="line break"):
        without_login("https://me:a%0Ahost=evil@h/x")


@pytest.mark.parametrize("login", ["me:word", "ghp_0123456789abcdefTOKEN"])
def test_steps_refuse_urls_that_hosts_would_show(login: str) -> None:
    url = f"https://{login}@h/x"
    for step in (Checkout(url, "/srv/x/src"), Download(url, "/srv/x", "0" * 64)):
        with pytest.raises(ValueError, match="must not contain a login") as raised:
            step.validate()
        assert login not in str(raised.value)
