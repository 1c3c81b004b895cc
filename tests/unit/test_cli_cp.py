"""prov cp, with the real agent and without SSH; and hosts that send what they were not asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cli_project import Prov, command_line, use_local_agents
from inventories import project

from provision.cli.copied_paths import order_of, place_in, remote
from provision.errors import ProvError, UsageError
from provision.run.copying import content_of, wanted
from provision.run.received_files import ReceivingFolder
from provision.steps.file_reading import LARGEST, PartRead

INVENTORY = """
web:
  vars:
    ansible_connection: ssh
    ansible_become: false
  hosts:
    web1: {ansible_host: 127.0.0.1, ansible_port: 9}
    web2: {ansible_host: 127.0.0.1, ansible_port: 9}
"""


@pytest.fixture
def prov(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Prov:
    use_local_agents(monkeypatch.setattr, tmp_path)
    return command_line(monkeypatch, capsys)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a project. Beside it is `host`, where the hosts have their files."""
    folder = project(tmp_path / "project", {"inventory/hosts.yml": INVENTORY})
    (tmp_path / "host").mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_file_there_and_back(here: Path, prov: Prov) -> None:
    there = here.parent / "host"
    data = os.urandom(LARGEST + 3)
    (here / "dump").write_bytes(data)
    (here / "dump").chmod(0o640)
    status, out, err = prov("cp", "dump", f"web1:{there}")
    assert status == 0, out + err
    assert (there / "dump").read_bytes() == data
    assert (there / "dump").stat().st_mode & 0o777 == 0o640
    # an existing file keeps its mode
    (there / "dump").chmod(0o600)
    (here / "dump").write_bytes(b"short")
    assert prov("cp", "dump", f"web1:{there}/dump")[0] == 0
    assert (there / "dump").read_bytes() == b"short"
    assert (there / "dump").stat().st_mode & 0o777 == 0o600
    assert "nothing to change" in prov("cp", "dump", f"web1:{there}/dump")[1]

    (there / "dump").write_bytes(data)
    status, out, _ = prov("cp", f"web1:{there}/dump", "back", "--json")
    assert status == 0
    (copied,) = (line for line in map(json.loads, out.splitlines()) if line["event"] == "copied")
    assert copied["from"] == f"{there}/dump" and copied["files"] == 1 and copied["bytes"] == len(data)
    assert (here / "back").read_bytes() == data
    assert (here / "back").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in here.iterdir() if path.name.endswith(".prov")] == []


def test_a_folder_there_and_back_of_several_hosts(here: Path, prov: Prov) -> None:
    there = here.parent / "host"
    (here / "site/css").mkdir(parents=True)
    (here / "site/css/a.css").write_text("a")
    (here / "site/index.html").write_text("hello")
    assert prov("cp", "site", f"web1:{there}")[0] == 2, "folders need -r"
    assert prov("cp", "-r", "site", f"web1:{there}/new")[0] == 0
    assert (there / "new/css/a.css").read_text() == "a"
    (there / "new/other").write_text("stays")
    assert prov("cp", "-r", "site", f"web1:{there}/")[0] == 0
    assert (there / "site/index.html").read_text() == "hello"
    assert (there / "new/other").exists()

    (there / "new/empty").mkdir()
    (there / "new/link").symlink_to("/etc/passwd")
    (here / "got").mkdir()
    status, out, err = prov("cp", "-r", f"web:{there}/new", "got")
    assert status == 0, err
    assert f"web1: {there}/new -> {here}/got/web1/new, 3 files, 11 bytes" in out
    assert "links, pipes and devices are not copied: link" in err
    for host in ("web1", "web2"):
        found = {str(path.relative_to(here / "got" / host)) for path in (here / "got" / host).rglob("*")}
        assert found == {
            "new", "new/css", "new/css/a.css", "new/index.html", "new/other", "new/empty"
        }  # fmt: skip


