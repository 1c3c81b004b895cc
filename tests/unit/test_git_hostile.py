"""Repositories of strangers: none writes outside of its folder, none runs a program, none fills the machine."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from git_objects import FILE, FOLDER, LINK, MODULE, RUN, Raw, Tree, everything

from provision.errors import ProvError
from provision.sources import checkouts as gitsource
from provision.sources import git_tree as gittree


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Raw:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "outside").mkdir()
    return Raw(tmp_path / "repository")


def refused(raw: Raw, entries: Tree) -> str:
    """Why a commit with these entries is refused; nothing of it is on the disk after that."""
    outside = raw.folder.parent / "outside"
    before = everything(outside)
    raw.commit(entries)
    with pytest.raises(ProvError) as raised:
        gitsource.checkout(raw.url, None)
    assert everything(outside) == before
    assert not list(raw.folder.parent.glob(f"cache/prov/git/{'?' * 32}/*"))
    return f"{raised.value.message} {raised.value.hint}"


@pytest.mark.trust("1", "git-source-writes-outside")
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("kind", ["folder", "slash"])
def test_two_entries_of_one_name_write_nothing_outside(raw: Raw, kind: str, order: int) -> None:
    outside = str(raw.folder.parent / "outside")
    inner = raw.tree([(FILE, b"pwned", raw.blob())])
    link = (LINK, b"a", raw.blob(outside.encode()))
    other = (FOLDER, b"a", inner) if kind == "folder" else (FILE, b"a/pwned", raw.blob())
    assert "leads outside" in refused(raw, [link, other] if order else [other, link])
    link = (LINK, b"a", raw.blob(b"b"))
    assert "the way through a, which is a link" in refused(raw, [link, other] if order else [other, link])


@pytest.mark.trust("1", "git-source-odd-names")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        (b"..", ""),
        (b".", ""),
        (b"/etc/x", ""),
        (b".git", ""),
        (b".GIT", "git's own folder"),
        (b".g\xe2\x80\x8cit", "git's own folder"),
        (b"git~1", "git's own folder"),
        (b".git. ", "git's own folder"),
        (b".git::$INDEX_ALLOCATION", "git's own folder"),
        (b"caf\xe9", "not UTF-8"),
        (b"a\nb", "control character"),
        (b"a\x1b[2J", "control character"),
        (b"n" * 256, "longer than 255"),
    ],
)
def test_names_that_no_file_should_have(raw: Raw, name: bytes, why: str) -> None:
    inner = raw.tree([(FILE, b"x", raw.blob())])
    assert why in refused(raw, [(FOLDER, name, inner)])
    assert why in refused(raw, [(FILE, name, raw.blob())])


@pytest.mark.trust("1", "git-source-odd-names")
def test_names_that_differ_only_by_case_or_composition_are_names(raw: Raw) -> None:
    names = ["README", "caf\u00e9", "cafe\u0301", "readme", "with space", '"quoted"', "back\\slash", "-dash"]
    raw.commit([(FILE, name.encode(), raw.blob()) for name in sorted(names)])
    assert sorted(p.name for p in gitsource.checkout(raw.url, None).iterdir()) == sorted(names)


@pytest.mark.trust("1", "git-source-links")
@pytest.mark.parametrize(
    "target", ["/etc/shadow", "..", "../../x", "d/../../x", "d/up/../x", "gone/../x", "\xff", "a\0b", ""]
)
def test_links_that_lead_outside_are_refused(raw: Raw, target: str) -> None:
    up = raw.tree([(LINK, b"up", raw.blob(b"..")), (FILE, b"x", raw.blob())])
    why = refused(raw, [(FOLDER, b"d", up), (LINK, b"l", raw.blob(target.encode("latin-1")))])
    assert "'l' is refused" in why


def test_links_inside_are_kept(raw: Raw) -> None:
    inner = raw.tree([(FILE, b"x", raw.blob(b"x")), (LINK, b"l", raw.blob(b"../d/x"))])
    raw.commit(
        [(FOLDER, b"d", inner), (LINK, b"current", raw.blob(b"d")), (LINK, b"loop", raw.blob(b"loop"))]
    )
    folder = gitsource.checkout(raw.url, None)
    assert (folder / "current/l").read_text() == "x" and str((folder / "loop").readlink()) == "loop"


@pytest.mark.trust("1", "git-source-bomb")
def test_a_tree_of_the_same_tree_again_and_again_is_bounded(
    raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gittree, "MOST_FILES", 5000)
    tree = raw.tree([(FILE, b"x", raw.blob())])
    for _ in range(9):
        tree = raw.tree([(FOLDER, b"%d" % n, tree) for n in range(10)])
    begin = time.monotonic()
    assert "more than 5000 files" in refused(raw, [(FOLDER, b"a", tree)])
    assert time.monotonic() - begin < 60


@pytest.mark.trust("1", "git-source-bomb")
def test_sizes_and_depth_are_bounded(raw: Raw) -> None:
    raw.commit([(FILE, b"zeros", raw.blob(b"\0" * 3_000_000))])
    with pytest.raises(ProvError, match="more than 2 MB") as raised:
        gitsource.checkout(raw.url, None, max_size=2 << 20)
    assert "max_source" in raised.value.hint
    tree = raw.tree([(FILE, b"x", raw.blob())])
    for _ in range(1100):
        tree = raw.tree([(FOLDER, b"d", tree)])
    assert "folders deep" in refused(raw, [(FOLDER, b"d", tree)])


@pytest.mark.trust("1", "git-source-runs-nothing")
def test_nothing_of_a_repository_runs(raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks, filters, and every setting by which git starts a program."""
    canary = tmp_path / "canary"
    script = raw.folder / "run"
    raw.write({"run": f"#!/bin/sh\ntouch {canary}\ncat\n", ".gitattributes": "* filter=x\n", "f": "x"})
    script.chmod(0o755)
    git = raw.folder / ".git"
    for hook in (
        "post-checkout",
        "pre-receive",
        "update",
        "reference-transaction",
        "post-update",
        "pre-auto-gc",
    ):
        (git / "hooks").mkdir(exist_ok=True)
        (git / "hooks" / hook).write_text(script.read_text())
        (git / "hooks" / hook).chmod(0o755)
    settings = ["filter.x.smudge", "filter.x.clean", "core.fsmonitor", "core.sshCommand", "core.editor", "core.pager",
                "uploadpack.packObjectsHook", "core.gitProxy", "core.askPass", "credential.helper", "diff.external",
                "remote.origin.uploadpack", "gpg.program", "core.alternateRefsCommand", "uploadpack.hook"]  # fmt: skip
    for setting in settings:
        raw.git("config", setting, str(script))
    raw.git("config", "remote.origin.promisor", "true")
    raw.git("config", "remote.origin.url", f"ext::{script}")
    raw.git("config", "protocol.ext.allow", "always")
    raw.git("config", "extensions.partialClone", "origin")
    monkeypatch.setenv("GIT_DIR", str(git))
    monkeypatch.setenv("GIT_INDEX_FILE", str(git / "index"))
    folder = gitsource.checkout(raw.url, None)
    assert (folder / "f").read_text() == "x" and not canary.exists()


