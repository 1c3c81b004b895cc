"""What a user of the host has filled becomes root's, whatever that user has put there."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from provision.errors import StepError
from provision.system.builds.handover import DEEPEST, Left, copy, give, take

#: an id that no one has
BUILDER = 60900
OTHER = 60901
#: of a folder that was given whole
NOTHING = Left(set())


@pytest.fixture
def folder(root: Path) -> Path:
    """A folder that the builder has filled."""
    found = root / "venv"
    (found / "lib").mkdir(parents=True)
    (found / "bin").mkdir()
    (found / "bin/python").symlink_to("/bin/sh")
    (found / "lib/module.py").write_text("x = 1\n")
    (found / "lib64").symlink_to("lib")
    give(str(found), BUILDER)
    return found


def state(path: Path) -> tuple[int, int, str]:
    now = path.lstat()
    return now.st_uid, now.st_gid, oct(now.st_mode & 0o7777)


def refused(folder: Path) -> str:
    with pytest.raises(StepError) as caught:
        take(str(folder), BUILDER, NOTHING, ["/bin/sh"])
    return caught.value.message.removeprefix("what was built is refused: ").replace(str(folder), "")


def own(path: Path) -> None:
    os.chown(path, BUILDER, BUILDER, follow_symlinks=False)


def test_all_of_it_is_given_and_taken_back(folder: Path) -> None:
    paths = [folder, *folder.rglob("*")]
    assert {path.lstat().st_uid for path in paths} == {BUILDER}
    take(str(folder), BUILDER, NOTHING, ["/bin/sh"])
    assert {path.lstat().st_uid for path in paths} == {0}
    assert {path.lstat().st_gid for path in paths} == {0}


@pytest.mark.trust("2", "build-reads-files-of-others")
def test_what_others_have_put_there_does_not_change_hands(folder: Path) -> None:
    take(str(folder), BUILDER, NOTHING, ["/bin/sh"])
    secret, logs = folder / "secret.env", folder / "logs"
    secret.write_text("KEY=x")
    secret.chmod(0o600)
    logs.mkdir()
    os.mkfifo(logs / "pipe")
    os.chown(logs, OTHER, OTHER)
    before = [state(path) for path in (secret, logs, logs / "pipe")]
    left = give(str(folder), BUILDER)
    assert [state(path) for path in (secret, logs, logs / "pipe")] == before
    assert state(folder / "lib/module.py")[0] == BUILDER
    take(str(folder), BUILDER, left, ["/bin/sh"])
    assert [state(path) for path in (secret, logs, logs / "pipe")] == before
    assert state(folder / "lib/module.py")[0] == 0


@pytest.mark.trust("2", "build-leaves-setuid")
def test_nobody_gains_by_modes(folder: Path) -> None:
    script = folder / "bin/tool"
    script.write_text("#!/bin/sh\n")
    own(script)
    script.chmod(0o6777)
    (folder / "lib").chmod(0o3777)
    (folder / "lib/module.py").chmod(0o666)
    take(str(folder), BUILDER, NOTHING, ["/bin/sh"])
    assert state(script) == (0, 0, "0o755")
    assert state(folder / "lib") == (0, 0, "0o755")
    assert state(folder / "lib/module.py") == (0, 0, "0o644")


@pytest.mark.trust("2", "build-leaves-acl")
def test_an_acl_goes(folder: Path) -> None:
    # acl(5) as the kernel keeps it: version 2; the owner, one user more, the group, the mask, others
    entries = [(1, 6, -1), (2, 6, BUILDER), (4, 4, -1), (16, 6, -1), (32, 4, -1)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *each) for each in entries)
    for path in (folder / "lib", folder / "lib/module.py"):
        os.setxattr(path, "system.posix_acl_access", acl)
    os.setxattr(folder / "lib", "system.posix_acl_default", acl)
    take(str(folder), BUILDER, NOTHING, ["/bin/sh"])
    assert os.listxattr(folder / "lib") == os.listxattr(folder / "lib/module.py") == []


@pytest.mark.trust("2", "build-links-out")
@pytest.mark.parametrize(
    ("link", "target", "end"),
    [
        ("lib/secrets", "/etc/shadow", "/etc/shadow"),
        ("lib/secrets", "../../../../../../../../etc/shadow", "/etc/shadow"),
        ("lib/up", "../..", ""),
        # by its letters it stays inside
        ("shadow", "a/b/c/top/../../../../../../../../etc/shadow", "/etc/shadow"),
    ],
)
def test_a_link_that_leads_out_is_refused(folder: Path, link: str, target: str, end: str) -> None:
    (folder / "a/b/c").mkdir(parents=True)
    (folder / "a/b/c/top").symlink_to("../../..")
    (folder / link).symlink_to(target)
    for path in (folder / "a", folder / "a/b", folder / "a/b/c", folder / "a/b/c/top", folder / link):
        own(path)
    said = refused(folder)
    assert said.startswith(f"/{link} is a link that leads out of it")
    assert end in said


@pytest.mark.trust("2", "build-leaves-devices")
def test_what_is_no_file_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    own(folder / "pipe")
    assert refused(folder) == "/pipe is neither a file nor a folder nor a link"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        own(folder / "socket")
        assert refused(folder) == "/socket is neither a file nor a folder nor a link"
    # all the rest is root's, and these are gone
    assert {path.lstat().st_uid for path in [folder, *folder.rglob("*")]} == {0}
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "lib", "lib64"]


@pytest.mark.trust("2", "build-takes-files-of-others")
def test_files_of_others_are_refused(folder: Path, root: Path) -> None:
    (folder / "theirs").write_text("x")
    os.chown(folder / "theirs", OTHER, OTHER)
    assert refused(folder) == f"/theirs belongs to user {OTHER}"
    (folder / "theirs").unlink()
    (root / "outside").write_text("root's")
    os.link(root / "outside", folder / "linked")
    assert refused(folder) == "/linked is a hard link to a file of root's"
    assert state(root / "outside")[0] == 0


@pytest.mark.trust("2", "build-keeps-a-file-open")
def test_a_file_that_is_still_open_for_writing_is_refused(folder: Path) -> None:
    with (folder / "lib/module.py").open("a"):
        assert refused(folder) == "/lib/module.py is open for writing in a process"
    take(str(folder), BUILDER, NOTHING, ["/bin/sh"])


@pytest.mark.trust("2", "build-makes-deep-folders")
def test_deep_folders_are_refused(folder: Path) -> None:
    here = Path.cwd()
    os.chdir(folder)
    try:
        for _ in range(DEEPEST + 20):
            Path("d").mkdir()
            os.chown("d", BUILDER, BUILDER)
            os.chdir("d")
    finally:
        os.chdir(here)
    try:
        assert f"is more than {DEEPEST} folders deep" in refused(folder)
    finally:
        # too deep for the cleaning up of pytest, which would end its next run
        subprocess.run(["rm", "-rf", folder / "d"], check=True)


@pytest.mark.trust("2", "build-exchanges-the-folder")
def test_a_folder_that_is_a_link_is_not_followed(folder: Path, root: Path) -> None:
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("x")
    (root / "other").symlink_to("etc")
    own(root / "other")
    with pytest.raises(StepError):
        take(f"{root}/other/passwd", BUILDER, NOTHING)
    take(f"{root}/other", BUILDER, NOTHING)
    assert (root / "etc").lstat().st_uid == 0


def test_sources_are_copied_with_their_links_but_for_what_is_left(root: Path) -> None:
    (root / "src/inner/.venv").mkdir(parents=True)
    (root / "src/setup.py").write_text("x")
    (root / "src/setup.py").chmod(0o600)
    (root / "src/inner/key").symlink_to("/etc/shadow")
    os.mkfifo(root / "src/pipe")
    copy(f"{root}/src", f"{root}/copy", BUILDER, f"{root}/src/inner/.venv")
    assert sorted(str(p.relative_to(root / "copy")) for p in (root / "copy").rglob("*")) == [
        "inner",
        "inner/key",
        "setup.py",
    ]
    assert (root / "copy/inner/key").is_symlink()
    assert state(root / "copy/setup.py") == (BUILDER, BUILDER, "0o600")


def test_a_link_to_an_interpreter_of_the_hosts_may_stay(folder: Path) -> None:
    """What a wrapper such as pyenv's shims starts is not what the environment was asked for."""
    real = Path("/usr/bin/python3").resolve()
    (folder / "python3").symlink_to(real)
    take(str(folder), BUILDER, NOTHING, ["/bin/sh"])
    assert (folder / "python3").readlink() == real


def test_an_interpreter_that_others_can_change_is_none_of_the_hosts(folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "python3"
    shared.write_text("#!/bin/sh\n")
    shared.chmod(0o777)
    (folder / "python3").symlink_to(shared)
    assert f"leads out of it, to {shared}" in refused(folder)
