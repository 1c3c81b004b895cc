"""Local folders of strangers: no link is read through, no setting of theirs runs, no name breaks a run."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from git_objects import Raw

from provision.errors import ConfigError, ProvError
from provision.sources import folder_manifests
from provision.sources.git_index import parsed, tracked_in
from provision.sources.local_folder import source_entries
from provision.steps.tree import Tree

ROOM = 1 << 30
SECRET = "the operator's own"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "private").mkdir()
    (tmp_path / "private/key").write_text(SECRET)
    (tmp_path / "app").mkdir()
    (tmp_path / "app/app.py").write_text("app")
    return tmp_path / "app"


def paths(folder: Path) -> list[str]:
    return [path for path, *_ in source_entries(folder, ROOM)]


def fault(folder: Path, max_size: int = ROOM) -> str:
    with pytest.raises(ProvError) as raised:
        source_entries(folder, max_size)
    return f"{raised.value} {raised.value.hint}"


def sent(folder: Path) -> str:
    """All that hosts would get."""
    found = []
    for _, _, source, target in source_entries(folder, ROOM):
        if source is not None and source.open is not None:
            with source.open(b"") as f:
                found.append(f.read().decode())
        found.append(target)
    return "".join(found)


@pytest.mark.trust("1", "local-source-links")
@pytest.mark.parametrize(
    "name", ["requirements.txt", "manage.py", "templates", "static", ".gitignore", "sub/pages"]
)
@pytest.mark.parametrize(
    "target", ["{}/private", "{}/secret", "../secret", "../private/key", "up/../secret", "../app"]
)
def test_links_that_lead_outside_are_refused(folder: Path, name: str, target: str) -> None:
    (folder / "sub/deep").mkdir(parents=True)
    (folder / "up").symlink_to("sub/..")
    up = "../" if "/" in name and not target.startswith("{}") else ""
    (folder / name).symlink_to(up + target.format(folder.parent))
    said = fault(folder)
    assert f"'{name}' is refused" in said and "leads outside" in said and SECRET not in said


@pytest.mark.trust("1", "local-source-links")
def test_a_link_that_comes_after_the_plan_is_not_read_through(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub/key").write_text("mine")
    found = {path: source for path, _, source, _ in source_entries(folder, ROOM)}
    (folder / "app.py").unlink()
    (folder / "app.py").symlink_to(folder.parent / "secret")
    (folder / "sub").rename(folder / "was")
    (folder / "sub").symlink_to(folder.parent / "private")
    for path in ("app.py", "sub/key"):
        source = found[path]
        assert source is not None and source.open is not None
        with pytest.raises(ProvError, match="can't be read"):
            source.open(b"")
    (folder / "app.py").unlink()
    os.mkfifo(folder / "app.py")
    source = found["app.py"]
    assert source is not None and source.open is not None
    with pytest.raises(ProvError, match="is no longer a file"):
        source.open(b"")


def test_requirements_may_be_a_link_inside(folder: Path) -> None:
    (folder / "requirements").mkdir()
    (folder / "requirements/prod.txt").write_text("flask\n")
    (folder / "current").symlink_to("requirements")
    (folder / "requirements.txt").symlink_to("./current/prod.txt")
    entries = {entry[0]: entry for entry in source_entries(folder, ROOM)}
    assert folder_manifests.contents(entries, "requirements.txt", 100) == b"flask\n"
    assert folder_manifests.contents(entries, "current/prod.txt", 100) == b"flask\n"
    with pytest.raises(ProvError, match="has more than"):
        folder_manifests.contents(entries, "requirements.txt", 3)
    (folder / "requirements.txt").unlink()
    (folder / "requirements.txt").symlink_to("requirements.txt")
    entries = {entry[0]: entry for entry in source_entries(folder, ROOM)}
    with pytest.raises(OSError):
        folder_manifests.contents(entries, "requirements.txt", 100)


@pytest.mark.trust("1", "local-source-pipes")
def test_pipes_and_sockets_are_neither_opened_nor_sent(folder: Path) -> None:
    for name in ("pipe", ".gitignore", ".gitattributes"):
        os.mkfifo(folder / name)
    assert paths(folder) == ["app.py"]
    os.mkfifo(folder / ".git")
    assert paths(folder) == ["app.py"]


@pytest.mark.trust("1", "local-source-names")
@pytest.mark.parametrize(
    ("name", "why"), [(b"caf\xe9.py", "not UTF-8"), (b"a\nb", "control"), (b"a\x1b]0;x\x07", "control")]
)
def test_odd_names_are_refused_by_name(folder: Path, name: bytes, why: str) -> None:
    Path(os.fsdecode(bytes(folder) + b"/" + name)).write_text("")
    said = fault(folder)
    assert why in said and said.isprintable()


@pytest.mark.trust("1", "local-source-depth")
def test_deep_folders_end_in_an_error(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)
    try:
        for _ in range(1100):
            Path("deep").mkdir()
            os.chdir("deep")
    finally:
        os.chdir(here)
    try:
        assert "more than 128 folders deep" in fault(folder)
        with pytest.raises(ProvError, match="folders deep"):
            folder_manifests.local_entries(str(folder), lambda path: False)
        (folder / ".gitignore").write_text("deep/\n")
        assert paths(folder) == [".gitignore", "app.py"]
    finally:
        # too deep for the cleaning up of pytest, which would end its next run
        subprocess.run(["rm", "-rf", folder / "deep"], check=True)


@pytest.mark.trust("1", "local-source-size")
def test_large_files_are_refused_before_they_are_read(folder: Path) -> None:
    with (folder / "huge").open("wb") as f:
        f.truncate(1 << 42)
    said = fault(folder, 1 << 31)
    assert "more than 2048 MB" in said and "max_source" in said


# -- git work trees


@pytest.fixture
def tree(folder: Path) -> Raw:
    raw = Raw(folder)
    (folder / "personal").mkdir()
    (folder / "personal/__init__.py").write_text("tracked")
    (folder / "personal/other.py").write_text("not tracked")
    (folder / "a.log").write_text("tracked")
    (folder / "b.log").write_text("not tracked")
    (folder / ".gitignore").write_text("personal/\n*.log\n")
    raw.git("add", "app.py", ".gitignore")
    raw.git("add", "--force", "personal/__init__.py", "a.log")
    return raw


TRACKED = [".gitignore", "a.log", "app.py", "new.py", "personal/__init__.py"]


@pytest.mark.trust("1", "tracked-ignored")
@pytest.mark.parametrize(
    "settings", [[], ["--index-version", "4"], ["--index-version", "3"], ["--untracked-cache"]]
)
def test_what_git_tracks_is_part_whatever_gitignore_says(
    tree: Raw, folder: Path, settings: list[str]
) -> None:
    (folder / "new.py").write_text("neither tracked nor ignored")
    if settings:
        tree.git("update-index", *settings)
        tree.git("add", "--intent-to-add", "new.py")
    assert paths(folder) == TRACKED
    assert paths(folder / "personal") == ["__init__.py"]
    tree.git("commit", "--quiet", "--message=x")
    assert paths(folder) == TRACKED
    linked = folder.parent / "linked"
    tree.git("worktree", "add", "--quiet", str(linked))
    assert paths(linked) == [path for path in TRACKED if path != "new.py"]


@pytest.mark.trust("1", "tracked-ignored")
def test_the_names_of_an_index_are_git_s_own(tree: Raw, folder: Path) -> None:
    rng = random.Random(13)
    names = {
        "/".join(rng.choices(["a", "bb", "x" * 90, "\u00fc n", "c-d"], k=rng.randint(1, 5))) + ".x"
        for _ in range(300)
    }
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    tree.git("add", "--all")
    for version in ("2", "3", "4"):
        tree.git("update-index", "--index-version", version)
        assert sorted(tracked_in(folder).files) == sorted(
            filter(None, tree.git("ls-files", "-z").split("\0"))
        )


def test_a_repository_with_long_names(tmp_path: Path) -> None:
    raw = Raw.__new__(Raw)
    raw.folder = tmp_path / "long"
    raw.folder.mkdir()
    raw.git("init", "--quiet", "--object-format=sha256")
    (raw.folder / "app.py").write_text("")
    raw.git("add", "app.py")
    assert tracked_in(raw.folder).files == {"app.py"}


@pytest.mark.trust("1", "hostile-git-index")
def test_a_damaged_index_is_an_error_in_words(tree: Raw, folder: Path) -> None:
    rng = random.Random(13)
    index = folder / ".git/index"
    whole = index.read_bytes()
    for _ in range(3000):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 4, 127, 128, 255, rng.randrange(256)])
        with contextlib.suppress(ValueError, IndexError, struct.error):
            parsed(bytes(data[: rng.randint(0, len(data))]) if rng.random() < 0.3 else bytes(data))
    index.write_bytes(whole[:-40])
    index.write_bytes(b"DIRC\0\0\0\2\xff\xff\xff\xff" + whole[12:])
    assert "index of this git work tree can't be read" in fault(folder)
    index.write_bytes(whole)
    tree.git("update-index", "--split-index")
    assert "no-split-index" in fault(folder)
    index.unlink()
    index.symlink_to(folder.parent / "secret")
    assert "app.py" in paths(folder), "no index is nothing tracked"


@pytest.mark.trust("1", "local-source-runs-nothing")
def test_no_setting_of_a_local_repository_runs(tree: Raw, folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "run"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    script.chmod(0o755)
    for setting in ("core.fsmonitor", "core.sshCommand", "filter.x.clean", "core.hooksPath", "core.pager"):
        tree.git("config", setting, str(script))
    tree.git("config", "core.worktree", str(tmp_path))
    (folder / ".gitattributes").write_text("* filter=x\n")
    assert "app.py" in paths(folder) and not (tmp_path / "canary").exists()


@pytest.mark.trust("1", "git-submodule")
def test_submodules_of_a_local_folder(tree: Raw, folder: Path, tmp_path: Path) -> None:
    theme = Raw(tmp_path / "theme")
    theme.write({"common.py": "theme", "made.css": "x", ".gitignore": "*.css\n"})
    tree.git("submodule", "--quiet", "add", "--force", str(theme.folder), "personal/theme")
    found = [path for path in paths(folder) if path.startswith("personal/")]
    assert found == ["personal/__init__.py"] + [
        f"personal/theme/{n}" for n in (".gitignore", "common.py", "made.css")
    ]
    shutil.rmtree(folder / "personal/theme")
    assert [path for path in paths(folder) if path.startswith("personal/")] == ["personal/__init__.py"], (
        "taken away"
    )
    (folder / "personal/theme").mkdir()
    said = fault(folder)
    assert "the submodule 'personal/theme' is not checked out" in said and "submodule update --init" in said


@pytest.mark.trust("1", "git-lfs-pointers")
def test_pointers_of_a_local_folder_are_refused(tree: Raw, folder: Path) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12\n"
    (folder / "sub").mkdir()
    for name in ("model.bin", "sub/b.bin", "note.txt"):
        (folder / name).write_text(pointer)
    assert "sub/b.bin" in paths(folder), "no filter is for it"
    (folder / ".gitattributes").write_text("*.bin filter=lfs\n")
    said = fault(folder)
    assert "'model.bin' and 1 more: a pointer of Git LFS" in said and "git lfs pull" in said
    assert "'b.bin': a pointer" in fault(folder / "sub")


@pytest.mark.trust("1", "dotvenv")
def test_environments_are_never_part(folder: Path) -> None:
    for path in (
        ".venv/bin/python",
        "sub/.venv/x",
        "env/pyvenv.cfg",
        "env/lib/x",
        "node_modules/x/y.js",
        "web/node_modules/z",
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("")
    (folder / ".venv/bin/python3").symlink_to("/usr/bin/python3")
    (folder / "web/.venv").symlink_to("/opt/elsewhere")
    assert paths(folder) == ["app.py"]
    raw = Raw(folder)
    raw.git("add", "--force", "node_modules", "env/lib/x", ".venv/bin/python")
    assert paths(folder) == ["app.py", "env/lib/x", "node_modules/x/y.js"], (
        "but what git tracks, other than prov's place"
    )


@pytest.mark.trust("1", "hashes-are-not-poisoned")
def test_another_file_of_the_same_size_and_time_is_hashed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository sets names, sizes and times; so hashes are kept by inode and time of change too."""
    monkeypatch.setattr("provision.system.caches.CLOCK_TICK", -1)
    before = source_entries(folder, ROOM)
    st = (folder / "app.py").stat()
    monkeypatch.setattr(folder_manifests, "_hashes", {})
    (folder / "other").write_text("ppa")
    os.utime(folder / "other", ns=(st.st_atime_ns, st.st_mtime_ns))
    (folder / "other").replace(folder / "app.py")
    assert source_entries(folder, ROOM) != before
    (folder / "app.py").write_text("app")
    os.utime(folder / "app.py", ns=(st.st_atime_ns, st.st_mtime_ns))
    monkeypatch.setattr(folder_manifests, "_hashes", {})
    assert source_entries(folder, ROOM) == before
    kept = list((folder.parent / "cache/prov/hashes").iterdir())
    assert kept and all(path.stat().st_mode & 0o777 == 0o600 for path in kept)