def test_what_is_wrong_is_refused_with_what_to_do(here: Path, prov: Prov) -> None:
    there = here.parent / "host"
    (here / "x").write_text("x")
    for words, said in (
        (["x", f"web1:{there}/no/x"], f"there is no folder {there}/no on the host"),
        (["x", f"web1:{there}/no/"], f"{there}/no/ is not a folder on the host"),
        ([f"web1:{there}/no", "."], f"{there}/no does not exist on the host"),
        ([f"web1:{there}", "."], "Folders are copied with -r."),
        ([f"web1:{there}", "no/x"], f"there is no folder {here}/no"),
        ([f"web:{there}", "no"], "no must be a folder, as it gets several files"),
        (["no", "web1:/tmp"], "there is no local file no"),
        (["x", "y"], "one side of a copy is hosts"),
        (["web1:/a", "web2:/b"], "one side of a copy is hosts"),
        (["web1:/a", "web2:/b", "."], "one side of a copy is hosts"),
        (["x"], "name what to copy and where to"),
        (["web1:/", "."], "'/' names no file or folder"),
        (["x", "web1:/tmp", "--app", "shop"], "no application 'shop'"),
        (["x", "web1:/tmp", "--code"], "--code goes with --app"),
        (["x", "nohost:/tmp"], "nohost"),
    ):
        status, out, err = prov("cp", *words)
        assert status in (1, 2), words
        assert said in out + err, words


def test_words_of_the_command_line_are_those_of_scp() -> None:
    assert remote("web1:/srv/x") == ("web1", "/srv/x")
    assert remote("web1:") == ("web1", "")
    assert (
        remote("./web1:x") is None and remote("/a:b") is None and remote("x") is None and remote(":x") is None
    )
    order = order_of(["web*:/a", "web*:b", "."])
    assert (order.target, order.up, order.there, order.here) == ("web*", False, ("/a", "b"), (Path(),))


def test_paths_in_an_application_stay_in_its_folder() -> None:
    assert place_in("/var/lib/app-shop", "uploads/a") == "/var/lib/app-shop/uploads/a"
    assert place_in("/var/lib/app-shop", "uploads/") == "/var/lib/app-shop/uploads/"
    assert place_in("/var/lib/app-shop", "") == "/var/lib/app-shop"
    for path in ("/etc/passwd", "../x", "a/../../x"):
        with pytest.raises(UsageError, match="leads outside"):
            place_in("/var/lib/app-shop", path)


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/cron.d/x", "a/../../x", "a//b", "./x", "a\n", "", "x" * 300, "f/x", "d/" * 200 + "x"],
)
def test_names_that_lead_outside_are_refused(name: str) -> None:
    found = {"kind": "dir", "path": "/x", "entries": [("f", "file", 1, 0o644), (name, "file", 1, 0o644)]}
    host: Any = SimpleNamespace(name="web1", emit=lambda event: None)
    with pytest.raises(ProvError, match="the host's answer is refused"):
        wanted(host, found)


def test_nothing_is_written_through_a_link_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "top/link").symlink_to(tmp_path / "outside")
    (tmp_path / "top/file").symlink_to(tmp_path / "outside/file")
    folder = ReceivingFolder(tmp_path / "top", 0o022)
    with pytest.raises(ProvError, match="is a link; refusing to write through it"):
        folder.file("link/x", 0o644, [b"x"])
    with pytest.raises(ProvError):
        folder.folder("link")
    folder.file("file", 0o6777, [b"a", b"b"])
    assert (tmp_path / "top/file").read_bytes() == b"ab"
    assert (tmp_path / "top/file").stat().st_mode & 0o7777 == 0o755, (
        "no bits but those of rwx, less the umask"
    )
    assert list((tmp_path / "outside").iterdir()) == []


def test_what_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("before")

    def broken() -> Any:
        yield b"some"
        raise ProvError("lost")

    with pytest.raises(ProvError, match="lost"):
        ReceivingFolder(tmp_path / "x", 0o022).file("", 0o644, broken())
    assert (tmp_path / "x").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("said", ["", "!", "eHh4eA==", "eHh4eHh4"])
def test_contents_of_another_length_are_refused(said: str) -> None:
    outcome: Any = SimpleNamespace(step=PartRead("/x", 0, 5), stdout=said)
    with pytest.raises(ProvError, match="expected 5 bytes of /x"):
        content_of(outcome)
