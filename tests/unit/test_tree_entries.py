"""What of a local folder is sent by tree.sync."""

from __future__ import annotations

from pathlib import Path

from provision.sources import folder_manifests
from provision.steps.support.file_changes import excluded
from provision.steps.tree import Entry


def local_entries(folder: str, exclude: list[str]) -> list[Entry]:
    return folder_manifests.local_entries(folder, lambda path: excluded(path, exclude), outside_links=True)


def test_files_links_and_what_is_left_out(tmp_path: Path) -> None:
    for path in ("a", "run", "b.orig", "sub/c", "sub/cache/d", "drafts/e"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "a").chmod(0o600)
    (tmp_path / "run").chmod(0o700)
    (tmp_path / "empty").mkdir()
    (tmp_path / "elsewhere").symlink_to("/etc")
    found = local_entries(str(tmp_path), ["*.orig", "sub/cache", "drafts"])
    assert [(path, mode, target) for path, mode, _, target in found] == [
        ("a", 0o644, ""),
        ("elsewhere", 0o777, "/etc"),
        ("run", 0o755, ""),
        ("sub/c", 0o644, ""),
    ]


def test_a_file_is_hashed_again_once_it_has_changed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    first = local_entries(str(tmp_path), [])[0][2]
    assert local_entries(str(tmp_path), [])[0][2] == first
    (tmp_path / "a").write_text("three")
    assert local_entries(str(tmp_path), [])[0][2] != first
