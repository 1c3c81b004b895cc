"""What a commit has elsewhere: its submodules, and the files that Git LFS keeps."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from git_objects import Raw

from provision.errors import ProvError
from provision.sources import checkouts as gitsource
from provision.sources.lfs import Attributes, pointer_in
from provision.sources.urls import remote_of, submodule_of

MODEL = os.urandom(30_000)
OID = hashlib.sha256(MODEL).hexdigest()
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize {len(MODEL)}\n"


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Raw:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = Raw(tmp_path / "site")
    found.write({"app.py": "site"})
    return found


@pytest.fixture
def nested(raw: Raw, tmp_path: Path) -> Raw:
    """A site with a theme, which has icons: nested submodules, one by a relative URL and one by an absolute."""
    icons = Raw(tmp_path / "icons")
    icons.write({"a.svg": "first"})
    theme = Raw(tmp_path / "theme")
    theme.write({"common.py": "theme"})
    theme.git("submodule", "--quiet", "add", "../icons", "static/icons")
    theme.write({})
    icons.write({"a.svg": "second"})
    raw.git("submodule", "--quiet", "add", theme.url, "theme")
    raw.write({})
    return raw


@pytest.mark.trust("1", "git-submodule")
def test_submodules_come_along_at_the_commits_that_are_recorded(nested: Raw, tmp_path: Path) -> None:
    folder = gitsource.checkout(nested.url, None)
    assert (folder / "theme/common.py").read_text() == "theme"
    assert (folder / "theme/static/icons/a.svg").read_text() == "first"
    assert list(folder.rglob(".git")) == []
    Raw(tmp_path / "theme").write({"common.py": "newer"})
    nested.git("submodule", "update", "--quiet", "--remote")
    nested.write({})
    assert (gitsource.checkout(nested.url, None) / "theme/common.py").read_text() == "newer"


def test_a_submodule_that_is_gone_is_named(nested: Raw, tmp_path: Path) -> None:
    (tmp_path / "icons").rename(tmp_path / "moved")
    with pytest.raises(ProvError) as raised:
        gitsource.checkout(nested.url, None)
    assert str(tmp_path / "icons") in str(raised.value)


@pytest.mark.parametrize(
    ("parent", "url", "found"),
    [
        ("https://h.test/org/site.git", "../theme.git", "https://h.test/org/theme.git"),
        ("https://h.test/org/site.git", "../../o/./t", "https://h.test/o/t"),
        ("https://h.test/org/site", "../../../../x", "https://h.test/x"),
        ("git@h.test:org/site.git", "../theme.git", "git@h.test:org/theme.git"),
        ("git@h.test:org/site.git", "https://o.test/t", "https://o.test/t"),
        ("https://h.test/org/site", "git@h.test:t.git", "git@h.test:t.git"),
        ("ssh://git@h.test:22/org/site", "../t", "ssh://git@h.test:22/org/t"),
        ("file:///srv/site", "../t", "file:///srv/t"),
        ("file:///srv/site", "/srv/t", "file:///srv/t"),
    ],
)
def test_where_submodules_are(parent: str, url: str, found: str) -> None:
    assert submodule_of(remote_of(parent), url, "m").url == found


def test_the_login_of_a_repository_is_its_submodules_on_the_same_host() -> None:
    parent = remote_of("https://me:word@h.test/site")
    assert submodule_of(parent, "../theme", "m") == parent._replace(url="https://h.test/theme")
    assert submodule_of(parent, "https://h.test/theme", "m").login == parent.login
    for other in ("https://o.test/theme", "http://h.test/theme", "https://h.test:444/theme"):
        assert submodule_of(parent, other, "m").login == {}


# -- Git LFS


@pytest.fixture
def large(raw: Raw) -> Raw:
    raw.write(
        {
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            "model.bin": POINTER,
            "note": POINTER,
        }
    )
    return raw


def with_lfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """Put a git-lfs in PATH that fetches this for the model."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "data").write_bytes(data)
    place = f'"$GIT_DIR"/lfs/objects/{OID[:2]}/{OID[2:4]}'
    program = tmp_path / "bin" / "git-lfs"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = fetch ] || exit 0\nmkdir -p {place}\ncp {tmp_path}/data {place}/{OID}\n'
        f'echo "$@" >> {tmp_path}/asked\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