@pytest.mark.trust("1", "git-source-runs-nothing")
@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch CANARY'", "-oProxyCommand=touch CANARY", "--upload-pack=touch CANARY", "fd::7"]
)
def test_urls_that_would_run_something(raw: Raw, url: str, tmp_path: Path) -> None:
    url = url.replace("CANARY", str(tmp_path / "canary"))
    with pytest.raises(ProvError):
        gitsource.checkout(url, None)
    with pytest.raises(ProvError):
        gitsource.checkout(raw.url, "--upload-pack=touch canary")
    assert not (tmp_path / "canary").exists()


@pytest.mark.trust("1", "git-submodule-hostile")
@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch%20CANARY", "-uCANARY", "ssh://-oProxyCommand=touch%20CANARY/x", "git@-oProxyCommand=x:y",
     "file::///x", "fd::7", "host:-x", "https://h/a b\x1b[2J"],
)  # fmt: skip
def test_submodules_come_by_git_s_own_transports_only(raw: Raw, url: str, tmp_path: Path) -> None:
    url = url.replace("CANARY", str(tmp_path / "canary"))
    settings = f'[submodule "m"]\n\tpath = m\n\turl = "{url}"\n\tupdate = !touch {tmp_path}/canary\n'
    entries = [(FILE, b".gitmodules", raw.blob(settings.encode())), (MODULE, b"m", "1" * 40)]
    assert "the submodule 'm' is at" in refused(raw, entries)
    assert not (tmp_path / "canary").exists()