# -- trees


@pytest.mark.trust("1", "tree-sync-links")
def test_a_tree_is_sent_without_links_to_elsewhere(folder: Path) -> None:
    (folder / "inside").symlink_to("app.py")
    nothing = (str(folder), lambda path: False)
    assert [e[0] for e in folder_manifests.local_entries(*nothing)] == ["app.py", "inside"]
    (folder / "out").symlink_to("/etc")
    with pytest.raises(ProvError, match="'out' is refused: a link to /etc leads outside") as raised:
        folder_manifests.local_entries(*nothing)
    assert "outside_links=True" in raised.value.hint
    assert [e[0] for e in folder_manifests.local_entries(*nothing, outside_links=True)] == [
        "app.py",
        "inside",
        "out",
    ]


@pytest.mark.trust("1", "tree-double-names")
@pytest.mark.parametrize(
    "names",
    [
        ["a", "a"],
        ["a", "a/b"],
        ["a/b", "a"],
        ["../a"],
        ["/a"],
        ["a//b"],
        ["a/./b"],
        ["a\nb"],
        ["d/" * 200 + "x"],
    ],
)
def test_a_tree_step_takes_no_doubtful_paths(names: list[str]) -> None:
    entries: Any = [(name, 0o777, None, "target") for name in names]
    with pytest.raises((ValueError, ConfigError), match="a path of the tree"):
        Tree("/srv/x/y", entries).validate()