def without_lfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "git-lfs"
    program.write_text("#!/bin/sh\necho \"git: 'lfs' is not a git command.\" >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")


@pytest.mark.trust("1", "git-lfs-pointers")
def test_what_lfs_keeps_is_fetched(large: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_lfs(tmp_path, monkeypatch, MODEL)
    folder = gitsource.checkout(large.url, None)
    assert (folder / "model.bin").read_bytes() == MODEL
    assert (folder / "note").read_text() == POINTER, "no filter is for it"
    assert (tmp_path / "asked").read_text() == f"fetch {large.url} {large.git('rev-parse', 'HEAD')}\n"
    large.write({"app.py": "newer"})
    assert (gitsource.checkout(large.url, None) / "model.bin").read_bytes() == MODEL
    assert len((tmp_path / "asked").read_text().splitlines()) == 1, "it was kept"


@pytest.mark.trust("1", "git-lfs-pointers")
def test_pointers_are_never_shipped(large: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_lfs(tmp_path, monkeypatch)
    with pytest.raises(
        ProvError, match=r"'model.bin' is in Git LFS, but this machine has no git-lfs"
    ) as raised:
        gitsource.checkout(large.url, None)
    assert "apt-get install git-lfs" in raised.value.hint
    (tmp_path / "bin").rename(tmp_path / "old")
    with_lfs(tmp_path, monkeypatch, MODEL[:-1] + b"x")
    with pytest.raises(ProvError, match=r"'model.bin' is in Git LFS, but its server does not have it"):
        gitsource.checkout(large.url, None)


@pytest.mark.trust("1", "git-lfs-pointers")
def test_what_lfs_keeps_counts_in_the_size(
    large: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_lfs(tmp_path, monkeypatch, MODEL)
    with pytest.raises(ProvError, match=r"'model.bin' and other files in Git LFS are too large"):
        gitsource.checkout(large.url, None, max_size=10_000)
    assert not (tmp_path / "asked").exists()


def test_what_a_pointer_is() -> None:
    assert pointer_in(POINTER.encode()) == (OID, len(MODEL))
    for other in (
        "",
        POINTER + "more\n",
        POINTER.replace("sha256", "md5"),
        "x" + POINTER,
        POINTER[:-1],
        POINTER * 9,
    ):
        assert pointer_in(other.encode()) is None


@pytest.mark.parametrize(
    ("files", "path", "filtered"),
    [
        ({".gitattributes": b"*.bin filter=lfs"}, "a/b.bin", True),
        ({".gitattributes": b"*.bin filter=lfs"}, "a/b.txt", False),
        ({".gitattributes": b"# *.bin filter=lfs"}, "b.bin", False),
        ({".gitattributes": b"*.bin filter=lfs", "a/.gitattributes": b"*.bin -filter"}, "a/b.bin", False),
        ({".gitattributes": b"*.bin filter=lfs\nb.bin !filter"}, "b.bin", False),
        ({".gitattributes": b"*.bin filter=lfs\nb.bin filter=crypt"}, "b.bin", False),
        ({"a/.gitattributes": b"*.bin filter=lfs"}, "b.bin", False),
        ({".gitattributes": b"/models/** filter=lfs"}, "models/a/b", True),
        ({".gitattributes": b"/models/** filter=lfs"}, "x/models/a", False),
        ({".gitattributes": b"models/*.bin filter=lfs"}, "models/b.bin", True),
        ({".gitattributes": b"**/models/*.bin filter=lfs"}, "x/models/b.bin", True),
        ({".gitattributes": b"[attr]big filter=lfs -text\n*.psd big"}, "b.psd", True),
        ({".gitattributes": b"\xff\xff filter=lfs\n\n   \n[attr]"}, "b", False),
    ],
)
def test_for_which_files_lfs_is_the_filter(files: dict[str, bytes], path: str, filtered: bool) -> None:
    assert Attributes(files).filters(path) is filtered