@pytest.mark.trust("1", "git-submodule-hostile")
def test_a_repository_of_the_network_names_no_files_of_this_machine() -> None:
    from provision.sources.urls import remote_of, submodule_of

    parent = remote_of("https://git.test/shop.git")
    for url in ("file:///home/op/private", "/home/op/private"):
        with pytest.raises(ProvError, match="which is refused"):
            submodule_of(parent, url, "m")


@pytest.mark.trust("1", "git-submodule-hostile")
def test_submodules_that_never_end(raw: Raw) -> None:
    settings = f'[submodule "m"]\n\tpath = m\n\turl = {raw.url}\n'
    entry = (FILE, b".gitmodules", raw.blob(settings.encode()))
    first = raw.commit([entry])
    assert "no commit" in refused(raw, [entry, (MODULE, b"m", "2" * 40)])
    for _ in range(10):
        first = raw.commit([entry, (MODULE, b"m", first)])
    assert "submodules in one another" in refused(raw, [entry, (MODULE, b"m", first)])
    assert "no URL in .gitmodules" in refused(raw, [(MODULE, b"m", first)])
    # nothing below a submodule's place comes from the repository that names it
    inner = raw.tree([(FILE, b"x", raw.blob())])
    plain = raw.commit([(FILE, b"x", raw.blob())])
    assert "two entries" in refused(raw, [entry, (FOLDER, b"m", inner), (MODULE, b"m", plain)])


NAMES = [
    b"a",
    b"b",
    b"d",
    b"..",
    b".",
    b".git",
    b".GIT",
    b"a/x",
    b"d/a",
    b"../x",
    b"/x",
    b"n" * 300,
    b"\xff",
    b"a\n",
]
TARGETS = [
    b"a",
    b"..",
    b"../..",
    b"/etc",
    b"d",
    b"d/..",
    b"d/../..",
    b"a/../..",
    b"b/a/..",
    b"OUTSIDE",
    b".",
    b"",
]


def nasty(raw: Raw, rng: random.Random, depth: int = 0) -> Tree:
    """A tree of random entries, several of one name among them."""
    made: dict[bytes, Callable[[], str]] = {
        FILE: lambda: raw.blob(rng.randbytes(20)),
        RUN: lambda: raw.blob(rng.randbytes(20)),
        LINK: lambda: raw.blob(
            rng.choice(TARGETS).replace(b"OUTSIDE", str(raw.folder.parent / "outside").encode())
        ),
        FOLDER: lambda: raw.tree(nasty(raw, rng, depth + 1) if depth < 3 else []),
        MODULE: lambda: "3" * 40,
        b"100666": lambda: raw.blob(),
    }
    found = []
    for _ in range(rng.randint(1, 4)):
        mode = rng.choices(list(made), weights=[5, 2, 6, 7, 0.3, 0.3])[0]
        odd = rng.random() < 0.06
        found.append((mode, rng.choice(NAMES[3:] if odd else NAMES[:3]), made[mode]()))
    return sorted(found, key=lambda entry: entry[1]) if rng.random() < 0.5 else found


@pytest.mark.trust("1", "git-source-fuzz")
def test_random_trees_never_reach_outside(raw: Raw, tmp_path: Path) -> None:
    """All of them are branches of one repository, so that one fetch gets them."""
    rng = random.Random(13)
    branches = [f"b{n}" for n in range(250)]
    commits = {branch: raw.commit(nasty(raw, rng), branch) for branch in branches}
    raw.commit([(FILE, b"x", raw.blob())])
    (tmp_path / "outside/file").write_text("untouched")
    before = everything(tmp_path / "outside")
    good = [gitsource.checkout(raw.url, None)]
    beside = sorted(tmp_path.iterdir())
    for branch in branches:
        try:
            good.append(gitsource.checkout(raw.url, commits[branch]))
        except ProvError as error:
            assert error.message
    for folder in good:
        for path in folder.rglob("*"):
            target = Path(os.path.realpath(path))
            assert target == folder or folder in target.parents, path
    assert everything(tmp_path / "outside") == before and sorted(tmp_path.iterdir()) == beside
    assert 30 < len(good) < 220, "some of them are good, some refused"
